#include "engine/train/logger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "engine/io/files.h"
#include "engine/io/crc32c.h"
#include "engine/train/progress.h"
#include "tests/engine/train/train_fixture.h"

namespace salus::train {
namespace {

using ::testing::HasSubstr;

std::uint32_t crc_of(const std::string& text) { return io::crc32c(std::as_bytes(std::span(text))); }

/// The interpreter that has the packages of scripts/requirements-test.txt, or "".
std::string test_python() {
  const char* given = std::getenv("SALUS_TEST_PYTHON");
  const std::string path = given ? given : ".venv-test/bin/python";
  return std::filesystem::exists(path) ? path : "";
}

EpochRow row(std::int64_t epoch, double loss) {
  return {epoch, (epoch + 1) * 10, {{"train_loss", loss}, {"valid_auroc", std::nan("")}}};
}

TEST(LoggerTest, WritesCsvAndJsonLines) {
  const TemporaryFolder folder;
  Logger logger(folder.path(), {});
  logger.append(row(0, 0.5));
  logger.append(row(1, 0.25));
  EXPECT_EQ(io::read_text(folder.file("log.csv")),
            "epoch,step,train_loss,valid_auroc\n0,10,0.5,\n1,20,0.25,\n");
  EXPECT_EQ(io::read_text(folder.file("log.jsonl")),
            "{\"epoch\":0,\"step\":10,\"train_loss\":0.5,\"valid_auroc\":null}\n"
            "{\"epoch\":1,\"step\":20,\"train_loss\":0.25,\"valid_auroc\":null}\n");
}

TEST(LoggerTest, ResumedRunBeginsWithItsHistoryOnly) {
  const TemporaryFolder folder;
  {
    Logger logger(folder.path(), {});
    for (int epoch = 0; epoch < 4; ++epoch) logger.append(row(epoch, 1));
  }
  Logger logger(folder.path(), {row(0, 1), row(1, 1)});
  logger.append(row(2, 0.5));
  EXPECT_EQ(io::read_text(folder.file("log.csv")),
            "epoch,step,train_loss,valid_auroc\n0,10,1,\n1,20,1,\n2,30,0.5,\n");
}

TEST(EventWriterTest, RecordsAreFramedByMaskedChecksums) {
  const TemporaryFolder folder;
  EventWriter writer(folder.path(), 0);
  writer.write(5, {{"train/loss", 0.5}});
  const std::string file = io::read_text(writer.path());
  std::size_t records = 0;
  for (std::size_t at = 0; at < file.size(); ++records) {
    std::uint64_t length;
    std::uint32_t length_crc, data_crc;
    ASSERT_LE(at + 12, file.size());
    std::memcpy(&length, &file[at], 8);
    std::memcpy(&length_crc, &file[at + 8], 4);
    ASSERT_LE(at + 16 + length, file.size());
    std::memcpy(&data_crc, &file[at + 12 + length], 4);
    const auto mask = [](std::uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; };
    EXPECT_EQ(length_crc, mask(crc_of(file.substr(at, 8))));
    EXPECT_EQ(data_crc, mask(crc_of(file.substr(at + 12, length))));
    at += 16 + length;
  }
  EXPECT_EQ(records, 2u);
  EXPECT_THAT(file, HasSubstr("brain.Event:2"));
  EXPECT_THAT(file, HasSubstr("train/loss"));
}

TEST(EventWriterTest, RealTensorBoardReadsTheEvents) {
  const std::string python = test_python();
  if (python.empty()) {
    GTEST_SKIP() << "no Python with tensorboard: set SALUS_TEST_PYTHON or run scripts/test";
  }
  const TemporaryFolder folder;
  {
    EventWriter first(folder.path(), 0);
    for (int step = 1; step <= 300; ++step) {
      first.write(step, {{"train/loss", 1.0 / step}, {"valid/auroc", step / 300.0}});
    }
  }
  EventWriter resumed(folder.path(), 201);  // what stands after step 200 is dropped
  resumed.write(201, {{"train/loss", 42.0}, {"valid/auroc", std::nan("")}});
  const std::string command = python + " tests/engine/train/read_events.py " + folder.path() +
                              " > " + folder.file("out.txt") + " 2> " + folder.file("err.txt");
  ASSERT_EQ(std::system(command.c_str()), 0) << io::read_text(folder.file("err.txt"));
  EXPECT_EQ(io::read_text(folder.file("out.txt")),
            "train/loss 201 first 1 1.0 last 201 42.0\n"
            "valid/auroc 201 first 1 0.003333 last 201 nan\n");
}

TEST(ProgressTest, ShowsRateAndTimeLeft) {
  EXPECT_EQ(render_progress("epoch 1/2", 50, 200, 10, 60),
            "epoch 1/2 [======                  ] 50/200  5/s  0:30 left");
  EXPECT_EQ(render_progress("epoch 1/2", 0, 200, 0, 200).substr(0, 11), "epoch 1/2 [");
  EXPECT_LE(render_progress("epoch 1/2", 50, 200, 10, 20).size(), 19u);
}

TEST(ProgressTest, WritesDurationsAsClocks) {
  EXPECT_EQ(render_duration(4.2), "0:04");
  EXPECT_EQ(render_duration(750), "12:30");
  EXPECT_EQ(render_duration(3723), "1:02:03");
}

}  // namespace
}  // namespace salus::train
