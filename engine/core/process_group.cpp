// The headers of c10d ask for this definition, which LibTorch was built with.
#define USE_C10D_GLOO
#include "engine/core/process_group.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "engine/io/error.h"
#include "kernels/device_group.h"

namespace salus {
namespace {

constexpr std::chrono::minutes kPatience{10};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

int number(const char* name, int lowest, int highest) {
  const std::string text = variable(name);
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < lowest ||
      value > highest) {
    throw UsageError(
        fmt::format("The environment says {}=\"{}\" where a number from {} to {} is needed; start "
                    "the processes "
                    "by torchrun --no-python.",
                    name, text, lowest, highest));
  }
  return value;
}

/// The first sentence of what c10d says, which goes on with a stack of calls.
std::string first_line(const std::exception& error) {
  std::string text = error.what();
  text = text.substr(0, text.find('\n'));
  while (text.ends_with('.')) text.pop_back();
  return text;
}

[[noreturn]] void lost(const std::exception& error) {
  throw Error(fmt::format(
      "The processes of this job lost each other ({}); look at the messages of the other ones.",
      first_line(error)));
}

c10::intrusive_ptr<c10d::Store> connect_store(int rank, int size) {
  const std::string address = variable("MASTER_ADDR");
  if (address.empty()) {
    throw UsageError(
        "The environment has WORLD_SIZE but no MASTER_ADDR; start the processes by torchrun "
        "--no-python.");
  }
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(number("MASTER_PORT", 1, 65535));
  // torchrun's agent serves the store itself; two servers on one port would not do.
  options.isServer = rank == 0 && variable("TORCHELASTIC_USE_AGENT_STORE") != "True";
  options.numWorkers = static_cast<std::size_t>(size);
  options.waitWorkers = false;
  options.timeout = kPatience;
  auto store = c10::make_intrusive<c10d::TCPStore>(address, options);
  // After a restart by torchrun the agent's store still has the keys of the run before.
  return c10::make_intrusive<c10d::PrefixStore>("salus/" + variable("TORCHELASTIC_RESTART_COUNT"),
                                                store);
}

std::shared_ptr<gloo::transport::Device> network_device() {
  const std::string interface = variable("GLOO_SOCKET_IFNAME");
  if (!interface.empty()) return c10d::ProcessGroupGloo::createDeviceForInterface(interface);
  const std::string address = variable("MASTER_ADDR");
  if (address == "localhost" || address.starts_with("127.")) {
    return c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1");
  }
  return c10d::ProcessGroupGloo::createDefaultDevice();
}

}  // namespace

struct ProcessGroup::Connection {
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
  std::unique_ptr<kernels::DeviceGroup> devices;
};

ProcessGroup::ProcessGroup() = default;
ProcessGroup::~ProcessGroup() = default;
ProcessGroup::ProcessGroup(ProcessGroup&&) noexcept = default;

ProcessGroup ProcessGroup::from_environment() {
  ProcessGroup group;
  if (variable("WORLD_SIZE").empty()) return group;
  group.size_ = number("WORLD_SIZE", 1, 1 << 20);
  if (group.size_ == 1) return group;
  group.rank_ = number("RANK", 0, group.size_ - 1);
  try {
    auto connection = std::make_unique<Connection>();
    connection->store = connect_store(group.rank_, group.size_);
    auto options = c10d::ProcessGroupGloo::Options::create(kPatience);
    options->devices.push_back(network_device());
    connection->gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(connection->store, group.rank_,
                                                                   group.size_, options);
    group.connection_ = std::move(connection);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Error(fmt::format(
        "The {} processes of this job did not find each other at {}:{} ({}); check that all were "
        "started and that the port is free.",
        group.size_, variable("MASTER_ADDR"), variable("MASTER_PORT"), first_line(error)));
  }
  return group;
}

at::Tensor ProcessGroup::all_gather(const at::Tensor& own) const {
  TORCH_CHECK((own.is_cpu() || own.is_cuda()) && own.is_contiguous(),
              "all_gather: a contiguous tensor on a CPU or GPU is needed.");
  if (own.is_cuda() && connection_ != nullptr) {
    // NCCL waits for ever for a process that has ended; Gloo says so.
    barrier();
    return devices(own.device()).all_gather(own);
  }
  std::vector<std::int64_t> shape = own.sizes().vec();
  shape.insert(shape.begin(), size_);
  at::Tensor all = at::empty(shape, own.options());
  if (connection_ == nullptr) {
    all[0].copy_(own);
    return all;
  }
  if (own.numel() == 0) return all;  // Gloo does not take it
  try {
    at::Tensor out = all.flatten();
    at::Tensor in = own.flatten();
    connection_->gloo->_allgather_base(out, in)->wait();
  } catch (const std::exception& error) {
    lost(error);
  }
  return all;
}

const kernels::DeviceGroup& ProcessGroup::devices(at::Device device) const {
  auto& devices = connection_->devices;
  if (devices == nullptr) {
    const at::Tensor id =
        at::zeros({static_cast<std::int64_t>(sizeof(kernels::DeviceGroupId))}, at::kByte);
    if (rank_ == 0) {
      const auto made = kernels::make_device_group_id();
      std::memcpy(id.mutable_data_ptr(), made.data(), made.size());
    }
    const at::Tensor all = all_gather(id);  // that of rank 0 counts
    kernels::DeviceGroupId agreed;
    std::memcpy(agreed.data(), all.const_data_ptr(), agreed.size());
    devices = std::make_unique<kernels::DeviceGroup>(device, agreed, rank_, size_);
  }
  return *devices;
}

void ProcessGroup::barrier() const { all_gather(at::zeros({1}, at::kInt)); }

}  // namespace salus
