#include "engine/train/environment.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <sys/utsname.h>
#include <torch/version.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "engine/io/files.h"

namespace salus::train {
namespace {

/// First line of `file` that begins with `key`, after its colon.
std::string field(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(key, 0) != 0) continue;
    const auto colon = line.find(':');
    const auto begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

/// Path inside single quotes of a shell.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string git_revision(const std::string& config_path) {
  auto folder = std::filesystem::path(config_path).parent_path();
  if (folder.empty()) folder = ".";
  const auto command =
      "git -C " + quoted(folder.string()) + " describe --always --dirty --abbrev=40 2>/dev/null";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  if (!pipe) return "";
  char line[256] = "";
  if (!std::fgets(line, sizeof line, pipe.get())) return "";
  const std::string revision = line;
  return revision.substr(0, revision.find('\n'));
}

std::string gpu_name() {
  std::error_code none;
  for (const auto& gpu : std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", none)) {
    return field((gpu.path() / "information").string(), "Model");
  }
  return "";
}

}  // namespace

std::string describe_environment(const std::string& config_path, const std::string& device,
                                 const std::string& data_hash, bool fast_dev_run) {
  utsname system{};
  uname(&system);
  nlohmann::ordered_json json;
  json["salus"] = SALUS_VERSION;
  json["libtorch"] = TORCH_VERSION;
  json["compiler"] = __VERSION__;
  json["system"] = std::string(system.sysname) + " " + system.release + " " + system.machine;
  json["processor"] = field("/proc/cpuinfo", "model name");
  json["processors_usable"] = io::available_threads();
  json["threads"] = at::get_num_threads();
  json["device"] = device;
  if (device.rfind("cuda", 0) == 0) {
    json["gpu"] = gpu_name();
    json["cuda"] = at::detail::getCUDAHooks().versionCUDART();
    json["cudnn"] = at::detail::getCUDAHooks().versionRuntimeCuDNN();
  }
  json["git_revision"] = git_revision(config_path);
  json["data_sha256"] = data_hash;
  json["fast_dev_run"] = fast_dev_run;
  return json.dump(2) + "\n";
}

}  // namespace salus::train
