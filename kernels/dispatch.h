#pragma once

#include <atomic>
#include <string>
#include <typeinfo>

namespace salus::kernels {

/// The CUDA half of the operators is libsalus_kernels_cuda.so, opened when a GPU is first asked
/// for: a process that scores on the CPU never maps libtorch_cuda (450 MB and 0.45 s).
///
/// Opens libtorch_cuda and the CUDA half, once; later calls return at once. Call it before any CUDA
/// tensor is made or ATen is asked about CUDA: ATen remembers the first answer.
/// \throws c10::Error saying which of these it is: built without CUDA, library missing, library
/// that
///         does not load, no GPU.
void load_cuda();

/// Why load_cuda() would throw; empty if CUDA can be used. Never throws.
std::string cuda_problem();

namespace detail {
void* find_cuda_launcher(const char* name, const std::type_info& signature);
}

/// The way from an operator to its CUDA launcher. One object per operator, in x.cpp:
///
///   const CudaLauncher<RowSumLaunch> row_sum_cuda{"row_sum"};      // using RowSumLaunch =
///   void(...)
///   ...
///   if (rows.is_cuda()) return row_sum_cuda(arguments...);
///
/// and its counterpart in x_cuda.cu, which the library runs when it is opened:
///
///   const CudaRegistration<RowSumLaunch> registration{"row_sum", &launch_row_sum};
///
/// Both take the signature from one `using` in a header that they share. It names pointers and
/// plain structs, not tensors: a .cu file without ATen builds in 6 s instead of 31 s.
template <typename Signature>
class CudaLauncher;

template <typename R, typename... A>
class CudaLauncher<R(A...)> {
 public:
  explicit constexpr CudaLauncher(const char* name) : name_(name) {}

  /// \throws c10::Error as load_cuda() does, or if the CUDA half has no such launcher.
  R operator()(A... arguments) const {
    void* found = found_.load(std::memory_order_acquire);
    if (found == nullptr) {
      found = detail::find_cuda_launcher(name_, typeid(R(A...)));
      found_.store(found, std::memory_order_release);
    }
    return reinterpret_cast<R (*)(A...)>(found)(arguments...);
  }

 private:
  const char* name_;
  mutable std::atomic<void*> found_{nullptr};
};

/// One row of the table inside the CUDA half; rows link themselves when the library is opened.
struct CudaTableRow {
  const char* name;
  const std::type_info* signature;
  void* launcher;
  const CudaTableRow* next;
};

/// Head of the table; defined in dispatch_cuda.cu, so only x_cuda.cu files may use it.
const CudaTableRow*& cuda_table();

template <typename Signature>
class CudaRegistration {
 public:
  CudaRegistration(const char* name, Signature* launcher)
      : row_{name, &typeid(Signature), reinterpret_cast<void*>(launcher), cuda_table()} {
    cuda_table() = &row_;
  }
  CudaRegistration(const CudaRegistration&) = delete;

 private:
  CudaTableRow row_;
};

}  // namespace salus::kernels
