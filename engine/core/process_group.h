#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

namespace salus::kernels {
class DeviceGroup;
}

namespace salus {

/// The processes that work on one job, as torchrun (`torchrun --no-python salus ...`) or a Slurm
/// script starts them: RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT of the environment. Without
/// WORLD_SIZE, or with 1, a group of one that opens no connection.
///
/// On the CPU they talk by Gloo over TCP (c10d::ProcessGroupGloo); GLOO_SOCKET_IFNAME names the
/// network interface where the host name does not lead to the right one. Tensors on GPUs go by NCCL
/// (kernels/device_group.h), which is connected when the first one comes.
class ProcessGroup {
 public:
  /// Connects to the others and waits until all are there.
  /// \throws UsageError for variables that are missing or make no sense; salus::Error if the others
  ///         do not come within ten minutes.
  static ProcessGroup from_environment();
  /// A group of one.
  ProcessGroup();
  ~ProcessGroup();
  ProcessGroup(ProcessGroup&&) noexcept;

  int rank() const { return rank_; }
  int size() const { return size_; }

  /// The tensors of all ranks, in order of rank: [size, ...], where `own` is. Collective: every rank
  /// calls it with a contiguous tensor of the same shape and type, all on CPUs or each on a GPU of its
  /// own. Between GPUs it runs on the current stream and does not wait for it.
  /// \throws salus::Error if another process has ended or does not answer.
  at::Tensor all_gather(const at::Tensor& own) const;

  /// Waits until every rank is here. \throws salus::Error as all_gather() does.
  void barrier() const;

 private:
  struct Connection;
  const kernels::DeviceGroup& devices(at::Device device) const;
  int rank_ = 0;
  int size_ = 1;
  std::unique_ptr<Connection> connection_;
};

}  // namespace salus
