#include "kernels/dispatch.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <string>

namespace salus::kernels {
namespace {

std::string message_of(void (*call)()) {
  try {
    call();
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "";
}

TEST(CudaDispatchTest, LoadFailsWithTheReasonThatCudaProblemGives) {
  const std::string problem = cuda_problem();
  EXPECT_EQ(message_of([] { load_cuda(); }), problem);
  EXPECT_EQ(cuda_problem(), problem);
  if (problem.empty()) return;
  EXPECT_EQ(problem.rfind("CUDA cannot be used: ", 0), 0u) << problem;
  EXPECT_EQ(problem.back(), '.') << problem;
}

TEST(CudaDispatchTest, LauncherWithoutCudaThrowsTheReason) {
  if (cuda_problem().empty()) GTEST_SKIP() << "a GPU is there";
  EXPECT_EQ(message_of([] { CudaLauncher<void()>("image_augment")(); }), cuda_problem());
}

TEST(CudaDispatchTest, UnknownOperatorIsNamed) {
  if (!cuda_problem().empty()) GTEST_SKIP() << cuda_problem();
  const std::string message = message_of([] { CudaLauncher<void()>("no_such_operator")(); });
  EXPECT_NE(message.find("no_such_operator has no CUDA kernel"), std::string::npos) << message;
}

TEST(CudaDispatchTest, LauncherOfAnotherSignatureIsRefused) {
  if (!cuda_problem().empty()) GTEST_SKIP() << cuda_problem();
  const std::string message = message_of([] { CudaLauncher<void(char)>("image_augment")('a'); });
  EXPECT_NE(message.find("takes other arguments"), std::string::npos) << message;
}

}  // namespace
}  // namespace salus::kernels
