#include "models/tabular/xgboost_library.h"

#include <ATen/ops/from_blob.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <xgboost/c_api.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "engine/io/error.h"

namespace salus::models {
namespace {

/// The functions of the library that are used, by their names there.
class Library {
 public:
  static const Library& get() {
    static const Library library;
    return library;
  }

  decltype(&XGBGetLastError) last_error;
  decltype(&XGDMatrixCreateFromDense) rows_create;
  decltype(&XGDMatrixSetInfoFromInterface) rows_set;
  decltype(&XGDMatrixFree) rows_free;
  decltype(&XGBoosterCreate) create;
  decltype(&XGBoosterSetParam) set;
  decltype(&XGBoosterUpdateOneIter) update;
  decltype(&XGBoosterPredictFromDMatrix) predict;
  decltype(&XGBoosterSaveModelToBuffer) save;
  decltype(&XGBoosterFree) free;

  void check(int status) const {
    if (status != 0) throw Error(fmt::format("XGBoost: {}", last_error()));
  }

 private:
  Library() {
    handle_ = dlopen(SALUS_XGBOOST, RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) {
      throw Error(
          fmt::format("Training trees needs XGBoost's library, which scripts/setup "
                      "installs: {}.",
                      dlerror()));
    }
    find(last_error, "XGBGetLastError");
    find(rows_create, "XGDMatrixCreateFromDense");
    find(rows_set, "XGDMatrixSetInfoFromInterface");
    find(rows_free, "XGDMatrixFree");
    find(create, "XGBoosterCreate");
    find(set, "XGBoosterSetParam");
    find(update, "XGBoosterUpdateOneIter");
    find(predict, "XGBoosterPredictFromDMatrix");
    find(save, "XGBoosterSaveModelToBuffer");
    find(free, "XGBoosterFree");
  }

  template <typename Function>
  void find(Function& function, const char* name) {
    function = reinterpret_cast<Function>(dlsym(handle_, name));
    if (function == nullptr) throw Error(fmt::format("{} has no {}.", SALUS_XGBOOST, name));
  }

  void* handle_;
};

/// NumPy's array interface, as JSON. https://numpy.org/doc/stable/reference/arrays.interface.html
std::string array_interface(const at::Tensor& array, const char* type) {
  const nlohmann::json json = {
      {"data", {reinterpret_cast<std::uintptr_t>(array.const_data_ptr()), true}},
      {"shape", array.sizes().vec()},
      {"typestr", type},
      {"version", 3}};
  return json.dump();
}

}  // namespace

BoostingRows::BoostingRows(const at::Tensor& codes, const at::Tensor& labels,
                           std::uint8_t missing) {
  const Library& library = Library::get();
  const at::Tensor plain = codes.contiguous(), y = labels.contiguous();
  const auto config = fmt::format(R"({{"missing": {}}})", missing);
  library.check(
      library.rows_create(array_interface(plain, "|u1").c_str(), config.c_str(), &handle_));
  library.check(library.rows_set(handle_, "label", array_interface(y, "<f4").c_str()));
}

BoostingRows::BoostingRows(BoostingRows&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)) {}

BoostingRows::~BoostingRows() {
  if (handle_ != nullptr) Library::get().rows_free(handle_);
}

Booster::Booster(const std::map<std::string, std::string>& parameters, const BoostingRows& train,
                 const BoostingRows& valid)
    : train_(train.handle()), valid_(valid.handle()) {
  const Library& library = Library::get();
  const DMatrixHandle cached[] = {train_, valid_};
  library.check(library.create(cached, 2, &handle_));
  for (const auto& [name, value] : parameters) {
    library.check(library.set(handle_, name.c_str(), value.c_str()));
  }
}

Booster::Booster(Booster&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)), train_(other.train_), valid_(other.valid_) {}

Booster::~Booster() {
  if (handle_ != nullptr) Library::get().free(handle_);
}

void Booster::update(int round) {
  const Library& library = Library::get();
  library.check(library.update(handle_, round, train_));
}

at::Tensor Booster::valid_margins() const {
  const Library& library = Library::get();
  constexpr const char* kMargins =
      R"({"type": 1, "training": false, "iteration_begin": 0, "iteration_end": 0,
          "strict_shape": true})";
  const bst_ulong* shape = nullptr;
  bst_ulong dimensions = 0;
  const float* values = nullptr;
  library.check(library.predict(handle_, valid_, kMargins, &shape, &dimensions, &values));
  const auto rows = static_cast<std::int64_t>(shape[0]);
  const auto columns = static_cast<std::int64_t>(dimensions > 1 ? shape[1] : 1);
  return at::from_blob(const_cast<float*>(values), {rows, columns}, at::kFloat).clone();
}

nlohmann::json Booster::model() const {
  const Library& library = Library::get();
  bst_ulong size = 0;
  const char* text = nullptr;
  library.check(library.save(handle_, R"({"format": "json"})", &size, &text));
  return nlohmann::json::parse(text, text + size);
}

}  // namespace salus::models
