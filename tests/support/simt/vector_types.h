#pragma once

// CUDA's built-in types, as far as the kernels use them, with CUDA's alignments.

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};

#define SALUS_SIMT_VECTORS(scalar, name)                               \
  struct alignas(2 * sizeof(scalar)) name##2 { scalar x, y; };         \
  struct alignas(4 * sizeof(scalar)) name##4 { scalar x, y, z, w; };   \
  inline name##2 make_##name##2(scalar x, scalar y) { return {x, y}; } \
  inline name##4 make_##name##4(scalar x, scalar y, scalar z, scalar w) { return {x, y, z, w}; }

SALUS_SIMT_VECTORS(unsigned char, uchar)
SALUS_SIMT_VECTORS(signed char, char)
SALUS_SIMT_VECTORS(unsigned short, ushort)
SALUS_SIMT_VECTORS(short, short)
SALUS_SIMT_VECTORS(unsigned, uint)
SALUS_SIMT_VECTORS(int, int)
SALUS_SIMT_VECTORS(float, float)
#undef SALUS_SIMT_VECTORS

// What the running thread sees; the scheduler sets them at every switch.
extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;
inline constexpr int warpSize = 32;
