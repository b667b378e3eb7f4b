#include <doctest/doctest.h>

#include <memory>

#include "core/log/segment_scan.h"
#include "test/support/log_subject.h"
#include "test/support/temporary_directory.h"

namespace millrace::test {
namespace {

constexpr uint64_t kBytes = 1 << 20;
constexpr uint64_t kPage = 4096;

// A segment on the real disk with its file.
struct Written {
  TemporaryDirectory directory;
  Subject log{PosixDisk(), directory / "topic-0", LogConfig{}};
  std::shared_ptr<File> file;
  uint64_t length = 0;

  Written() {
    while (log->size_bytes() < kBytes) log.AppendMany(1);
    length = log->size_bytes();
    auto opened = PosixDisk().Open(log.LogPath(0), OpenMode::kReadWrite);
    REQUIRE(opened.ok());
    file = *opened;
  }
  BatchCursor Cursor(ReadMode mode) { return {file, mode, 0, length}; }
};

}  // namespace

TEST_CASE("a walk over a mapped segment finds what a walk by reading finds") {
  Written written;
  BatchCursor reading = written.Cursor(ReadMode::kCachedOnly);
  BatchCursor mapped = written.Cursor(ReadMode::kWait);
  IndexImage read_image(0, 4096);
  IndexImage mapped_image(0, 4096);
  Result<ScanResult> read = ScanBatches(reading, 0, 0, nullptr, &read_image);
  Result<ScanResult> walked = ScanBatches(mapped, 0, 0, nullptr, &mapped_image);
  REQUIRE(read.ok());
  REQUIRE(walked.ok());
  CHECK_FALSE(walked->broken);
  CHECK(walked->end_offset == written.log.end());
  CHECK(walked->checked_bytes == written.length);
  CHECK(walked->last_position == read->last_position);
  CHECK(mapped_image.offset_entries() == read_image.offset_entries());
  CHECK(mapped_image.time_entries() == read_image.time_entries());
}

TEST_CASE("a flipped bit in a mapped segment ends the walk before its batch") {
  Written written;
  std::byte byte{};
  REQUIRE(written.file->ReadAt(kBytes / 2, std::span(&byte, 1)).ok());
  byte ^= std::byte{1};
  REQUIRE(written.file->WriteAt(kBytes / 2, std::span(&byte, 1)).ok());
  BatchCursor cursor = written.Cursor(ReadMode::kWait);
  Result<ScanResult> walked = ScanBatches(cursor, 0, 0, nullptr, nullptr);
  REQUIRE(walked.ok());
  CHECK(walked->broken);
  CHECK(walked->length <= kBytes / 2);
}

// The zeros that stand for missing pages must not be taken for a torn tail, which would be cut.
TEST_CASE("a segment that somebody cuts while it is walked over is an error, not a torn one") {
  for (const bool checksums : {false, true}) {
    CAPTURE(checksums);
    Written written;
    BatchCursor cursor = written.Cursor(ReadMode::kWait);
    cursor.MapAhead();
    REQUIRE(written.file->Truncate(kBytes / 2 / kPage * kPage).ok());
    Result<ScanResult> walked = ScanBatches(cursor, 0, checksums ? 0 : INT64_MAX, nullptr, nullptr);
    CHECK_FALSE(walked.ok());
    CHECK(cursor.damaged());
  }
}

}  // namespace millrace::test
