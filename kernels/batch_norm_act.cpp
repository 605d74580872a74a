#include "kernels/batch_norm_act.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/util/Exception.h>

#include <cmath>
#include <numeric>

#include "kernels/batch_norm_act_plan.h"

namespace salus::kernels {
namespace {

constexpr std::int64_t kPartValues = 1 << 15;  ///< of a part: sums stay exact, threads stay busy
constexpr std::int64_t kLeastPart = 32;        ///< rows: a part's own sums are two rows
constexpr std::int64_t kLeastWidth = 64;       ///< values of a row: independent sums side by side
constexpr std::int64_t kOriginPixels = 16;

NormRows rows_of(const at::Tensor& x) { return {x.size(0) * x.size(2) * x.size(3), x.size(1)}; }

void check_row(const at::Tensor& values, const at::Tensor& x, const char* name) {
  TORCH_CHECK(values.defined() && values.is_cpu() && values.scalar_type() == at::kFloat &&
                  values.dim() == 1 && values.size(0) == x.size(1),
              "batch_norm_act: ", name, " must be float32 [", x.size(1), "] on the CPU.");
}

void check_running(const at::Tensor& values, const at::Tensor& x, const char* name) {
  if (!values.defined()) return;
  check_row(values, x, name);
  TORCH_CHECK(values.is_contiguous(), "batch_norm_act: ", name, " must be contiguous.");
}

void check_input(const at::Tensor& x, const BatchNormParameters& parameters) {
  TORCH_CHECK(x.is_cpu(), "batch_norm_act: x is on ", x.device(), "; it must be on the CPU.");
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16,
              "batch_norm_act: x is ", x.scalar_type(), "; it must be float32 or bfloat16.");
  TORCH_CHECK(x.dim() == 4, "batch_norm_act: x has ", x.dim(),
              " dimensions; it must be [N, C, H, W].");
  TORCH_CHECK(x.size(1) > 0 && x.size(0) * x.size(2) * x.size(3) > 1, "batch_norm_act: x is ",
              x.sizes(), "; training needs more than one value of each channel.");
  check_row(parameters.weight, x, "weight");
  check_row(parameters.bias, x, "bias");
  TORCH_CHECK(parameters.eps >= 0, "batch_norm_act: eps is ", parameters.eps,
              "; it must be at least 0.");
}

void check_like(const at::Tensor& other, const at::Tensor& x, const char* name) {
  TORCH_CHECK(
      other.is_cpu() && other.scalar_type() == x.scalar_type() && other.sizes() == x.sizes(),
      "batch_norm_act: ", name, " must be ", x.scalar_type(), " ", x.sizes(),
      " on the CPU, as x is.");
}

void check_activation(NormActivation activation, bool has_residual) {
  TORCH_CHECK(!(activation == NormActivation::kSilu && has_residual),
              "batch_norm_act: SiLU takes no residual.");
}

std::vector<float> values_of(const at::Tensor& row) {
  const at::Tensor dense = row.contiguous();
  const float* values = dense.const_data_ptr<float>();
  return {values, values + dense.numel()};
}

at::Tensor tensor_of(const std::vector<double>& values) {
  at::Tensor made = at::empty({static_cast<std::int64_t>(values.size())}, at::kFloat);
  std::transform(values.begin(), values.end(), made.mutable_data_ptr<float>(),
                 [](double value) { return static_cast<float>(value); });
  return made;
}

/// A value near each channel's mean. Sums of what is left over lose no digits where the mean is
/// large beside the deviation.
template <typename T>
std::vector<float> origin_of(const T* x, const NormRows& rows) {
  const std::int64_t count = std::min(kOriginPixels, rows.pixels);
  std::vector<float> origin(rows.channels);
  for (std::int64_t i = 0; i < count; ++i) {
    const T* pixel = x + i * (rows.pixels / count) * rows.channels;
    for (std::int64_t c = 0; c < rows.channels; ++c) {
      origin[c] += to_float(pixel[c]) / static_cast<float>(count);
    }
  }
  return origin;
}

struct Statistics {
  std::vector<double> mean, variance;
};

Statistics statistics_of(const at::Tensor& x, const NormRows& rows) {
  const bool bfloat16 = x.scalar_type() == at::kBFloat16;
  const void* data = x.const_data_ptr();
  const auto origin = bfloat16 ? origin_of(static_cast<const BFloat16*>(data), rows)
                               : origin_of(static_cast<const float*>(data), rows);
  NormSums sums = norm_moments_cpu(bfloat16, rows, data, norm_row(rows, origin));
  const double count = static_cast<double>(rows.pixels);
  for (std::int64_t c = 0; c < rows.channels; ++c) {
    const double off = sums.first[c] / count;
    const double variance = sums.second[c] / count - off * off;
    sums.first[c] = origin[c] + off;
    sums.second[c] = variance < 0 ? 0 : variance;  // NaN stays
  }
  return {std::move(sums.first), std::move(sums.second)};
}

void update(const at::Tensor& running, const std::vector<double>& batch, double factor,
            double momentum) {
  if (!running.defined()) return;
  float* values = running.mutable_data_ptr<float>();
  for (std::size_t c = 0; c < batch.size(); ++c) {
    values[c] = static_cast<float>((1 - momentum) * values[c] + momentum * factor * batch[c]);
  }
}

/// v = x scale + shift.
struct Line {
  std::vector<float> scale, shift;
};

Line line_of(const BatchNormParameters& parameters, const std::vector<float>& mean,
             const std::vector<float>& rstd) {
  Line line{values_of(parameters.weight), values_of(parameters.bias)};
  for (std::size_t c = 0; c < mean.size(); ++c) {
    line.scale[c] *= rstd[c];
    line.shift[c] -= mean[c] * line.scale[c];
  }
  return line;
}

NormMask mask_of(NormActivation activation, bool has_residual) {
  switch (activation) {
    case NormActivation::kNone:
      return NormMask::kNone;
    case NormActivation::kRelu:
      return has_residual ? NormMask::kReluY : NormMask::kReluX;
    case NormActivation::kSilu:
      return NormMask::kSiluX;
  }
  return NormMask::kNone;
}

/// The coefficients of dx = weight rstd (dv - mean(dv) - xhat mean(dv xhat)), where
/// xhat = (x - mean) rstd and sums.second = sum of dv (x - mean).
void set_coefficients(NormBackward& backward, const NormRows& rows, const NormSums& sums,
                      const std::vector<float>& weight, const std::vector<float>& rstd) {
  std::vector<float> slope(weight.size()), tilt(weight.size()), offset(weight.size());
  const double count = static_cast<double>(rows.pixels);
  for (std::size_t c = 0; c < weight.size(); ++c) {
    const double by = double{weight[c]} * rstd[c];
    slope[c] = static_cast<float>(by);
    tilt[c] = static_cast<float>(-by * rstd[c] * rstd[c] * sums.second[c] / count);
    offset[c] = static_cast<float>(-by * sums.first[c] / count);
  }
  backward.slope = norm_row(rows, slope);
  backward.tilt = norm_row(rows, tilt);
  backward.offset = norm_row(rows, offset);
}

}  // namespace

NormRows::NormRows(std::int64_t pixel_count, std::int64_t channel_count)
    : channels(channel_count), pixels(pixel_count) {
  width = std::lcm(channels, kNormLanes);
  while (width < kLeastWidth) width *= 2;
  full = pixels * channels / width;
  tail = pixels * channels % width;
  part = std::max(kLeastPart, kPartValues / width);
}

std::vector<float> norm_row(const NormRows& rows, const std::vector<float>& values) {
  std::vector<float> row;
  row.reserve(rows.width);
  while (static_cast<std::int64_t>(row.size()) < rows.width) {
    row.insert(row.end(), values.begin(), values.end());
  }
  return row;
}

bool batch_norm_act_takes(const at::Tensor& x) {
  return x.is_cpu() && x.dim() == 4 && x.numel() > 0 &&
         (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

BatchNormOutput batch_norm_act(const at::Tensor& x, const at::Tensor& residual,
                               const BatchNormParameters& parameters, NormActivation activation,
                               const at::Tensor& running_mean, const at::Tensor& running_var,
                               double momentum) {
  check_input(x, parameters);
  check_activation(activation, residual.defined());
  if (residual.defined()) check_like(residual, x, "residual");
  check_running(running_mean, x, "running_mean");
  check_running(running_var, x, "running_var");
  const at::Tensor in = x.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor added =
      residual.defined() ? residual.contiguous(at::MemoryFormat::ChannelsLast) : residual;
  const NormRows rows = rows_of(in);

  const Statistics statistics = statistics_of(in, rows);
  const double count = static_cast<double>(rows.pixels);
  update(running_mean, statistics.mean, 1, momentum);
  update(running_var, statistics.variance, count / (count - 1), momentum);
  std::vector<double> rstd = statistics.variance;
  for (double& value : rstd) value = 1 / std::sqrt(value + parameters.eps);

  BatchNormOutput out{at::empty_like(in), tensor_of(statistics.mean), tensor_of(rstd)};
  const Line line = line_of(parameters, values_of(out.mean), values_of(out.rstd));
  norm_forward_cpu(in.scalar_type() == at::kBFloat16, rows,
                   {.x = in.const_data_ptr(),
                    .residual = added.defined() ? added.const_data_ptr() : nullptr,
                    .y = out.y.mutable_data_ptr(),
                    .scale = norm_row(rows, line.scale),
                    .shift = norm_row(rows, line.shift),
                    .activation = activation});
  return out;
}

BatchNormGradients batch_norm_act_backward(const at::Tensor& dy, bool may_overwrite_dy,
                                           const at::Tensor& x, const BatchNormOutput& forward,
                                           bool has_residual, const BatchNormParameters& parameters,
                                           NormActivation activation) {
  check_input(x, parameters);
  check_activation(activation, has_residual);
  check_like(dy, x, "dy");
  check_row(forward.mean, x, "mean");
  check_row(forward.rstd, x, "rstd");
  const NormMask mask = mask_of(activation, has_residual);
  if (mask == NormMask::kReluY) check_like(forward.y, x, "y");

  const auto format = at::MemoryFormat::ChannelsLast;
  const at::Tensor in = x.contiguous(format), given = dy.contiguous(format);
  const at::Tensor y = mask == NormMask::kReluY ? forward.y.contiguous(format) : at::Tensor();
  const bool bfloat16 = in.scalar_type() == at::kBFloat16;
  const bool free = may_overwrite_dy || given.const_data_ptr() != dy.const_data_ptr();
  const auto result = [&](bool reuse) { return reuse ? given : at::empty_like(in); };
  const at::Tensor dv = mask == NormMask::kReluY ? result(free) : given;
  const at::Tensor dx = result(free && !has_residual);

  const NormRows rows = rows_of(in);
  const auto mean = values_of(forward.mean), rstd = values_of(forward.rstd);
  const Line line = line_of(parameters, mean, rstd);
  NormBackward backward{.x = in.const_data_ptr(),
                        .dy = given.const_data_ptr(),
                        .y = y.defined() ? y.const_data_ptr() : nullptr,
                        .dv = mask == NormMask::kReluY ? dv.mutable_data_ptr() : nullptr,
                        .dx = dx.mutable_data_ptr(),
                        .mask = mask,
                        .mean = norm_row(rows, mean),
                        .scale = norm_row(rows, line.scale),
                        .shift = norm_row(rows, line.shift),
                        .slope = {},
                        .tilt = {},
                        .offset = {}};
  NormSums sums = norm_backward_sums_cpu(bfloat16, rows, backward);
  set_coefficients(backward, rows, sums, values_of(parameters.weight), rstd);
  norm_backward_cpu(bfloat16, rows, backward);
  for (std::size_t c = 0; c < rstd.size(); ++c) sums.second[c] *= rstd[c];
  return {dx, has_residual ? dv : at::Tensor(), tensor_of(sums.second), tensor_of(sums.first)};
}

}  // namespace salus::kernels
