#include "engine/data/image_dataset.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <sstream>

#include "engine/data/lines_below.h"
#include "engine/data/thread_pool.h"
#include "engine/io/error.h"
#include "engine/io/inputs.h"
#include "engine/io/npy.h"
#include "engine/io/volume.h"

namespace salus::data {
namespace {

/// Images inside an NPZ array, as if each were a file of its own.
io::Image npz_image(const io::NpyArray& array, std::int64_t index) {
  io::Image image;
  image.format = "NPZ";
  auto& pixels = image.pixels;
  pixels.type = array.dtype == "|u1" ? io::PixelType::kU8 : io::PixelType::kU16;
  image.bits_stored = array.dtype == "|u1" ? 8 : 16;
  pixels.frames = 1;
  pixels.rows = array.shape[1];
  pixels.columns = array.shape[2];
  pixels.samples = array.shape.size() == 4 ? array.shape[3] : 1;
  const auto bytes = pixels.bytes_per_frame();
  const auto* begin = array.bytes.data() + index * bytes;
  pixels.bytes = std::make_shared<std::vector<std::byte>>(begin, begin + bytes);
  image.gray.resize(1);
  return image;
}

/// The image at `path`; a folder holds the slices of one series, all of which must be readable.
io::Image read_file_or_series(const std::string& path) {
  if (!std::filesystem::is_directory(path)) return io::read_image(path);
  std::istringstream no_list;
  const io::NamedFiles named = io::expand_inputs({path}, no_list);
  if (!named.problems.empty()) throw Error(named.problems[0]);
  return io::read_series(named.files).image;
}

void check_npz_array(const io::NpyArray& array, const std::string& path) {
  const bool colour = array.shape.size() == 4 && array.shape[3] == 3;
  if ((array.dtype == "|u1" || array.dtype == "<u2") && (array.shape.size() == 3 || colour)) return;
  throw Error(
      fmt::format("{} must be uint8 or uint16 [N, H, W] or [N, H, W, 3], but it is {} with "
                  "{} dimensions.",
                  path, array.dtype, array.shape.size()));
}

/// FNV-1a over eight bytes at a time: pixels that are equal hash equal; speed matters, secrecy not.
std::uint64_t hash_pixels(const io::Pixels& pixels) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  const auto mix = [&hash](std::uint64_t word) {
    hash = (hash ^ word) * 0x100000001b3ULL;
    hash ^= hash >> 29;
  };
  mix(static_cast<std::uint64_t>(pixels.rows));
  mix(static_cast<std::uint64_t>(pixels.columns));
  const auto& bytes = *pixels.bytes;
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + i, 8);
    mix(word);
  }
  for (; i < bytes.size(); ++i) mix(static_cast<std::uint64_t>(bytes[i]));
  return hash;
}

std::string join_failures(const std::vector<std::string>& failures) {
  std::vector<std::string> reasons;
  for (const auto& failure : failures) {
    if (!failure.empty()) reasons.push_back(failure);
  }
  return fmt::format("{} of {} images cannot be read. Mend or remove them:{}", reasons.size(),
                     failures.size(), lines_below(reasons));
}

}  // namespace

struct ImageDataset::Impl {
  std::vector<ImageCase> cases;
  std::shared_ptr<const Transform> transform;
  Task task;
  mutable ThreadPool pool;
  std::map<std::string, io::NpyArray> stacks;  ///< "file.npz#array" -> images
  at::Tensor cached;                           ///< float32 [size, C, H, W], or undefined
  std::vector<std::uint64_t> hashes;           ///< filled by cache()

  Impl(std::vector<ImageCase> all, std::shared_ptr<const Transform> how, Task what, int threads)
      : cases(std::move(all)), transform(std::move(how)), task(std::move(what)), pool(threads) {
    std::map<std::string, std::map<std::string, io::NpyArray>> files;
    for (const auto& item : cases) {
      if (item.index < 0 || stacks.count(item.path)) continue;
      const auto hash_sign = item.path.rfind('#');
      const auto file = item.path.substr(0, hash_sign);
      if (!files.count(file)) files[file] = io::read_npz(file);
      auto& array = files[file].at(item.path.substr(hash_sign + 1));
      check_npz_array(array, item.path);
      stacks[item.path] = std::move(array);
    }
  }

  io::Image read(std::int64_t i) const {
    const auto& item = cases[i];
    if (item.index < 0) return read_file_or_series(item.path);
    return npz_image(stacks.at(item.path), item.index);
  }

  /// Reads case i and writes its input to row `row` of `out`.
  void load_into(std::int64_t i, const at::Tensor& out, std::int64_t row,
                 std::uint64_t* hash = nullptr) const {
    const auto image = read(i);
    // One frame stands for a case in training; all frames are pooled only when predicting.
    const auto frames = transform->frames(image);
    out[row].copy_(transform->apply(image, frames[frames.size() / 2]));
    if (hash != nullptr) *hash = hash_pixels(image.pixels);
  }

  at::Tensor empty_inputs(std::int64_t count) const {
    const auto& spec = transform->spec();
    return at::empty({count, spec.channels, spec.height, spec.width}, at::kFloat);
  }

  at::Tensor inputs(at::IntArrayRef indices) const {
    if (cached.defined()) {
      auto positions = at::empty({static_cast<std::int64_t>(indices.size())}, at::kLong);
      std::copy(indices.begin(), indices.end(), positions.mutable_data_ptr<std::int64_t>());
      return cached.index_select(0, positions);
    }
    auto images = empty_inputs(static_cast<std::int64_t>(indices.size()));
    pool.for_each(static_cast<std::int64_t>(indices.size()),
                  [&](std::int64_t row) { load_into(indices[row], images, row); });
    return images;
  }
};

ImageDataset::ImageDataset(std::vector<ImageCase> cases, std::shared_ptr<const Transform> transform,
                           Task task, int threads)
    : impl_(std::make_unique<Impl>(std::move(cases), std::move(transform), std::move(task),
                                   threads)) {}

ImageDataset::~ImageDataset() = default;

std::int64_t ImageDataset::size() const { return static_cast<std::int64_t>(impl_->cases.size()); }

const CaseInfo& ImageDataset::info(std::int64_t i) const { return impl_->cases.at(i).info; }

Batch ImageDataset::load(at::IntArrayRef indices) const {
  Batch batch;
  batch.inputs["image"] = impl_->inputs(indices);
  bool labelled = true;
  for (const auto i : indices) {
    batch.ids.push_back(info(i).id);
    labelled = labelled && !info(i).target.empty();
  }
  if (!labelled || indices.empty()) return batch;
  const auto count = static_cast<std::int64_t>(indices.size());
  batch.target = at::empty({count, impl_->task.outputs()}, at::kFloat);
  auto* out = batch.target.mutable_data_ptr<float>();
  for (const auto i : indices) out = std::copy_n(info(i).target.data(), impl_->task.outputs(), out);
  return batch;
}

std::uint64_t ImageDataset::content_hash(std::int64_t i) const {
  if (!impl_->hashes.empty()) return impl_->hashes.at(i);
  return hash_pixels(impl_->read(i).pixels);
}

const Transform& ImageDataset::transform() const { return *impl_->transform; }

io::Image ImageDataset::image(std::int64_t i) const { return impl_->read(i); }

void ImageDataset::cache(const std::function<void(std::int64_t, std::int64_t)>& progress) {
  auto images = impl_->empty_inputs(size());
  std::vector<std::uint64_t> hashes(size());
  std::vector<std::string> failures(size());
  std::atomic<std::int64_t> done{0};
  std::mutex mutex;
  impl_->pool.for_each(size(), [&](std::int64_t i) {
    try {
      impl_->load_into(i, images, i, &hashes[i]);
    } catch (const Error& error) {
      failures[i] = error.what();
    }
    const auto count = ++done;
    if (!progress) return;
    std::lock_guard lock(mutex);
    progress(count, size());
  });
  if (std::any_of(failures.begin(), failures.end(), [](const auto& f) { return !f.empty(); })) {
    throw Error(join_failures(failures));
  }
  impl_->cached = std::move(images);
  impl_->hashes = std::move(hashes);
}

std::int64_t ImageDataset::cache_bytes() const {
  const auto& spec = impl_->transform->spec();
  return size() * spec.channels * spec.height * spec.width * 4;
}

std::vector<std::string> ImageDataset::missing_files() const {
  namespace fs = std::filesystem;
  std::vector<std::string> missing;
  for (const auto& item : impl_->cases) {
    std::error_code ignored;  // what is there but cannot be opened is told of when it is read
    const bool is_file = item.index < 0;
    if (is_file && fs::status(item.path, ignored).type() == fs::file_type::not_found) {
      missing.push_back(item.path);
    }
  }
  return missing;
}

}  // namespace salus::data
