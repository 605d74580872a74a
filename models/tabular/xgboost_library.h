#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace salus::models {

/// XGBoost's library, loaded when trees are first trained: what they are used for needs it not. Its
/// failures are thrown as Error, with its words.

/// Rows and their labels, inside the library.
class BoostingRows {
 public:
  /// \param codes   uint8 [R, F], of which `missing` stands for no value. \param labels  float32 [R].
  BoostingRows(const at::Tensor& codes, const at::Tensor& labels, std::uint8_t missing);
  ~BoostingRows();
  BoostingRows(BoostingRows&& other) noexcept;
  BoostingRows& operator=(BoostingRows&&) = delete;

  void* handle() const { return handle_; }

 private:
  void* handle_ = nullptr;
};

/// A model in training.
class Booster {
 public:
  /// \param parameters  by XGBoost's names. \param train, valid  outlive it.
  Booster(const std::map<std::string, std::string>& parameters, const BoostingRows& train,
          const BoostingRows& valid);
  ~Booster();
  Booster(Booster&& other) noexcept;
  Booster& operator=(Booster&&) = delete;

  /// Adds a round of trees.
  void update(int round);
  /// float32 [R, K]: sums of leaves of the validation rows, before any link function.
  at::Tensor valid_margins() const;
  /// XGBoost's JSON model.
  nlohmann::json model() const;

 private:
  void* handle_ = nullptr;
  void *train_, *valid_;
};

}  // namespace salus::models
