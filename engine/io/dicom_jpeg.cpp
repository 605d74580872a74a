#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmjpeg/djcparam.h>
#include <dcmtk/dcmjpeg/djdijg12.h>
#include <dcmtk/dcmjpeg/djdijg16.h>
#include <dcmtk/dcmjpeg/djdijg8.h>
#include <dcmtk/dcmjpls/djcodecd.h>
#include <dcmtk/dcmjpls/djcparam.h>
#include <dcmtk/oflog/oflog.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <mutex>

#include "engine/io/dicom_codecs.h"

namespace salus::io::dicom {
namespace {

/// DCMTK writes its own warnings to stderr unless told not to; ours name the file.
void silence_dcmtk() {
  static std::once_flag once;
  std::call_once(once, [] { OFLog::configure(OFLogger::OFF_LOG_LEVEL); });
}

/// Counts what the JPEG library only warns of: damaged entropy-coded data, which it fills with
/// grey.
template <typename Decoder>
class Counting : public Decoder {
 public:
  using Decoder::Decoder;
  void emitMessage(int level) const override {
    if (level < 0) ++warnings_;
  }
  int warnings() const { return warnings_; }

 private:
  mutable int warnings_ = 0;
};

std::size_t decoded_size(const JpegInfo& info) {
  const std::size_t bytes =
      static_cast<std::size_t>(info.rows) * static_cast<std::size_t>(info.columns) *
      static_cast<std::size_t>(info.components) * (info.precision > 8 ? 2u : 1u);
  if (bytes > std::numeric_limits<Uint32>::max()) {
    throw CodecError("a frame of 4 GiB or more is not decoded.");
  }
  return bytes;
}

template <typename Decoder>
void run_decoder(std::vector<std::byte>& frame, const JpegInfo& info, std::byte* out) {
  const std::size_t out_bytes = decoded_size(info);
  const DJCodecParameter parameters(ECC_lossyYCbCr, EDC_never, EUC_default, EPC_colorByPixel);
  Counting<Decoder> decoder(parameters, OFFalse);
  OFCondition status = decoder.init();
  if (status.good()) {
    status =
        decoder.decode(reinterpret_cast<Uint8*>(frame.data()), static_cast<Uint32>(frame.size()),
                       reinterpret_cast<Uint8*>(out), static_cast<Uint32>(out_bytes), OFFalse);
  }
  if (status.bad()) throw CodecError("its JPEG data are damaged or end too early.");
  // One warning per scan of odd parameters is harmless: the parameters are not used.
  if (decoder.warnings() > info.odd_scans) {
    throw CodecError("its JPEG data are damaged; some of its pixels would be invented.");
  }
}

/// DCMTK's decoder computes wrong default thresholds below 7 bits: an LSE segment with those of
/// T.87 C.2.4.1.1.1 is put after the start marker.
void state_thresholds(std::vector<std::byte>& frame, const JpegInfo& info) {
  const int most = (1 << info.precision) - 1, factor = 256 / (most + 1), near = info.near;
  const auto clamped = [most](int value, int low) {
    return value > most || value < low ? low : value;
  };
  const int t1 = clamped(std::max(2, 3 / factor + 3 * near), near + 1);
  const int t2 = clamped(std::max(3, 7 / factor + 5 * near), t1);
  const int t3 = clamped(std::max(4, 21 / factor + 7 * near), t2);
  std::vector<std::byte> segment;
  for (const int word : {0xFFF8, 13}) {
    segment.push_back(static_cast<std::byte>(word >> 8));
    segment.push_back(static_cast<std::byte>(word));
  }
  segment.push_back(std::byte{1});
  for (const int word : {most, t1, t2, t3, 64}) {
    segment.push_back(static_cast<std::byte>(word >> 8));
    segment.push_back(static_cast<std::byte>(word));
  }
  frame.insert(frame.begin() + 2, segment.begin(), segment.end());
}

/// A data set of one frame, which is the only way into DCMTK's JPEG-LS decoder.
std::unique_ptr<DcmDataset> describe(const JpegInfo& info) {
  auto data = std::make_unique<DcmDataset>();
  const auto allocated = static_cast<Uint16>(info.precision > 8 ? 16 : 8);
  const auto precision = static_cast<Uint16>(info.precision);
  data->putAndInsertUint16(DCM_SamplesPerPixel, static_cast<Uint16>(info.components));
  data->putAndInsertString(DCM_PhotometricInterpretation,
                           info.components == 3 ? "RGB" : "MONOCHROME2");
  data->putAndInsertUint16(DCM_PlanarConfiguration, 0);
  data->putAndInsertString(DCM_NumberOfFrames, "1");
  data->putAndInsertUint16(DCM_Rows, static_cast<Uint16>(info.rows));
  data->putAndInsertUint16(DCM_Columns, static_cast<Uint16>(info.columns));
  data->putAndInsertUint16(DCM_BitsAllocated, allocated);
  data->putAndInsertUint16(DCM_BitsStored, precision);
  data->putAndInsertUint16(DCM_HighBit, static_cast<Uint16>(precision - 1));
  data->putAndInsertUint16(DCM_PixelRepresentation, 0);
  return data;
}

std::unique_ptr<DcmPixelSequence> one_fragment(std::vector<std::byte>& frame) {
  if (frame.size() % 2 != 0) frame.push_back(std::byte{0});
  auto sequence = std::make_unique<DcmPixelSequence>(DCM_PixelSequenceTag);
  auto table = std::make_unique<DcmPixelItem>(DCM_PixelItemTag);
  auto item = std::make_unique<DcmPixelItem>(DCM_PixelItemTag);
  item->putUint8Array(reinterpret_cast<const Uint8*>(frame.data()), frame.size());
  sequence->insert(table.release());
  sequence->insert(item.release());
  return sequence;
}

}  // namespace

void decode_jpeg(std::vector<std::byte>& frame, const JpegInfo& info, std::byte* out) {
  silence_dcmtk();
  if (info.precision < 2 || info.precision > 16) {
    throw CodecError(fmt::format("its JPEG data have {} bits.", info.precision));
  }
  if (!info.ends) {
    // Some writers leave the end marker out. If more is missing, the decoder warns, and we refuse.
    frame.push_back(std::byte{0xFF});
    frame.push_back(std::byte{0xD9});
  }
  if (info.precision <= 8) return run_decoder<DJDecompressIJG8Bit>(frame, info, out);
  if (info.precision <= 12) return run_decoder<DJDecompressIJG12Bit>(frame, info, out);
  return run_decoder<DJDecompressIJG16Bit>(frame, info, out);
}

void decode_jpeg_ls(std::vector<std::byte>& frame, const JpegInfo& info, std::byte* out) {
  silence_dcmtk();
  const std::size_t bytes = decoded_size(info);
  if (info.precision < 2 || info.precision > 16) {
    throw CodecError(fmt::format("its JPEG-LS data have {} bits.", info.precision));
  }
  if (info.precision < 7 && !info.has_presets) state_thresholds(frame, info);
  const std::unique_ptr<DcmDataset> data = describe(info);
  const std::unique_ptr<DcmPixelSequence> sequence = one_fragment(frame);
  const DJLSCodecParameter parameters(EJLSUC_default, EJLSPC_colorByPixel);
  const DJLSNearLosslessDecoder decoder;  // decodes lossless streams as well
  Uint32 fragment = 1;
  OFString colour;
  const OFCondition status =
      decoder.decodeFrame(nullptr, sequence.get(), &parameters, data.get(), 0, fragment, out,
                          static_cast<Uint32>(bytes), colour);
  if (status.bad()) {
    throw CodecError(fmt::format("its JPEG-LS data are damaged ({}).", status.text()));
  }
}

}  // namespace salus::io::dicom
