#pragma once

namespace salus {

/// Tells the C library to keep freed memory, and LibTorch to ask for large pages, for the rest of
/// the process: for programs whose main job is a network on the CPU. A training step frees and takes
/// the same gigabytes again and again: given back to the system each time, they cost 40,000 page
/// faults a step (ResNet-18, 28 x 28, batch 128), a tenth of its time. Call it before the first
/// tensor is made: LibTorch asks for its part once.
void keep_memory();

}  // namespace salus
