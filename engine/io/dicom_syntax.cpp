#include "engine/io/dicom_syntax.h"

#include "engine/io/dicom.h"

namespace salus::io {
namespace dicom {
namespace {

constexpr Codec kNo = Codec::kUnsupported;

constexpr TransferSyntax kSyntaxes[] = {
    {"1.2.840.10008.1.2", "Implicit VR Little Endian", Codec::kNative, false},
    {"1.2.840.10008.1.2.1", "Explicit VR Little Endian", Codec::kNative},
    {"1.2.840.10008.1.2.2", "Explicit VR Big Endian", Codec::kNative, true, true},
    {"1.2.840.10008.1.2.1.99", "Deflated Explicit VR Little Endian", Codec::kNative, true, false,
     true},
    {"1.2.840.113619.5.2", "GE Private Implicit VR with Big Endian Pixels", Codec::kNative, false,
     false, false, true},
    {"1.2.840.10008.1.2.1.98", "Encapsulated Uncompressed Explicit VR Little Endian",
     Codec::kEncapsulatedNative},
    {"1.2.840.10008.1.2.8.1", "Deflated Image Frame Compression", Codec::kDeflatedFrames},
    {"1.2.840.10008.1.2.5", "RLE Lossless", Codec::kRle},
    {"1.2.840.10008.1.2.4.50", "JPEG Baseline (Process 1)", Codec::kJpeg},
    {"1.2.840.10008.1.2.4.51", "JPEG Extended (Process 2 and 4)", Codec::kJpeg},
    {"1.2.840.10008.1.2.4.52", "JPEG Extended (Process 3 and 5)", Codec::kJpeg},
    {"1.2.840.10008.1.2.4.53", "JPEG Spectral Selection (Process 6 and 8)", Codec::kJpeg},
    {"1.2.840.10008.1.2.4.54", "JPEG Spectral Selection (Process 7 and 9)", Codec::kJpeg},
    {"1.2.840.10008.1.2.4.55", "JPEG Full Progression (Process 10 and 12)", Codec::kJpeg},
    {"1.2.840.10008.1.2.4.56", "JPEG Full Progression (Process 11 and 13)", Codec::kJpeg},
    {"1.2.840.10008.1.2.4.57", "JPEG Lossless (Process 14)", Codec::kJpeg},
    {"1.2.840.10008.1.2.4.58", "JPEG Lossless (Process 15)", Codec::kJpeg},
    {"1.2.840.10008.1.2.4.59", "JPEG Extended, Hierarchical (Process 16 and 18)", kNo},
    {"1.2.840.10008.1.2.4.60", "JPEG Extended, Hierarchical (Process 17 and 19)", kNo},
    {"1.2.840.10008.1.2.4.61", "JPEG Spectral Selection, Hierarchical (Process 20 and 22)", kNo},
    {"1.2.840.10008.1.2.4.62", "JPEG Spectral Selection, Hierarchical (Process 21 and 23)", kNo},
    {"1.2.840.10008.1.2.4.63", "JPEG Full Progression, Hierarchical (Process 24 and 26)", kNo},
    {"1.2.840.10008.1.2.4.64", "JPEG Full Progression, Hierarchical (Process 25 and 27)", kNo},
    {"1.2.840.10008.1.2.4.65", "JPEG Lossless, Hierarchical (Process 28)", kNo},
    {"1.2.840.10008.1.2.4.66", "JPEG Lossless, Hierarchical (Process 29)", kNo},
    {"1.2.840.10008.1.2.4.70", "JPEG Lossless, First-Order Prediction (Process 14)", Codec::kJpeg},
    {"1.2.840.10008.1.2.4.80", "JPEG-LS Lossless", Codec::kJpegLs},
    {"1.2.840.10008.1.2.4.81", "JPEG-LS Near-Lossless", Codec::kJpegLs},
    {"1.2.840.10008.1.2.4.90", "JPEG 2000 Lossless", Codec::kJpeg2000},
    {"1.2.840.10008.1.2.4.91", "JPEG 2000", Codec::kJpeg2000},
    {"1.2.840.10008.1.2.4.92", "JPEG 2000 Part 2 Lossless", Codec::kJpeg2000},
    {"1.2.840.10008.1.2.4.93", "JPEG 2000 Part 2", Codec::kJpeg2000},
    {"1.2.840.10008.1.2.4.201", "High-Throughput JPEG 2000 Lossless", Codec::kJpeg2000},
    {"1.2.840.10008.1.2.4.202", "High-Throughput JPEG 2000 with RPCL Lossless", Codec::kJpeg2000},
    {"1.2.840.10008.1.2.4.203", "High-Throughput JPEG 2000", Codec::kJpeg2000},
    {"1.2.840.10008.1.2.4.94", "JPIP Referenced", kNo},
    {"1.2.840.10008.1.2.4.95", "JPIP Referenced Deflate", kNo},
    {"1.2.840.10008.1.2.4.204", "JPIP HTJ2K Referenced", kNo},
    {"1.2.840.10008.1.2.4.205", "JPIP HTJ2K Referenced Deflate", kNo},
    {"1.2.840.10008.1.2.4.100", "MPEG2 Main Profile / Main Level", kNo},
    {"1.2.840.10008.1.2.4.100.1", "Fragmentable MPEG2 Main Profile / Main Level", kNo},
    {"1.2.840.10008.1.2.4.101", "MPEG2 Main Profile / High Level", kNo},
    {"1.2.840.10008.1.2.4.101.1", "Fragmentable MPEG2 Main Profile / High Level", kNo},
    {"1.2.840.10008.1.2.4.102", "MPEG-4 AVC/H.264 High Profile / Level 4.1", kNo},
    {"1.2.840.10008.1.2.4.102.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1", kNo},
    {"1.2.840.10008.1.2.4.103", "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", kNo},
    {"1.2.840.10008.1.2.4.103.1",
     "Fragmentable MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", kNo},
    {"1.2.840.10008.1.2.4.104", "MPEG-4 AVC/H.264 High Profile / Level 4.2 for 2D Video", kNo},
    {"1.2.840.10008.1.2.4.104.1",
     "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 for 2D Video", kNo},
    {"1.2.840.10008.1.2.4.105", "MPEG-4 AVC/H.264 High Profile / Level 4.2 for 3D Video", kNo},
    {"1.2.840.10008.1.2.4.105.1",
     "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 for 3D Video", kNo},
    {"1.2.840.10008.1.2.4.106", "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", kNo},
    {"1.2.840.10008.1.2.4.106.1", "Fragmentable MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2",
     kNo},
    {"1.2.840.10008.1.2.4.107", "HEVC/H.265 Main Profile / Level 5.1", kNo},
    {"1.2.840.10008.1.2.4.108", "HEVC/H.265 Main 10 Profile / Level 5.1", kNo},
    {"1.2.840.10008.1.2.4.110", "JPEG XL Lossless", kNo},
    {"1.2.840.10008.1.2.4.111", "JPEG XL JPEG Recompression", kNo},
    {"1.2.840.10008.1.2.4.112", "JPEG XL", kNo},
    {"1.2.840.10008.1.2.6.1", "RFC 2557 MIME Encapsulation", kNo},
    {"1.2.840.10008.1.2.6.2", "XML Encoding", kNo},
    {"1.2.840.10008.1.2.7.1", "SMPTE ST 2110-20 Uncompressed Progressive Active Video", kNo},
    {"1.2.840.10008.1.2.7.2", "SMPTE ST 2110-20 Uncompressed Interlaced Active Video", kNo},
    {"1.2.840.10008.1.2.7.3", "SMPTE ST 2110-30 PCM Digital Audio", kNo},
    {"1.2.840.10008.1.20", "Papyrus 3 Implicit VR Little Endian", kNo},
};

}  // namespace

const TransferSyntax* find_transfer_syntax(std::string_view uid) {
  for (const TransferSyntax& syntax : kSyntaxes) {
    if (syntax.uid == uid) return &syntax;
  }
  return nullptr;
}

}  // namespace dicom

std::string transfer_syntax_name(const std::string& uid) {
  const dicom::TransferSyntax* syntax = dicom::find_transfer_syntax(uid);
  return syntax ? std::string(syntax->name) : uid;
}

}  // namespace salus::io
