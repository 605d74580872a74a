#include "kernels/dispatch.h"

#include <c10/util/Exception.h>
#include <dlfcn.h>

#include <cstring>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <vector>

namespace salus::kernels {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLibrary = "libsalus_kernels_cuda.so";

/// What the opened CUDA half offers; `problem` says why there is none.
struct CudaHalf {
  const CudaTableRow* table = nullptr;
  std::string problem;
};

/// The folder of the file (executable or library) that `address` was loaded from.
fs::path folder_of(const void* address) {
  Dl_info info{};
  if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) return {};
  std::error_code ignored;
  return fs::canonical(info.dli_fname, ignored).parent_path();
}

/// Where the CUDA half may lie: beside the program, in lib/ of an installation, in the build tree.
std::vector<fs::path> candidates() {
  std::error_code ignored;
  const fs::path program = fs::canonical("/proc/self/exe", ignored).parent_path();
  const fs::path own = folder_of(reinterpret_cast<const void*>(&load_cuda));
  std::vector<fs::path> paths;
  for (const fs::path& folder : {own, program}) {
    if (folder.empty()) continue;
    for (const char* place : {".", "../lib", "../kernels"}) {
      paths.push_back((folder / place / kLibrary).lexically_normal());
    }
  }
  return paths;
}

std::string loader_message() {
  const char* message = dlerror();
  return message != nullptr ? message : "no reason given";
}

/// libtorch_cuda lies beside libtorch_cpu, wherever that was found.
std::string open_torch_cuda() {
  char folder[4096] = "";
  if (void* torch = dlopen("libtorch_cpu.so", RTLD_LAZY | RTLD_NOLOAD); torch != nullptr) {
    dlinfo(torch, RTLD_DI_ORIGIN, folder);
    dlclose(torch);
  }
  const fs::path beside = fs::path(folder) / "libtorch_cuda.so";
  if (dlopen(beside.c_str(), RTLD_NOW | RTLD_GLOBAL) != nullptr) return {};
  const std::string first = loader_message();
  if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) != nullptr) return {};
  return "CUDA cannot be used: libtorch_cuda.so does not load (" + first +
         "). Install the CUDA build of LibTorch (scripts/setup without --cpu), or use the CPU.";
}

template <typename Function>
Function* symbol(void* library, const char* name) {
  return reinterpret_cast<Function*>(dlsym(library, name));
}

CudaHalf open_library(const fs::path& path) {
  CudaHalf half;
  half.problem = open_torch_cuda();
  if (!half.problem.empty()) return half;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    half.problem = std::string("CUDA cannot be used: ") + kLibrary + " does not load (" +
                   loader_message() + "). Build Salus again with the LibTorch that it runs with.";
    return half;
  }
  const auto table = symbol<const CudaTableRow*()>(library, "salus_cuda_table");
  const auto devices = symbol<int()>(library, "salus_cuda_device_count");
  if (table == nullptr || devices == nullptr) {
    half.problem = std::string("CUDA cannot be used: ") + kLibrary +
                   " is of another version of Salus. Install both from the same build.";
  } else if (devices() == 0) {
    half.problem =
        "CUDA cannot be used: no GPU is visible to this process. Check nvidia-smi and "
        "CUDA_VISIBLE_DEVICES, or use the CPU.";
  } else {
    half.table = table();
  }
  return half;
}

CudaHalf open_cuda_half() {
  std::error_code ignored;
  for (const fs::path& path : candidates()) {
    if (fs::exists(path, ignored)) return open_library(path);
  }
  return {nullptr, std::string("CUDA cannot be used: ") + kLibrary +
                       " is neither beside the program nor in ../lib, so this Salus was built "
                       "without CUDA. Build it with a preset other than cpu, or use the CPU."};
}

const CudaHalf& cuda_half() {
  static const CudaHalf half = open_cuda_half();
  return half;
}

}  // namespace

void load_cuda() {
  const CudaHalf& half = cuda_half();
  TORCH_CHECK(half.problem.empty(), half.problem);
}

std::string cuda_problem() { return cuda_half().problem; }

namespace detail {

void* find_cuda_launcher(const char* name, const std::type_info& signature) {
  load_cuda();
  for (const CudaTableRow* row = cuda_half().table; row != nullptr; row = row->next) {
    if (std::strcmp(row->name, name) != 0) continue;
    // By name: type_info objects of a library that was opened later need not be the same object.
    TORCH_CHECK(std::strcmp(row->signature->name(), signature.name()) == 0, "The CUDA kernel of ",
                name, " in ", kLibrary, " takes other arguments: install both from one build.");
    return row->launcher;
  }
  TORCH_CHECK(false, "The operator ", name, " has no CUDA kernel in ", kLibrary,
              ": move its tensors to the CPU, or install a library of this build.");
}

}  // namespace detail
}  // namespace salus::kernels
