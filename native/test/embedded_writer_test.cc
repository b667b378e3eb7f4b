// The write side of embedded logs: what an append promised is there after the process dies, and
// what a flush promised after the power does, wherever it happens.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/clean/record_iterator.h"
#include "core/embedded/adoption.h"
#include "core/embedded/writer.h"
#include "core/log/segment_names.h"
#include "test/support/embedded_life.h"
#include "test/support/log_batches.h"
#include "test/support/random.h"
#include "test/support/sim_disk.h"
#include "test/support/temporary_directory.h"

namespace millrace::test {
namespace {

bool Exists(Disk& disk, std::string_view name) {
  return disk.Open(JoinPath(kDirectory, name), OpenMode::kRead).ok();
}

// Appends, flushes, rolls and closes; `life` says how far it came.
void Workload(SimDisk& disk, Life& life) {
  life.sim = &disk;
  if (!life.Open(disk, Options()).ok()) return;
  life.Append(40);
  life.Flush();
  life.Append(150);  // over several segments
  life.Flush();
  life.Append(7);
  if (life.opened.writer->PutCheckpoint(60, life.durable, 40).ok())
    (void)life.opened.log->AdvanceStart(60);
  life.Append(5);
  life.Close();
}

uint64_t CallsOfWorkload() {
  SimDisk disk;
  (void)disk.MakeDirectory("/logs");
  Life life;
  Workload(disk, life);
  REQUIRE(life.closed);
  return disk.call_count();
}

}  // namespace

TEST_CASE("an embedded log has what was appended, and a clean close leaves no sidecar") {
  SimDisk disk;
  Life life;
  REQUIRE(life.Open(disk, Options()).ok());
  CHECK(Exists(disk, kSidecarName));
  life.Append(300);
  CHECK(life.opened.writer->open_records() > 0);
  const Offset end = life.end();
  CHECK(end == 300);
  life.Close();
  REQUIRE(life.closed);
  CHECK(!Exists(disk, kSidecarName));
  Life next;
  REQUIRE(next.Open(disk, Options()).ok());
  CheckValues(*next.opened.log, 300);
  next.Append(10);
  CHECK(next.end() == 310);
}

TEST_CASE("records with keys, headers, no value and their own times are what a batch may hold") {
  SimDisk disk;
  Life life;
  REQUIRE(life.Open(disk, Options()).ok());
  const std::string key = "key", value(2000, 'v');
  const std::byte headers[] = {std::byte{2}, std::byte{2}, std::byte{'h'}, std::byte{1}};
  EmbeddedWriter& writer = *life.opened.writer;
  CHECK(writer.Append({BytesOf(key), BytesOf(value), headers}, 5'000).ok());
  CHECK(writer.Append({BytesOf(key), {}, {}}, 3).ok());
  CHECK(writer.Append({{}, BytesOf(key), {}}, INT64_C(9'000'000'000'000)).ok());
  CHECK(writer.Seal().ok());
  std::vector<BatchHeader> batches(4);
  Result<size_t> count = life.opened.log->ReadHeaders(0, INT64_MAX, batches);
  REQUIRE(count.ok());
  REQUIRE(*count == 2);  // the first record is larger than a batch gets
  CHECK(batches[0].max_timestamp == 5'000);
  CHECK(batches[1].base_timestamp == 3);
  CHECK(batches[1].max_timestamp == INT64_C(9'000'000'000'000));
  const std::vector<std::byte> content = ReadAll(*life.opened.log, 0, 3);
  AppendOptions options;
  BatchHeader header;
  Appended verdict;
  CHECK(CheckBatch(std::span(content).first(static_cast<size_t>(batches[0].size_bytes)), options,
                   &header, &verdict)
            .ok());
}

TEST_CASE("a record is in the log after a kill at any call of the disk, also in an open batch") {
  const uint64_t calls = CallsOfWorkload();
  for (uint64_t n = 1; n <= calls; ++n) {
    CAPTURE(n);
    SimDisk disk;
    (void)disk.MakeDirectory("/logs");
    disk.CrashAfter(n);
    Life life;
    Workload(disk, life);
    const std::unique_ptr<SimDisk> next = disk.KillProcess(n);
    Life again;
    REQUIRE(again.Open(*next, Options()).ok());
    const Offset end = again.opened.log->log_end_offset();
    // One more may be there: of the append that the crash kept from returning.
    REQUIRE(end >= life.promised);
    REQUIRE(end <= life.promised + 1);
    CheckValues(*again.opened.log, end);
    again.Append(20);
    again.Close();
    REQUIRE(again.closed);
  }
}

TEST_CASE("what was flushed is in the log after the power went at any call of the disk") {
  const uint64_t calls = CallsOfWorkload();
  for (uint64_t n = 1; n <= calls; ++n) {
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      CAPTURE(n);
      CAPTURE(seed);
      SimDisk disk;
      (void)disk.MakeDirectory("/logs");
      (void)disk.SyncDirectory("/");
      disk.CrashAfter(n);
      Life life;
      Workload(disk, life);
      const std::unique_ptr<SimDisk> next = disk.Reboot(seed * 1000 + n);
      Life again;
      REQUIRE(again.Open(*next, Options(2)).ok());
      const Offset end = again.opened.log->log_end_offset();
      REQUIRE(end >= life.durable);
      CheckValues(*again.opened.log, end);
      again.Append(20);
      again.Flush();
      CheckValues(*again.opened.log, end + 20);
    }
  }
}

TEST_CASE("a broker finds what was appended after a kill at any call of the disk, and goes on") {
  const uint64_t calls = CallsOfWorkload();
  for (uint64_t n = 1; n <= calls; ++n) {
    CAPTURE(n);
    SimDisk disk;
    (void)disk.MakeDirectory("/logs");
    disk.CrashAfter(n);
    Life life;
    Workload(disk, life);
    const std::unique_ptr<SimDisk> next = disk.KillProcess(n);
    OpenPoint point;
    REQUIRE(PrepareAdoption(*next, kDirectory, &point, Boot(1)).ok());
    OpenReport report;
    // Clean: what the broker itself left was. A log that it does not know it takes for lost.
    auto log = Log::Open(*next, kDirectory, Options().log, point.trust, point.recovery_point,
                         point.log_start_offset, &report);
    if (!log.ok()) {
      REQUIRE(life.promised == 0);
      continue;
    }
    REQUIRE(FinishAdoption(*next, kDirectory).ok());
    CHECK(!Exists(*next, kSidecarName));
    REQUIRE((*log)->log_end_offset() >= life.promised);
    REQUIRE((*log)->log_end_offset() <= life.promised + 1);
    CheckValues(**log, (*log)->log_end_offset());
    const Offset end = (*log)->log_end_offset();
    REQUIRE((*log)->Close(true).ok());
    // It closed the log cleanly: the app's notes say nothing of that.
    OpenPoint again;
    again.log_start_offset = report.log_start_offset;
    REQUIRE(PrepareAdoption(*next, kDirectory, &again, Boot(1)).ok());
    CHECK(again.trust == OpenTrust::kClean);
    Life app;
    REQUIRE(app.Open(*next, Options()).ok());
    CheckValues(*app.opened.log, end);
  }
}

TEST_CASE("half a record behind the open batch is not in the log") {
  for (const bool open : {false, true}) {
    CAPTURE(open);
    SimDisk disk;
    Life life;
    REQUIRE(life.Open(disk, Options()).ok());
    life.Append(30);
    REQUIRE(life.opened.writer->Seal().ok());
    life.Append(open ? 2 : 0);
    const Offset end = life.end();
    const uint64_t at = *life.opened.log->active_bytes() + life.opened.writer->open_bytes() +
                        (open ? 0 : kBatchHeaderBytes);
    auto file =
        disk.Open(JoinPath(kDirectory,
                           SegmentFileName(life.opened.log->active_base_offset(), FileKind::kLog)),
                  OpenMode::kReadWrite);
    REQUIRE(file.ok());
    REQUIRE((*file)->WriteAt(at, BytesOf(std::string(50, 'x'))).ok());
    const std::unique_ptr<SimDisk> next = disk.KillProcess();
    Life again;
    REQUIRE(again.Open(*next, Options()).ok());
    CheckValues(*again.opened.log, end);
    again.Append(10);
    REQUIRE(again.opened.writer->Seal().ok());
    CheckValues(*again.opened.log, end + 10);
  }
}

TEST_CASE("a stale sidecar takes nothing from the log and adds nothing") {
  SimDisk disk;
  Life life;
  REQUIRE(life.Open(disk, Options()).ok());
  const std::string path = JoinPath(kDirectory, kSidecarName);
  std::vector<std::byte> stale(kSidecarBytes);
  const auto keep = [&] { REQUIRE((*disk.Open(path, OpenMode::kRead))->ReadAt(0, stale).ok()); };
  life.Append(30);
  REQUIRE(life.opened.writer->Seal().ok());
  life.Append(3);
  SUBCASE("its batch was sealed") { keep(); }
  SUBCASE("no batch was open") {
    REQUIRE(life.opened.writer->Seal().ok());
    keep();
  }
  REQUIRE(life.opened.writer->Seal().ok());
  life.Append(9);
  REQUIRE(life.opened.writer->Seal().ok());
  const Offset end = life.end();
  REQUIRE((*disk.Open(path, OpenMode::kReadWrite))->WriteAt(0, stale).ok());
  const std::unique_ptr<SimDisk> next = disk.KillProcess();
  Life again;
  REQUIRE(again.Open(*next, Options()).ok());
  CheckValues(*again.opened.log, end);
}

TEST_CASE("a sidecar of another boot says nothing") {
  SimDisk disk;
  Life life;
  REQUIRE(life.Open(disk, Options()).ok());
  life.Append(30);
  life.Flush();
  life.Append(3);
  const std::unique_ptr<SimDisk> next = disk.KillProcess();
  Life again;
  REQUIRE(again.Open(*next, Options(2)).ok());
  const Offset end = again.opened.log->log_end_offset();
  CHECK(end == life.durable);
  CheckValues(*again.opened.log, end);
}

TEST_CASE("a kernel that does not tell its boot id may have been started since") {
  SimDisk disk;
  EmbeddedOptions options = Options();
  options.boot_id = BootId{};
  Life life;
  REQUIRE(life.Open(disk, options).ok());
  life.Append(30);
  REQUIRE(life.opened.writer->Seal().ok());
  const Offset sealed = life.end();
  life.Append(3);
  const std::unique_ptr<SimDisk> next = disk.KillProcess();
  OpenPoint point;
  REQUIRE(PrepareAdoption(*next, kDirectory, &point, BootId{}).ok());
  CHECK(point.trust == OpenTrust::kReboot);
  Life again;
  REQUIRE(again.Open(*next, options).ok());
  CheckValues(*again.opened.log, sealed);
}

TEST_CASE("a record in a page that was lost underneath is not acknowledged, nor any after it") {
  SimDisk disk;
  Life life;
  EmbeddedOptions options = Options();
  options.log.segment_bytes = 1 << 20;
  REQUIRE(life.Open(disk, options).ok());
  life.Append(3);
  const Offset end = life.end();
  EmbeddedWriter& writer = *life.opened.writer;
  const std::string path =
      JoinPath(kDirectory, SegmentFileName(life.opened.log->active_base_offset(), FileKind::kLog));
  REQUIRE((*disk.Open(path, OpenMode::kReadWrite))->Truncate(0).ok());
  const std::string value = ValueOf(end);
  const uint32_t lengths[] = {static_cast<uint32_t>(value.size())};
  SUBCASE("one") {
    CHECK(writer.Append(RecordParts{{}, BytesOf(value), {}}, std::nullopt).code() ==
          Code::kCorrupt);
  }
  SUBCASE("of many") {
    size_t appended = 9;
    CHECK(writer.AppendValues(BytesOf(value), lengths, &appended).code() == Code::kCorrupt);
    CHECK(appended == 0);
  }
  CHECK(life.opened.log->failed());
  CHECK(writer.end_offset() == end);
  CHECK(writer.Append(RecordParts{{}, BytesOf(value), {}}, std::nullopt).code() == Code::kFailed);
  CHECK(writer.Seal().code() == Code::kFailed);
  CHECK(writer.end_offset() == end);
}

TEST_CASE("records that could not be written are not in the log, and its end says so") {
  SimDisk disk;
  Life life;
  REQUIRE(life.Open(disk, Options()).ok());
  life.Append(2);
  life.Flush();  // from here on it writes
  life.Append(2);
  const Offset end = life.end();
  const std::string value = ValueOf(end);
  const uint32_t length = static_cast<uint32_t>(value.size());
  EmbeddedWriter& writer = *life.opened.writer;
  disk.FailFrom(disk.call_count() + 1, EIO, MaskOf(SimCallKind::kWrite));
  size_t appended = 0;
  SUBCASE("one") { CHECK(!writer.Append(RecordParts{{}, BytesOf(value), {}}, std::nullopt).ok()); }
  SUBCASE("of many") {
    const std::string values = value + value;
    const uint32_t lengths[] = {length, length};
    CHECK(!writer.AppendValues(BytesOf(values), lengths, &appended).ok());
  }
  CHECK(appended == 0);
  CHECK(writer.end_offset() == end);
  disk.Heal();
  CHECK(writer.Append(RecordParts{{}, BytesOf(value), {}}, std::nullopt).code() == Code::kFailed);
  const std::unique_ptr<SimDisk> next = disk.KillProcess();
  Life again;
  REQUIRE(again.Open(*next, Options()).ok());
  CheckValues(*again.opened.log, end);
}

TEST_CASE("records whose batch cannot be sealed for want of space stay, and it is sealed later") {
  SimDisk disk;
  Life life;
  REQUIRE(life.Open(disk, Options()).ok());
  life.Append(2);
  life.Flush();  // from here on it writes
  life.Append(3);
  const Offset end = life.end();
  REQUIRE(life.promised == end);
  disk.FailFrom(disk.call_count() + 1, ENOSPC, MaskOf(SimCallKind::kWrite));
  CHECK(life.opened.writer->Seal().code() == Code::kNoSpace);
  disk.Heal();
  SUBCASE("the process is killed") {
    const std::unique_ptr<SimDisk> next = disk.KillProcess();
    Life again;
    REQUIRE(again.Open(*next, Options()).ok());
    CheckValues(*again.opened.log, end);
  }
  SUBCASE("there is room again") {
    life.Append(2);
    REQUIRE(life.opened.writer->Seal().ok());
    CheckValues(*life.opened.log, end + 2);
  }
}

TEST_CASE("a full disk refuses an append, and the log goes on when there is room again") {
  SimDisk disk;
  disk.SetCapacity(96 << 10);
  Life life;
  EmbeddedOptions options = Options();
  options.log.segment_bytes = 1 << 20;
  REQUIRE(life.Open(disk, options).ok());
  Status status;
  while (status.ok() && life.end() < 5'000) {
    const std::string value = ValueOf(life.end());
    status = life.opened.writer->Append(RecordParts{{}, BytesOf(value), {}}, std::nullopt);
  }
  CHECK(status.code() == Code::kNoSpace);
  const Offset full = life.end();
  CHECK(full > 200);
  const std::string another = ValueOf(full);
  CHECK(life.opened.writer->Append(RecordParts{{}, BytesOf(another), {}}, std::nullopt).code() ==
        Code::kNoSpace);
  CHECK(life.end() == full);
  CheckValues(*life.opened.log, full);
  disk.SetCapacity(1 << 20);
  life.Append(100);
  CHECK(life.end() == full + 100);
  REQUIRE(life.opened.writer->Seal().ok());
  CheckValues(*life.opened.log, full + 100);
}

TEST_CASE("after a sync failed the log takes nothing more, and what was read stays readable") {
  SimDisk disk;
  Life life;
  REQUIRE(life.Open(disk, Options()).ok());
  life.Append(30);
  REQUIRE(life.opened.writer->Seal().ok());
  life.Append(2);
  const Offset open_end = life.end();
  disk.FailFrom(disk.call_count() + 1, EIO, MaskOf(SimCallKind::kSync));
  CHECK(!life.opened.log->Flush().ok());
  disk.Heal();
  CHECK(life.opened.log->failed());
  // At once, though the open batch has room.
  const std::string value = ValueOf(life.end());
  CHECK(life.opened.writer->Append(RecordParts{{}, BytesOf(value), {}}, std::nullopt).code() ==
        Code::kFailed);
  CHECK(life.end() == open_end);
  CHECK(ReadAll(*life.opened.log, 0, 30).size() > 30);
}

TEST_CASE("a second writer is refused, and the first one's end lets it in") {
  TemporaryDirectory directory;
  EmbeddedOptions options = Options();
  OpenReport report;
  Result<OpenedLog> first = EmbeddedWriter::Open(PosixDisk(), directory / "log", options, &report);
  REQUIRE(first.ok());
  CHECK(EmbeddedWriter::Open(PosixDisk(), directory / "log", options, &report).status().code() ==
        Code::kLocked);
  const std::string value = ValueOf(0);
  REQUIRE(first->writer->Append(RecordParts{{}, BytesOf(value), {}}, std::nullopt).ok());
  first->writer.reset();
  first->log.reset();
  Result<OpenedLog> second = EmbeddedWriter::Open(PosixDisk(), directory / "log", options, &report);
  REQUIRE(second.ok());
  CheckValues(*second->log, 1);
}

TEST_CASE("readers of a sidecar meet whole headers only, in order") {
  alignas(8) static std::byte page[kSidecarBytes];
  Sidecar writer(page);
  writer.Format(Boot(1));
  writer.Begin(OpenBatch{});
  writer.Publish(1, 0, -1);
  std::atomic<bool> done{false};
  std::thread reading([&] {
    const Sidecar reader(page);
    uint64_t seen = 0;
    while (!done.load()) {
      const std::optional<OpenBatch> batch = reader.Load();
      if (!batch.has_value()) continue;  // the writer went round again and again
      REQUIRE(batch->sequence >= seen);
      REQUIRE(batch->bytes == batch->sequence % 1000);
      REQUIRE(batch->base_offset == static_cast<Offset>(batch->sequence / 100));
      seen = batch->sequence;
    }
  });
  for (uint64_t sequence = 2; sequence < 200'000; ++sequence) {
    if (sequence % 100 == 0) {
      OpenBatch batch;
      batch.base_offset = static_cast<Offset>(sequence / 100);
      writer.Begin(batch);
    }
    writer.Publish(static_cast<uint32_t>(sequence % 1000), 1, 0);
  }
  done.store(true);
  reading.join();
}

}  // namespace millrace::test
