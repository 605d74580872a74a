#pragma once

// What a kernel must at least move and compute: the model that its emulator test holds to what the
// emulator counts, and from which `salus bench kernels --model` says what bounds it on a GPU. The
// formula of kernel x is x_cost.h, beside its launch shape.

namespace salus::kernels {

/// The least work of one call of an operator.
struct KernelCost {
  double bytes_read = 0;      ///< of device memory: each byte that is needed, once
  double bytes_written = 0;   ///< of device memory, once
  double bytes_uploaded = 0;  ///< from the host over PCIe, in each call; also part of bytes_read
  /// Arithmetic outside of tensor cores, by the formula: a fused multiply-add and an integer
  /// instruction count two, as they take the place of one.
  double operations = 0;
  double tensor_operations = 0;  ///< of 16-bit products on tensor cores; a multiply-add counts two
  int launches = 1;

  double bytes() const { return bytes_read + bytes_written; }
  KernelCost& operator+=(const KernelCost& other) {
    bytes_read += other.bytes_read;
    bytes_written += other.bytes_written;
    bytes_uploaded += other.bytes_uploaded;
    operations += other.operations;
    tensor_operations += other.tensor_operations;
    launches += other.launches;
    return *this;
  }
};

}  // namespace salus::kernels
