#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "core/base/disk.h"
#include "core/base/fault_guard.h"
#include "core/base/read_lock.h"
#include "core/base/unique_fd.h"
#include "core/embedded/lent_range.h"
#include "core/embedded/read_segment.h"
#include "core/embedded/read_sidecar.h"
#include "core/log/segment_names.h"
#include "test/support/batch_builder.h"
#include "test/support/temporary_directory.h"

namespace millrace {
namespace {

using test::BatchBuilder;
using test::Bytes;
using test::TemporaryDirectory;

constexpr size_t kPage = 4096;

// What the tests touch may be mapped anew at that moment, which is what they are about.
__attribute__((noinline, no_sanitize("thread"))) std::byte Touch(const std::byte* at) {
  return *const_cast<const volatile std::byte*>(at);
}

std::shared_ptr<File> Write(const std::string& path, std::span<const std::byte> bytes) {
  auto file = PosixDisk().Open(path, OpenMode::kCreateOrOpen);
  REQUIRE(file.ok());
  REQUIRE((*file)->WriteAt(0, bytes).ok());
  return *file;
}

Bytes Ones(size_t bytes) { return Bytes(bytes, std::byte{1}); }

std::string LogPath(const TemporaryDirectory& directory, Offset base) {
  return directory / SegmentFileName(base, FileKind::kLog);
}

// Batches of `records` records of 100 B each, one behind the other; `ends` says where each ends.
Bytes Batches(int count, int records, std::vector<uint64_t>* ends) {
  Bytes bytes;
  for (int index = 0; index < count; ++index) {
    BatchBuilder builder;
    builder.base_offset = index * records;
    builder.AddMany(records, 100);
    const Bytes batch = builder.Build();
    bytes.insert(bytes.end(), batch.begin(), batch.end());
    ends->push_back(bytes.size());
  }
  return bytes;
}

std::unique_ptr<ReadSegment> OpenSegment(const TemporaryDirectory& directory, size_t reserve = 0) {
  auto segment = ReadSegment::Open(directory.path(), 0, -1, reserve);
  REQUIRE(segment.ok());
  return std::move(*segment);
}

TEST_CASE("a lent range shows the file, keeps what is written to it to itself, and ends as zeros") {
  TemporaryDirectory directory;
  const auto file = Write(directory / "a", Ones(2 * kPage));
  std::byte* lent = nullptr;
  {
    auto range = LentRange::Map(file->descriptor(), 2 * kPage);
    REQUIRE(range.ok());
    lent = range->data();
    CHECK(Touch(lent + kPage) == std::byte{1});
    lent[1] = std::byte{7};
    std::byte stored{};
    REQUIRE(file->ReadAt(1, {&stored, 1}).ok());
    CHECK(stored == std::byte{1});
    // What others write is seen where nothing was written over it.
    const std::byte two{2};
    REQUIRE(file->WriteAt(kPage + 5, {&two, 1}).ok());
    CHECK(Touch(lent + kPage + 5) == std::byte{2});
  }
  CHECK(Touch(lent) == std::byte{0});
  lent[5] = std::byte{9};  // harms nobody
  // The next file of about that size takes the same addresses.
  const auto other = Write(directory / "b", Ones(kPage));
  auto range = LentRange::Map(other->descriptor(), 64 << 10);
  REQUIRE(range.ok());
  CHECK(range->data() == lent);
  CHECK(Touch(lent + 5) == std::byte{1});
}

TEST_CASE(
    "a lent range that grows with its file is damaged by an early look, until it is mapped anew") {
  TemporaryDirectory directory;
  const auto file = Write(directory / "a", Ones(kPage));
  auto range = LentRange::Map(file->descriptor(), 4 * kPage);
  REQUIRE(range.ok());
  const uint32_t before = ReplacedPages().load();
  CHECK(Touch(range->data() + 2 * kPage) == std::byte{0});
  CHECK(range->damaged());
  CHECK(ReplacedPages().load() == before + 1);
  REQUIRE(file->WriteAt(kPage, Ones(3 * kPage)).ok());
  CHECK(Touch(range->data() + kPage) == std::byte{1});
  CHECK(Touch(range->data() + 2 * kPage) == std::byte{0});
  REQUIRE(range->MapAnew(file->descriptor()).ok());
  CHECK(!range->damaged());
  CHECK(Touch(range->data() + 2 * kPage) == std::byte{1});
}

TEST_CASE("threads that go on using what they were lent never fault, whatever becomes of it") {
  TemporaryDirectory directory;
  const auto file = Write(directory / "a", Ones(16 * kPage));
  std::atomic<bool> stop{false};
  std::atomic<std::byte*> lent{nullptr};
  std::atomic<uint64_t> touched{0};
  std::thread borrower([&] {
    while (!stop.load()) {
      std::byte* const data = lent.load();
      if (data == nullptr) continue;
      for (size_t page = 0; page < 16; ++page) Touch(data + page * kPage);
      touched.fetch_add(1);
    }
  });
  for (int round = 0; round < 200; ++round) {
    auto range = LentRange::Map(file->descriptor(), 16 * kPage);
    REQUIRE(range.ok());
    lent.store(range->data());
    const uint64_t seen = touched.load();
    while (touched.load() == seen) std::this_thread::yield();
    if (round % 3 == 0) REQUIRE(file->Truncate(round % 16 * kPage).ok());
    if (round % 7 == 0) REQUIRE(range->MapAnew(file->descriptor()).ok());
    if (round % 3 == 2) REQUIRE(file->WriteAt(0, Ones(16 * kPage)).ok());
  }
  stop.store(true);
  borrower.join();
}

TEST_CASE("a mapped segment is locked against whoever would change its file, until it is let go") {
  TemporaryDirectory directory;
  std::vector<uint64_t> ends;
  const auto file = Write(LogPath(directory, 0), Batches(1, 1, &ends));
  {
    const auto reader = OpenSegment(directory);
    const auto second = OpenSegment(directory);
    CHECK(!*TryLockExclusive(file->descriptor()));
  }
  REQUIRE(*TryLockExclusive(file->descriptor()));
  CHECK(ReadSegment::Open(directory.path(), 0, -1, 0).status().code() == Code::kWouldBlock);
  ReleaseLock(file->descriptor());
  OpenSegment(directory);
  REQUIRE(PosixDisk().Unlink(LogPath(directory, 0)).ok());
  CHECK(ReadSegment::Open(directory.path(), 0, -1, 0).status().code() == Code::kNotFound);
}

TEST_CASE(
    "batches are checked as far as they begin within the window, up to the zeros behind them") {
  TemporaryDirectory directory;
  std::vector<uint64_t> ends;
  Bytes bytes = Batches(20, 10, &ends);
  const auto file = Write(LogPath(directory, 0), bytes);
  REQUIRE(file->Allocate(bytes.size(), bytes.size() + 3 * kPage).ok());
  const auto segment = OpenSegment(directory, 1 << 20);
  const uint64_t size = *segment->FileSize();
  CHECK(*segment->Verify(0, size, 1) == ends[0]);
  CHECK(*segment->Verify(ends[0], size, ends[2] - ends[0] + 1) == ends[3]);
  CHECK(*segment->Verify(ends[3], size, UINT32_MAX) == ends.back());
  CHECK(*segment->Verify(ends.back(), size, UINT32_MAX) == ends.back());
  CHECK(segment->Verify(ends[3] + 1, size, 1).status().code() == Code::kCorrupt);
  // A batch that reaches beyond what there is to read is none.
  CHECK(segment->Verify(ends[3], ends[4] - 1, 1).status().code() == Code::kCorrupt);
}

TEST_CASE("a flipped bit is found in its batch, and what somebody wrote over a view is not") {
  TemporaryDirectory directory;
  std::vector<uint64_t> ends;
  const Bytes bytes = Batches(20, 10, &ends);
  const auto file = Write(LogPath(directory, 0), bytes);
  const auto segment = OpenSegment(directory);
  segment->data()[ends[4] + 90] ^= std::byte{1};
  CHECK(*segment->Verify(0, bytes.size(), UINT32_MAX) == ends[4]);
  CHECK(*segment->Verify(ends[4], bytes.size(), UINT32_MAX) == bytes.size());
  const std::byte flipped = bytes[ends[7] + 90] ^ std::byte{1};
  REQUIRE(file->WriteAt(ends[7] + 90, {&flipped, 1}).ok());
  CHECK(*segment->Verify(ends[4], bytes.size(), UINT32_MAX) == ends[7]);
  CHECK(segment->Verify(ends[7], bytes.size(), UINT32_MAX).status().code() == Code::kCorrupt);
}

TEST_CASE("a segment cut under its reader is corrupt from the cut on, and never zeros") {
  TemporaryDirectory directory;
  std::vector<uint64_t> ends;
  const Bytes bytes = Batches(40, 10, &ends);
  const auto file = Write(LogPath(directory, 0), bytes);
  const auto segment = OpenSegment(directory);
  REQUIRE(*segment->Verify(0, bytes.size(), UINT32_MAX) == bytes.size());
  CHECK(segment->Check(0, bytes.size(), bytes.size()).ok());
  REQUIRE(file->Truncate(3 * kPage).ok());
  size_t whole = 0;
  while (ends[whole] <= 3 * kPage) ++whole;
  CHECK(*segment->Verify(0, bytes.size(), UINT32_MAX) == ends[whole - 1]);
  CHECK(segment->Verify(ends[whole - 1], bytes.size(), 1).status().code() == Code::kCorrupt);
  CHECK(segment->Verify(ends[whole + 8], bytes.size(), 1).status().code() == Code::kCorrupt);
  // Whoever was told of more hears of it, wherever it is reading now.
  CHECK(segment->Check(0, 3 * kPage, bytes.size()).code() == Code::kCorrupt);
  CHECK(segment->Check(0, 3 * kPage, 3 * kPage).ok());
  CHECK(segment->Check(2 * kPage, 3 * kPage + 1, 3 * kPage).code() == Code::kCorrupt);
}

TEST_CASE("a look beyond the end of a growing segment harms no later reading") {
  TemporaryDirectory directory;
  std::vector<uint64_t> ends;
  const Bytes bytes = Batches(40, 10, &ends);
  const auto file = Write(LogPath(directory, 0), std::span(bytes).first(ends[3]));
  const auto segment = OpenSegment(directory, 1 << 20);
  Touch(segment->data() + 5 * kPage);
  CHECK(segment->Check(0, ends[3], ends[3]).ok());
  Touch(segment->data() + 6 * kPage);
  CHECK(*segment->Verify(0, ends[3], UINT32_MAX) == ends[3]);
  Touch(segment->data() + 7 * kPage);
  REQUIRE(file->WriteAt(0, bytes).ok());
  CHECK(*segment->Verify(ends[3], bytes.size(), UINT32_MAX) == bytes.size());
}

TEST_CASE("a listing names a cleaned segment in the place of those it has replaced") {
  TemporaryDirectory directory;
  for (const Offset base : {0, 10, 20, 30}) Write(LogPath(directory, base), Ones(1));
  Write(directory / SwapFileName(10, 20), Ones(1));
  Write(directory / CleanedFileName(30, FileKind::kLog), Ones(1));
  Write(directory / "open-batch", Ones(1));
  const auto listed = ListSegments(directory.path());
  REQUIRE(listed.ok());
  REQUIRE(listed->size() == 3);
  CHECK((*listed)[0].base_offset == 0);
  CHECK((*listed)[1].base_offset == 10);
  CHECK((*listed)[1].swapped_last == 20);
  CHECK((*listed)[2].base_offset == 30);
  CHECK((*listed)[2].swapped_last == -1);
  CHECK(ReadSegment::Open(directory.path(), 10, 20, 0).ok());
  CHECK(ListSegments(directory / "none").status().code() == Code::kNotFound);
}

// The page of a writer that has the log in `directory` open.
struct WriterPage {
  explicit WriterPage(const TemporaryDirectory& directory, const BootId& boot_id = CurrentBootId())
      : file(Write(directory / std::string(kSidecarName), Bytes(kSidecarBytes))),
        mapping(std::move(*file->Map(kSidecarBytes, true))),
        page(mapping->data()) {
    page.Format(boot_id);
  }
  std::shared_ptr<File> file;
  std::unique_ptr<Mapping> mapping;
  Sidecar page;
};

TEST_CASE("a reader of the sidecar sees whole headers, each at least as new as the one before") {
  TemporaryDirectory directory;
  CHECK(ReadSidecar::Open(directory.path()).status().code() == Code::kNotFound);
  WriterPage writer(directory);
  auto opened = ReadSidecar::Open(directory.path());
  REQUIRE(opened.ok());
  SidecarFacts facts;
  CHECK(!(*opened)->Load(&facts).has_value());
  OpenBatch batch;
  batch.segment_base_offset = 5;
  batch.base_offset = 7;
  writer.page.Begin(batch);
  writer.page.Publish(100, 1, 1000);
  std::atomic<bool> stop{false};
  std::thread appender([&] {
    for (uint32_t records = 2; !stop.load(); ++records)
      writer.page.Publish(records * 100, records, 1000 + records);
  });
  Offset last = 0;
  for (int look = 0; look < 20'000; ++look) {
    const std::optional<OpenBatch> seen = (*opened)->Load(&facts);
    REQUIRE(seen.has_value());
    REQUIRE(seen->segment_base_offset == 5);
    REQUIRE(seen->bytes == seen->record_count * 100);
    REQUIRE(seen->end_offset() >= last);
    last = seen->end_offset();
  }
  stop.store(true);
  appender.join();
  CHECK((*opened)->Current());
}

TEST_CASE("a sidecar that says nothing any more is told from one that does") {
  TemporaryDirectory directory;
  SidecarFacts facts;
  {
    WriterPage writer(directory, BootId{});
    CHECK(ReadSidecar::Open(directory.path()).status().code() == Code::kNotFound);
    writer.page.Format(CurrentBootId());
    const auto opened = ReadSidecar::Open(directory.path());
    REQUIRE(opened.ok());
    facts.state = SidecarState::kClosed;
    writer.page.StoreFacts(facts);
    CHECK(!(*opened)->Current());
    CHECK(ReadSidecar::Open(directory.path()).status().code() == Code::kNotFound);
  }
  WriterPage writer(directory);
  writer.page.Begin(OpenBatch());
  writer.page.Publish(0, 0, -1);
  const auto removed = ReadSidecar::Open(directory.path());
  REQUIRE(removed.ok());
  REQUIRE(PosixDisk().Unlink(directory / std::string(kSidecarName)).ok());
  CHECK(!(*removed)->Current());
  WriterPage next(directory);
  next.page.Begin(OpenBatch());
  next.page.Publish(0, 0, -1);
  const auto cut = ReadSidecar::Open(directory.path());
  REQUIRE(cut.ok());
  CHECK((*cut)->Load(&facts).has_value());
  REQUIRE(next.file->Truncate(0).ok());
  CHECK(!(*cut)->Load(&facts).has_value());
  CHECK(!(*cut)->Current());
}

}  // namespace
}  // namespace millrace
