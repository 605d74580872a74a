#pragma once

#include "kernels/similarity_scan_plan.h"

namespace salus::kernels::similarity {

/// Runs the first pass by wgmma (similarity_wgmma.cuh) if that is asked for and can be: the
/// environment has SALUS_WGMMA=1, the device is of compute capability 9.0 and the library was built
/// with code for sm_90a, rows are float16 or bfloat16 and can be read by 16 bytes, and the plan has
/// resident tiles of kManyQueries. Returns false, and has launched nothing, otherwise.
///
/// On request only, because no device has run that kernel yet; results do not depend on it.
///
/// \throws c10::Error if the driver refuses the map of the rows or the launch.
bool launch_wgmma(int device, const SimilarityProblem& problem, const ScanPlan& plan,
                  const ScanMemory& memory);

}  // namespace salus::kernels::similarity
