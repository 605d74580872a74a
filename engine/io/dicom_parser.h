#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/io/dicom_dataset.h"
#include "engine/io/dicom_source.h"
#include "engine/io/dicom_syntax.h"
#include "engine/io/image.h"

namespace salus::io::dicom {

/// How the elements of a data set are written.
struct Encoding {
  bool explicit_vr = true;
  bool big_endian = false;
};

/// A file whose structure was walked and whose element lengths were checked, up to its pixels.
struct ParsedFile {
  std::unique_ptr<ByteSource>
      source;                       ///< where offsets of `data` point: the file, or inflated bytes
  DataSet meta;                     ///< group 0002
  DataSet data;                     ///< ends with the pixel element, if there is one
  TransferSyntax syntax;            ///< how it is really written
  std::string transfer_syntax_uid;  ///< as the file says it; "" if it does not
  std::vector<std::string> warnings;
};

/// Walks the element structure: preamble or none, meta header or none, the data set in the encoding
/// that it really has. Only what Salus uses is kept; the pixels are not read (except that a
/// deflated file is inflated).
///
/// \throws salus::Error if the file is not DICOM, an element claims more bytes than there are, the
///         nesting is broken, or the transfer syntax is unknown or not a still image.
ParsedFile parse_file(const std::string& path, const ReadLimits& limits);

/// Text of one element of `data` (a data set or item of `file`) in UTF-8, by the file's
/// SpecificCharacterSet; "" if absent.
std::string utf8_text(ParsedFile& file, const DataSet& data, Tag tag);
/// The values of such a text.
std::vector<std::string> utf8_texts(ParsedFile& file, const DataSet& data, Tag tag);

/// True if `head` can begin a DICOM file; see looks_like_dicom.
bool plausible_start(std::span<const std::byte> head);

}  // namespace salus::io::dicom
