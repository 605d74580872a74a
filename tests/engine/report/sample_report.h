#pragma once

#include <cmath>
#include <random>

#include "engine/io/npy.h"
#include "engine/report/html_report.h"
#include "engine/report/png.h"

namespace salus::report::testing {

/// Scores of a made-up reader of the PneumoniaMNIST test set: real labels and pictures.
inline evaluate::Predictions sample_predictions() {
  const auto arrays = io::read_npz("tests/data/pneumoniamnist/pneumoniamnist.npz");
  const io::NpyArray& labels = arrays.at("test_labels");
  std::mt19937_64 random(4);
  std::normal_distribution<double> normal;
  evaluate::Predictions p;
  p.labels = {"pneumonia"};
  for (std::int64_t i = 0; i < labels.shape[0]; ++i) {
    const double y = labels.at(i);
    p.targets.push_back({y});
    p.probabilities.push_back(
        {1 / (1 + std::exp(-(normal(random) * 1.5 + (y == 1 ? 2.2 : -2.0))))});
    p.ids.push_back("pneumoniamnist.npz#" + std::to_string(i));
    p.patients.push_back("PATIENT-" + std::to_string(i));
    p.subgroups["scanner"].push_back(i % 4 == 0   ? "portable"
                                     : i % 4 == 1 ? "fixed"
                                                  : "unknown <maker>");
  }
  return p;
}

/// Case i of the PneumoniaMNIST test set.
inline Picture sample_picture(std::size_t i) {
  static const auto arrays = io::read_npz("tests/data/pneumoniamnist/pneumoniamnist.npz");
  const io::NpyArray& images = arrays.at("test_images");
  Picture picture{28, 28, 1, {}};
  for (std::size_t k = 0; k < 784; ++k) {
    picture.pixels.push_back(std::to_integer<std::uint8_t>(images.bytes[784 * i + k]));
  }
  return picture;
}

inline ReportData sample_report(int replicates = 200) {
  const evaluate::Predictions p = sample_predictions();
  evaluate::EvaluationOptions options;
  options.resampling.replicates = replicates;
  options.operating_points = {{"youden", "pneumonia", 0.55},
                              {"sensitivity>=0.95", "pneumonia", 0.27}};
  ReportData data;
  data.title = "pneumonia-28";
  data.subtitle = "PneumoniaMNIST, official test set; a made-up reader for testing <this> report";
  data.evaluation = evaluate::evaluate(p, options);
  for (const auto& worst : evaluate::worst_cases(p, 0, 10)) {
    data.worst.push_back({worst.id,
                          "pneumonia",
                          worst.score,
                          worst.target,
                          encode_png(thumbnail(sample_picture(worst.index), 168)),
                          {}});
  }
  Series train{"train", {}}, validation{"validation", {}};
  for (int epoch = 0; epoch < 30; ++epoch) {
    train.values.push_back(0.1 + 0.5 * std::exp(-epoch / 6.0));
    validation.values.push_back(0.17 + 0.42 * std::exp(-epoch / 5.0) + 0.01 * std::sin(epoch));
  }
  data.training = {{"Loss", {train, validation}}};
  evaluate::Predictions other = p;
  for (auto& row : other.probabilities) row[0] = 0.5 + 0.6 * (row[0] - 0.5) * row[0];
  data.compared_with = "pneumonia-small";
  data.comparisons = evaluate::compare(p, other, {}, {}, {replicates, 1, 0});
  data.performance = {{"Throughput", "1240 images/s"},
                      {"Latency, median / 95 % / 99 %", "3.1 / 3.4 / 4.0 ms"}};
  data.provenance = {
      {"Command", "salus evaluate weights/pneumonia-28 \"data & more\" --report report.html"},
      {"Data hash", "sha256 5f1c0ad3"},
      {"Salus", "0.1.0"}};
  data.limits = {"Pictures of 28 x 28 pixels are not for diagnosis."};
  return data;
}

}  // namespace salus::report::testing
