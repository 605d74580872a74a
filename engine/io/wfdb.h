#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace salus::io {

/// Gain and baseline of a signal from sample `begin` on.
struct WfdbScale {
  std::int64_t begin = 0;
  double gain = 200;
  std::int32_t baseline = 0;
};

/// One signal of a WFDB record (header(5) of the WFDB application guide).
struct WfdbSignal {
  /// The sample where no valid one was taken, whatever marks that in the signal's format.
  static constexpr std::int32_t kInvalid = std::numeric_limits<std::int32_t>::min();

  std::string file;           ///< as the header names it
  std::string description;    ///< "MLII"
  std::string unit = "mV";    ///< so where the header states none
  int format = 0;             ///< 8 ... 311 of signal(5); 0 if no samples of it are stored
  double gain = 200;          ///< ADC units per physical unit, below 0 if the signal is inverted; a
                              ///< stated 0 (uncalibrated) reads as 200
  std::int32_t baseline = 0;  ///< ADC value of 0 physical units; the ADC zero where not stated
  int resolution = 0;         ///< bits; 0 if not stated
  std::int32_t adc_zero = 0;
  std::vector<WfdbScale>
      rescaled;  ///< where a later segment has another gain or baseline, in order
  std::vector<std::int32_t> samples;  ///< ADC units, or kInvalid; 4 bytes each in any format

  /// Gain and baseline that hold at sample i.
  WfdbScale scale_at(std::int64_t i) const;
  /// Sample i in `unit`: (sample - baseline) / gain, NaN if invalid.
  float physical(std::size_t i) const {
    if (samples[i] == kInvalid) return std::numeric_limits<float>::quiet_NaN();
    const WfdbScale scale =
        rescaled.empty() ? WfdbScale{0, gain, baseline} : scale_at(static_cast<std::int64_t>(i));
    return static_cast<float>((static_cast<double>(samples[i]) - scale.baseline) / scale.gain);
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
  double frequency = 250;   ///< samples (of several in a frame: frames) per second and signal
  std::int64_t length = 0;  ///< samples per signal; 0 without signals
  std::vector<WfdbSignal> signals;
  std::vector<std::string> comments;  ///< lines after '#'; they may describe the patient
};

/// By default the most samples, of all signals together, that a record may have without a file that
/// holds them: 2 GiB in memory, or eleven days of four signals at 125 Hz.
inline constexpr std::int64_t kMostWfdbGaps = std::int64_t{1} << 29;

/// Reads the header PATH.hea (or PATH itself if it ends so) and its signals, which lie beside it.
///
/// Formats 8 (first differences from the initial value), 16, 24, 32, 61, 80, 160, 212, 310 and 311 of
/// signal(5), and 0, of which every sample is invalid; several signals interleaved in one file; byte
/// offsets. Of several samples in a frame ("x4") the mean is taken, towards zero, as WFDB's getvec()
/// and wfdb-python's smooth_frames do; it is invalid if one of them is. Skew (":3") leaves so many
/// frames of the signal out before its first, and as many are invalid at its end.
///
/// The segments of a record of several are joined, with invalid samples in gaps ("~") and where a
/// segment lacks a signal. If the first has no samples it is the layout, whose signals the record has,
/// found in the segments by their descriptions (others are left out); else every segment has the same
/// signals in the same order. Gain and baseline may change from segment to segment. Comments are those
/// of the record's own header.
///
/// What is refused by name: other formats (those of FLAC), segments of segments, files outside of the
/// header's folder.
///
/// \param most_gaps  how many samples, of all signals together, may be invalid or repeated without
///                   being in a file of their own. Nothing else is allocated that the files do not
///                   fill.
/// \throws salus::Error naming file and line: a malformed header, a signal file that is shorter
///         than the header claims, segments that are not as the record's header says (all checked
///         before anything is allocated), a first sample or checksum that is not the header's. Many
///         headers have a checksum of 0 for one that was not taken.
WfdbRecord read_wfdb(const std::string& path, std::int64_t most_gaps = kMostWfdbGaps);

/// Names of the segments of which a record is made, its layout too; none for an ordinary record.
/// \throws salus::Error for a malformed header.
std::vector<std::string> wfdb_segments(const std::string& path);

/// Reads MIT annotations, "100.atr".
/// \throws salus::Error naming file and byte if it is truncated or its times descend below 0.
std::vector<WfdbAnnotation> read_wfdb_annotations(const std::string& path);

/// The codes' symbols, as WFDB's tables have them; "" for a code without one.
std::string wfdb_symbol(int code);

}  // namespace salus::io
