#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

namespace salus::test {

/// A fresh folder that is removed with all it holds.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  /// The folder itself, or a path inside it.
  std::string path(const std::string& name = "") const;
  /// Names inside, sorted, hidden ones included.
  std::vector<std::string> names() const;

 private:
  std::string folder_;
};

/// Path of a file of tests/data; tests run in the repository root.
std::string data_path(const std::string& name);

void write_test_file(const std::string& path, const std::vector<std::byte>& bytes);

}  // namespace salus::test

/// `statement` throws salus::Error whose text matches, as a sentence for the user.
#define SALUS_EXPECT_ERROR(statement, matcher) \
  EXPECT_THAT([&] { statement; }, ::testing::ThrowsMessage<salus::Error>(matcher))
