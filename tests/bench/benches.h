#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace salus::bench {

struct Options {
  int threads = 1;
  std::string device = "cpu";
  std::string model = "resnet18";
  std::string dtype = "float32";  ///< float32, bfloat16 or (similarity) int8
  std::string weights;            ///< state dict of the peer
  std::int64_t batch = 1;
  std::int64_t steps = 4;      ///< training steps of one repetition
  std::int64_t rows = 100000;  ///< of an index
  std::string label;           ///< of cross-validation; what a bench is to do
  int bits = 8;                ///< of a pixel
  std::vector<std::string> files;
};

/// DICOM CT file -> [1, 224, 224] float32: decode, rescale, window, area resize, normalise.
void bench_dicom(const Options& options);
/// 2048 x 2048 uint16 in memory -> window -> area -> normalise -> [1, 512, 512] float32.
void bench_preprocess(const Options& options);
/// CLAHE of 2048 x 2048 pixels of so many bits, uint8 up to 8 bits and uint16 above.
void bench_clahe(const Options& options);
/// Events of a folder of .npy files (peers/vitals.py) in memory -> hourly grid, mask, time delta.
void bench_vitals(const Options& options);
/// Archives of PhysioNet 2012 -> events -> hourly grid, mask, time delta.
void bench_vitals_read(const Options& options);
/// Ten nearest of `rows` unit vectors of 256 values for `batch` queries.
void bench_similarity(const Options& options);
/// `steps` iterations of Lloyd's algorithm: `rows` points of 256 values, `batch` clusters.
void bench_kmeans(const Options& options);
/// Training steps by the Trainer on the 28 x 28 images of an NPZ.
void bench_train(const Options& options);
/// 224 x 224 x 3 images through a prepared network.
void bench_infer(const Options& options);
/// Forward and backward pass of the GRU-D recurrence: 48 steps, 37 variables, 64 units.
void bench_gru_d(const Options& options);
/// Training steps of GRU-D by the Trainer: stays of 48 steps and 37 variables in memory, 64 units.
void bench_train_gru_d(const Options& options);
/// `label` train (forward and backward) or infer: GRU or LSTM, 48 steps, 76 variables, 128 units.
void bench_recurrent(const Options& options);
/// One bin of `batch` series through a StepNetwork: 37 variables, 64 units.
void bench_vitals_step(const Options& options);
/// What the machine can do at most, as JSON: bytes read a second, float32 and bfloat16 FLOP/s.
void print_limits(const Options& options);
/// predictions.csv of all folds of a cross-validation -> pooled and mean AUROC with intervals, as
/// JSON.
void pool_folds(const Options& options);

}  // namespace salus::bench
