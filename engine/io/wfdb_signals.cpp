#include "engine/io/wfdb_signals.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "engine/io/error.h"
#include "engine/io/posix.h"
#include "engine/io/wfdb_formats.h"

namespace salus::io {
namespace {

/// How many values are read at once, if a frame has not more.
constexpr std::int64_t kPiece = 1 << 16;

/// Takes the stored samples of one signal one after another: leaves the skew out, makes samples of
/// frames, and holds what was stored against the header.
class Track {
 public:
  Track(const WfdbSignalLine& line, std::int64_t invalid, std::int32_t* target)
      : line_(line),
        differences_(line.signal.format == 8),
        invalid_(invalid),
        skew_(line.skew * line.per_frame),
        target_(target),
        value_(line.first_sample.value_or(line.signal.adc_zero)) {}

  void take(std::int32_t stored) {
    // In 32 bits whatever the differences are: modulo 2^32.
    const auto before = differences_ ? static_cast<std::uint32_t>(value_) : 0U;
    value_ = static_cast<std::int32_t>(before + static_cast<std::uint32_t>(stored));
    if (stored_++ == 0) first_ = value_;
    checksum_ = static_cast<std::uint16_t>(checksum_ + static_cast<std::uint32_t>(value_));
    if (stored_ <= skew_ || target_ == nullptr) return;
    valid_ = valid_ && value_ != invalid_;
    sum_ += value_;
    if (++in_frame_ < line_.per_frame) return;
    *target_++ = !valid_          ? WfdbSignal::kInvalid
                 : in_frame_ == 1 ? value_
                                  : static_cast<std::int32_t>(sum_ / in_frame_);
    valid_ = true;
    sum_ = in_frame_ = 0;
  }

  /// header(5): the checksum is the sum of the stored samples in 16 bits. Of published headers many
  /// state 0 that took none.
  void check(const WfdbHeader& header, const std::string& path) const {
    if (stored_ == 0) return;
    if (!differences_ && line_.first_sample && *line_.first_sample != first_) {
      header.fail(
          line_.line,
          fmt::format("states {} as the first sample, but {} has {}; header and signals are "
                      "not of one record",
                      *line_.first_sample, path, first_));
    }
    const std::int32_t stated = line_.checksum.value_or(0);
    const auto expected = static_cast<std::uint16_t>(stated);
    if (expected != 0 && expected != checksum_) {
      header.fail(line_.line, fmt::format("states the checksum {}, but the samples of {} have {}; "
                                          "the file is damaged",
                                          stated, path, static_cast<std::int16_t>(checksum_)));
    }
  }

 private:
  const WfdbSignalLine& line_;
  bool differences_;
  std::int64_t invalid_, skew_;
  std::int32_t* target_;
  std::int32_t value_, first_ = 0;
  std::int64_t stored_ = 0, in_frame_ = 0, sum_ = 0;
  std::uint16_t checksum_ = 0;
  bool valid_ = true;
};

/// The signals [first, last) of the header, which share one file.
class SignalFile {
 public:
  SignalFile(const WfdbHeader& header, std::size_t first, std::size_t last)
      : header_(header),
        first_(first),
        last_(last),
        lead_(header.lines[first]),
        path_(header.folder() + lead_.signal.file),
        format_(find_wfdb_format(lead_.signal.format)) {
    for (std::size_t s = first; s < last; ++s) width_ += header.lines[s].per_frame;
  }

  /// Returns how many frames the file holds.
  std::int64_t check() const {
    if (lead_.signal.file.find('/') != std::string::npos || lead_.signal.file == "..") {
      header_.fail(lead_.line, "names a signal file outside of the header's folder");
    }
    for (std::size_t s = first_; s < last_; ++s) {
      if (header_.lines[s].signal.format != lead_.signal.format) {
        header_.fail(header_.lines[s].line,
                     "has another format than the signals of the same file above");
      }
    }
    const std::int64_t bytes = InputFile(path_).size() - lead_.byte_offset;
    const std::int64_t frames = format_->packed_values(std::max<std::int64_t>(bytes, 0)) / width_;
    if (frames < header_.record.length) {
      throw Error(
          fmt::format("{} holds {} samples of each signal, but {} claims {}; the file is "
                      "truncated, fetch it again.",
                      path_, frames, header_.origin, header_.record.length));
    }
    return frames;
  }

  void read(const std::vector<std::int32_t*>& targets) const {
    std::vector<Track> tracks;
    for (std::size_t s = first_; s < last_; ++s) {
      tracks.emplace_back(header_.lines[s], format_->invalid, targets[s]);
    }
    const InputFile file(path_);
    // Six frames are whole groups of any format.
    const std::int64_t step = std::max<std::int64_t>(kPiece / width_ / 6, 1) * 6;
    std::vector<std::byte> packed;
    std::vector<std::int32_t> values;
    for (std::int64_t done = 0; done < header_.record.length; done += step) {
      const std::int64_t frames = std::min(step, header_.record.length - done);
      packed.resize(static_cast<std::size_t>(format_->packed_bytes(frames * width_)));
      values.resize(static_cast<std::size_t>(frames * width_));
      file.read_at(lead_.byte_offset + format_->packed_bytes(done * width_), packed);
      unpack_wfdb(*format_, packed, values);
      share_out(values, tracks);
    }
    for (const Track& track : tracks) track.check(header_, path_);
  }

 private:
  /// Frames have the samples of a signal one after another.
  void share_out(const std::vector<std::int32_t>& values, std::vector<Track>& tracks) const {
    for (auto value = values.begin(); value != values.end();) {
      for (std::size_t s = first_; s < last_; ++s) {
        for (std::int64_t n = header_.lines[s].per_frame; n > 0; --n) {
          tracks[s - first_].take(*value++);
        }
      }
    }
  }

  const WfdbHeader& header_;
  std::size_t first_, last_;
  const WfdbSignalLine& lead_;
  std::string path_;
  const WfdbFormat* format_;
  std::int64_t width_ = 0;  ///< values in a frame
};

/// The files that a header names, in its order.
std::vector<SignalFile> files_of(const WfdbHeader& header) {
  std::vector<SignalFile> files;
  std::set<std::string> names;
  const auto& lines = header.lines;
  for (std::size_t first = 0, last; first < lines.size(); first = last) {
    last = first + 1;
    if (!lines[first].stored()) continue;
    while (last < lines.size() && lines[last].signal.file == lines[first].signal.file) ++last;
    if (!names.insert(lines[first].signal.file).second) {
      header.fail(lines[first].line,
                  "names a signal file of lines further above; the lines of one file must follow "
                  "each other");
    }
    files.emplace_back(header, first, last);
  }
  return files;
}

}  // namespace

void check_wfdb_files(WfdbHeader& header) {
  if (header.signals == 0) header.record.length = 0;  // whatever is stated
  bool stated = header.record.length > 0;
  for (const SignalFile& file : files_of(header)) {
    const std::int64_t frames = file.check();
    if (!stated) header.record.length = frames;  // of the first file
    stated = true;
  }
}

void read_wfdb_files(const WfdbHeader& header, const std::vector<std::int32_t*>& targets) {
  for (const SignalFile& file : files_of(header)) file.read(targets);
}

void WfdbGaps::add(std::int64_t samples) {
  samples_ += samples;
  if (samples_ <= most_) return;
  throw Error(
      fmt::format("{} claims more than {} samples that are in no signal file or in one twice, the "
                  "most that can be read; if they are right, read the segments one by one.",
                  header_.origin, most_));
}

}  // namespace salus::io
