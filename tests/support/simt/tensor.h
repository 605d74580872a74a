#pragma once

// The twins of kernels/device_tensor.h.

#include <cstdint>

namespace simt {

enum class MmaKind { kHalf, kBFloat16, kInt8, kTf32 };

/// c += a b of the 32 lanes' fragments. As on the GPU, floating products are exact and the terms of
/// one call are aligned to the largest and cut off below its 24 bits; int sums wrap.
void mma(MmaKind kind, void* c, const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
         const char* file, int line);

void ldmatrix(std::uint32_t* to, int matrices, bool transposed, const void* row, const char* file,
              int line);

void copy_async16(void* to, const void* from, bool valid, const char* file, int line);
void copy_async_commit();
void copy_async_wait(int pending);

}  // namespace simt
