#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace salus::io {

/// One signal of a WFDB record (header(5) of the WFDB application guide).
struct WfdbSignal {
  std::string file;           ///< as the header names it
  std::string description;    ///< "MLII"
  std::string unit;           ///< "mV" where the header states none
  int format = 0;             ///< 16 or 212
  double gain = 200;          ///< ADC units per physical unit, below 0 if the signal is inverted; a
                              ///< stated 0 (uncalibrated) reads as 200
  std::int32_t baseline = 0;  ///< ADC value of 0 physical units; the ADC zero where not stated
  int resolution = 0;         ///< bits; 0 if not stated
  std::int32_t adc_zero = 0;
  std::vector<std::int16_t> samples;  ///< ADC units; invalid_sample() where none was taken

  /// The value by which the format marks that no valid sample was taken.
  std::int16_t invalid_sample() const { return format == 212 ? -2048 : -32768; }
  /// Sample i in `unit`: (sample - baseline) / gain, NaN if invalid.
  float physical(std::size_t i) const {
    if (samples[i] == invalid_sample()) return std::numeric_limits<float>::quiet_NaN();
    return static_cast<float>((samples[i] - baseline) / gain);
  }
};

/// One annotation (annot(5)).
struct WfdbAnnotation {
  std::int64_t sample = 0;  ///< when, in samples from the start
  int code = 0;             ///< 1 to 49, as in WFDB's ecgcodes.h
  std::string symbol;       ///< "N", "V", "+" ...; "[code]" for a code without one
  int subtype = 0, channel = 0, number = 0;
  std::string text;  ///< auxiliary: "(N" for a rhythm
};

/// A record: waveforms, and the beats and rhythms somebody marked.
struct WfdbRecord {
  std::string name;
  double frequency = 250;   ///< samples per second and signal
  std::int64_t length = 0;  ///< samples per signal; 0 without signals
  std::vector<WfdbSignal> signals;
  std::vector<std::string> comments;  ///< lines after '#'; they may describe the patient
};

/// Reads the header PATH.hea (or PATH itself if it ends so) and its signals, which lie beside it.
///
/// Formats 16 (16 bits, little endian) and 212 (pairs of 12 bits in three bytes), several signals
/// interleaved in one file, byte offsets. What is refused by name: other formats, several segments,
/// several samples per frame, skew, files outside of the header's folder.
///
/// \throws salus::Error naming file and line: a malformed header, a signal file that is shorter
/// than
///         the header claims (checked before anything is allocated), a first sample or checksum
///         that is not the header's. Many headers have a checksum of 0 for one that was not taken.
WfdbRecord read_wfdb(const std::string& path);

/// Reads MIT annotations, "100.atr".
/// \throws salus::Error naming file and byte if it is truncated or its times descend below 0.
std::vector<WfdbAnnotation> read_wfdb_annotations(const std::string& path);

/// The codes' symbols, as WFDB's tables have them; "" for a code without one.
std::string wfdb_symbol(int code);

}  // namespace salus::io
