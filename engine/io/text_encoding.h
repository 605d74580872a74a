#pragma once

#include <string>

namespace salus::io {

/// `text` in UTF-8, out of the DICOM character set `charset`: the first value of
/// SpecificCharacterSet (PS3.3 C.12.1.1.2); "" and unknown ones are read as UTF-8, which holds
/// ASCII. Bytes that are no text there become U+FFFD. Code extensions by escape sequences (ISO
/// 2022) are not decoded.
std::string decode_text(const std::string& text, const std::string& charset);

/// `text` with U+FFFD for every byte that is not of UTF-8.
std::string valid_utf8(const std::string& text);

}  // namespace salus::io
