#include "engine/explain/overlay.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "engine/io/error.h"
#include "engine/io/files.h"

namespace salus::explain {
namespace {

constexpr double kOpacity = 0.65;          // of the strongest value
const cv::Vec3d kBlue(214, 110, 40);       // BGR, for negative values
constexpr std::int64_t kBarFraction = 40;  // the scale is 1/40 of the width, at least 4 pixels

/// 256 colours of Inferno, BGR.
cv::Mat inferno() {
  cv::Mat ramp(1, 256, CV_8UC1), colours;
  for (int i = 0; i < 256; ++i) ramp.at<unsigned char>(0, i) = static_cast<unsigned char>(i);
  cv::applyColorMap(ramp, colours, cv::COLORMAP_INFERNO);
  return colours;
}

/// The windowed frame at its own size: BGR, 8 bits.
cv::Mat windowed(const infer::Session& session, const io::Image& image, std::int64_t frame) {
  kernels::PreprocessImage source = session.transform().compile(image, frame);
  source.box = {};
  kernels::PreprocessSpec spec;
  spec.channels = image.pixels.samples == 3 ? 3 : 1;
  spec.height = image.pixels.rows;
  spec.width = image.pixels.columns;
  const at::Tensor chw = kernels::image_preprocess({source}, spec)[0].contiguous();
  const auto value = chw.accessor<float, 3>();
  cv::Mat picture(static_cast<int>(spec.height), static_cast<int>(spec.width), CV_8UC3);
  for (int y = 0; y < picture.rows; ++y) {
    for (int x = 0; x < picture.cols; ++x) {
      for (int bgr = 0; bgr < 3; ++bgr) {
        const float v = value[spec.channels == 3 ? 2 - bgr : 0][y][x];
        picture.at<cv::Vec3b>(y, x)[bgr] = cv::saturate_cast<unsigned char>(255 * v);
      }
    }
  }
  return picture;
}

cv::Vec3b blended(const cv::Vec3b& under, const cv::Vec3d& over, double opacity) {
  cv::Vec3b result;
  for (int c = 0; c < 3; ++c) {
    result[c] = cv::saturate_cast<unsigned char>(under[c] * (1 - opacity) + over[c] * opacity);
  }
  return result;
}

void paint(cv::Mat& picture, const Heatmap& heatmap, const cv::Mat& colours) {
  if (!(heatmap.largest > 0)) return;
  const at::Tensor plain = heatmap.values.contiguous();
  const auto value = plain.accessor<float, 2>();
  for (int y = 0; y < picture.rows; ++y) {
    for (int x = 0; x < picture.cols; ++x) {
      const double share = value[y][x] / heatmap.largest;
      const double strength = std::min(1.0, std::abs(share));
      const int step = static_cast<int>(std::lround(255 * strength));
      const cv::Vec3d colour = share < 0 ? kBlue : cv::Vec3d(colours.at<cv::Vec3b>(0, step));
      cv::Vec3b& pixel = picture.at<cv::Vec3b>(y, x);
      pixel = blended(pixel, colour, kOpacity * strength);
    }
  }
}

/// A bar from 0 (bottom) to the largest value (top).
void paint_scale(cv::Mat& picture, const cv::Mat& colours) {
  const int width = std::max(4, picture.cols / static_cast<int>(kBarFraction));
  if (picture.cols < 4 * width || picture.rows < 8) return;
  for (int y = 0; y < picture.rows; ++y) {
    const int step = 255 * (picture.rows - 1 - y) / (picture.rows - 1);
    for (int x = picture.cols - width; x < picture.cols; ++x) {
      picture.at<cv::Vec3b>(y, x) = colours.at<cv::Vec3b>(0, step);
    }
  }
}

}  // namespace

std::vector<std::byte> overlay_png(const infer::Session& session, const io::Image& image,
                                   const Heatmap& heatmap) {
  cv::Mat picture = windowed(session, image, heatmap.frame);
  const cv::Mat colours = inferno();
  paint(picture, heatmap, colours);
  paint_scale(picture, colours);
  std::vector<unsigned char> png;
  if (!cv::imencode(".png", picture, png)) {
    throw Error("The overlay could not be encoded as PNG.");
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(png.data());
  return {bytes, bytes + png.size()};
}

void write_overlay(const std::string& path, const infer::Session& session, const io::Image& image,
                   const Heatmap& heatmap) {
  io::write_file(path, overlay_png(session, image, heatmap));
}

}  // namespace salus::explain
