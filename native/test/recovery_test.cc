#include <doctest/doctest.h>

#include <map>

#include "core/log/log_services.h"
#include "test/support/log_subject.h"
#include "test/support/sim_disk.h"

namespace millrace::test {
namespace {

using Files = std::map<std::string, std::vector<std::byte>>;

// All files of the log's directory.
Files FilesOf(Disk& disk, Subject& log) {
  Files files;
  Result<std::vector<std::string>> names = disk.List(log.Path(""));
  for (const std::string& name : *names) files[name] = ReadFile(disk, log.Path(name));
  return files;
}

void Restore(Disk& disk, Subject& log, const Files& files) {
  Result<std::vector<std::string>> names = disk.List(log.Path(""));
  for (const std::string& name : *names) REQUIRE(disk.Unlink(log.Path(name)).ok());
  for (const auto& [name, bytes] : files) WriteFile(disk, log.Path(name), bytes);
}

void Flip(Disk& disk, const std::string& path, size_t position) {
  std::vector<std::byte> bytes = ReadFile(disk, path);
  REQUIRE(position < bytes.size());
  bytes[position] ^= std::byte{0x40};
  WriteFile(disk, path, bytes);
}

// A log of one segment whose process died: the files as they lay there, with their allocated tails.
struct OneSegment {
  SimDisk disk;
  Subject log{disk, "/topic-0", LogConfig{}};
  std::string path = log.LogPath(0);
  Files files;

  explicit OneSegment(int batches) {
    for (int i = 0; i < batches; ++i) {
      REQUIRE(log.Append({.records = 2, .content = uint64_t(i), .base_timestamp = 1000 + i}).ok());
    }
    files = FilesOf(disk, log);
    log.Drop();
    Restore(disk, log, files);
  }
  size_t batch_bytes() const { return log.batches[0].size(); }
};

}  // namespace

TEST_CASE(
    "after a killed process everything written is there, and only the last batch is checked") {
  OneSegment one(10);
  one.log.Open(OpenTrust::kSameBoot, 4);
  CHECK(one.log.end() == 20);
  CHECK(one.log->durable_offset() == 20);
  CHECK(one.log.Content() == one.log.Appended());
  CHECK(one.log.report.scanned_bytes == one.batch_bytes());
  CHECK(one.log.report.cut_bytes == 0);
  CHECK(one.log.report.indexes_rebuilt == 0);
  one.log.AppendMany(5);
  CHECK(one.log.Content() == one.log.Appended());
}

TEST_CASE(
    "a last append that is zeros from a page's end on goes, and one that is not has been damaged") {
  SimDisk disk;
  Subject log(disk, "/topic-0", LogConfig{});
  for (int i = 0; i < 6; ++i) {
    REQUIRE(
        log.Append({.value_bytes = 5000, .content = uint64_t(i), .base_timestamp = 1000 + i}).ok());
  }
  const Files files = FilesOf(disk, log);
  log.Drop();
  const size_t size = log.batches[0].size();
  int cut = 0;
  for (size_t written = 0; written < size; ++written) {
    CAPTURE(written);
    Restore(disk, log, files);
    const size_t end = 5 * size + written;
    std::vector<std::byte> bytes = files.at("00000000000000000000.log");
    std::fill(bytes.begin() + static_cast<ptrdiff_t>(end), bytes.end(), std::byte{0});
    WriteFile(disk, log.LogPath(0), bytes);
    const bool whole = written + 1 == size;  // its last byte is a zero
    size_t shown = end;
    while (shown > 5 * size && bytes[shown - 1] == std::byte{0}) --shown;
    const bool nothing = shown == 5 * size;
    const bool sized = written > 16;  // its length and magic are there
    const bool page = nothing || (sized && (shown + 4095) / 4096 * 4096 < 6 * size);
    const Code code = log.TryOpen(OpenTrust::kSameBoot, 2);
    if (whole) {
      REQUIRE(log.end() == 6);
    } else if (page) {
      REQUIRE(code == Code::kOk);
      CHECK(log.end() == 5);
      CHECK(log.Content() == log.Appended(0, 4));
      CHECK(log.report.cut_bytes <= written);
      CHECK(log->durable_offset() == log.end());
      cut += nothing ? 0 : 1;
    } else {
      REQUIRE(code == Code::kCorrupt);
    }
  }
  CHECK(cut > 3000);
  CHECK(cut < 4500);
}

TEST_CASE(
    "damage that a killed process cannot have left is refused, and the files stay as they are") {
  OneSegment one(6);
  const size_t size = one.batch_bytes();
  SUBCASE("in the last batch's last byte") { Flip(one.disk, one.path, 6 * size - 1); }
  SUBCASE("in the last batch, which ends in zeros") { Flip(one.disk, one.path, 6 * size - 20); }
  SUBCASE("in a header above the recovery point") { Flip(one.disk, one.path, 3 * size + 8); }
  SUBCASE("behind the end") { Flip(one.disk, one.path, 6 * size + 2000); }
  SUBCASE("a shorter file") {
    std::vector<std::byte> bytes = ReadFile(one.disk, one.path);
    bytes.resize(size);
    WriteFile(one.disk, one.path, bytes);
  }
  SUBCASE("no files") {
    for (const auto& [name, bytes] : one.files) REQUIRE(one.disk.Unlink(one.log.Path(name)).ok());
  }
  const Files before = FilesOf(one.disk, one.log);
  CHECK(one.log.TryOpen(OpenTrust::kSameBoot, 4) == Code::kCorrupt);
  CHECK(FilesOf(one.disk, one.log) == before);
}

TEST_CASE("after a power loss the longest valid prefix stays and the rest is put aside") {
  OneSegment one(10);
  const size_t size = one.batch_bytes();
  for (size_t damaged = 3; damaged < 10; ++damaged) {
    CAPTURE(damaged);
    Restore(one.disk, one.log, one.files);
    Flip(one.disk, one.path, damaged * size + 90);
    const std::vector<std::byte> bytes = ReadFile(one.disk, one.path);
    one.log.Open(OpenTrust::kReboot, 6);
    const Offset end = static_cast<Offset>(damaged * 2);
    REQUIRE(one.log.end() == end);
    CHECK(one.log.Content() == one.log.Appended(0, end - 1));
    CHECK(one.log.report.cut_from_offset == end);
    CHECK(one.log.report.scanned_bytes == (damaged - 3) * size);
    const std::string aside = one.path + ".cut-" + std::to_string(damaged * size);
    const std::vector<std::byte> cut = ReadFile(one.disk, aside);
    CHECK(cut.size() == one.log.report.cut_bytes);
    CHECK(
        std::equal(cut.begin(), cut.end(), bytes.begin() + static_cast<ptrdiff_t>(damaged * size)));
    CHECK(ReadFile(one.disk, one.path).size() == damaged * size);

    // The same place again: the first copy is kept.
    REQUIRE(one.log.Append({.value_bytes = 400, .content = 77}).ok());
    one.log.Drop();
    Flip(one.disk, one.path, damaged * size + 70);
    one.log.Open(OpenTrust::kReboot, 6);
    CHECK(one.log.end() == end);
    CHECK(ReadFile(one.disk, aside) == cut);
    CHECK(FileExists(one.disk, aside + ".1"));
    one.log.batches.resize(10);
  }
}

TEST_CASE("damage below the recovery point is refused after a power loss, and the files stay") {
  OneSegment one(10);
  const size_t size = one.batch_bytes();
  SUBCASE("a header") { Flip(one.disk, one.path, 2 * size + 8); }
  SUBCASE("a stale batch") { Flip(one.disk, one.path, 2 * size + 6); }
  SUBCASE("a missing page") {
    std::vector<std::byte> bytes = ReadFile(one.disk, one.path);
    bytes.resize(size * 2);
    WriteFile(one.disk, one.path, bytes);
  }
  const Files before = FilesOf(one.disk, one.log);
  CHECK(one.log.TryOpen(OpenTrust::kReboot, 10) == Code::kCorrupt);
  CHECK(FilesOf(one.disk, one.log) == before);
}

TEST_CASE("a batch with an offset below the one that must come next ends the prefix") {
  OneSegment one(10);
  const size_t size = one.batch_bytes();
  std::vector<std::byte> bytes = ReadFile(one.disk, one.path);
  // An older batch of the same log where the eighth was: whole, and its checksum holds.
  std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(size), size,
              bytes.begin() + static_cast<ptrdiff_t>(7 * size));
  WriteFile(one.disk, one.path, bytes);
  one.log.Open(OpenTrust::kReboot, 6);
  CHECK(one.log.end() == 14);
  CHECK(one.log.Content() == one.log.Appended(0, 13));
}

TEST_CASE("segments behind a hole are put aside above the recovery point and refused below it") {
  SimDisk disk;
  Subject log(disk, "/topic-0");
  log.AppendMany(60);
  std::vector<Offset> bases;
  for (const auto& [name, bytes] : FilesOf(disk, log)) {
    if (name.ends_with(".log")) bases.push_back(std::stoll(name));
  }
  REQUIRE(bases.size() > 4);
  log.Drop();
  SUBCASE("a missing segment") {
    REQUIRE(disk.Unlink(log.LogPath(bases[2])).ok());
    const Files before = FilesOf(disk, log);
    CHECK(log.TryOpen(OpenTrust::kReboot, bases[3]) == Code::kCorrupt);
    CHECK(log.TryOpen(OpenTrust::kSameBoot, 0) == Code::kCorrupt);
    CHECK(FilesOf(disk, log) == before);
    log.Open(OpenTrust::kReboot, bases[1]);
    CHECK(log.end() == bases[2]);
    CHECK(log.Content() == log.Appended(0, bases[2] - 1));
    CHECK(FileExists(disk, log.LogPath(bases[3]) + ".cut-0"));
    CHECK(!FileExists(disk, log.LogPath(bases[3])));
    CHECK(!FileExists(disk, log.Path("00000000000000000000.log.cut-0")));
  }
  SUBCASE("a missing first segment") {
    REQUIRE(disk.Unlink(log.LogPath(0)).ok());
    CHECK(log.TryOpen(OpenTrust::kReboot, bases[3]) == Code::kCorrupt);
    CHECK(log.TryOpen(OpenTrust::kSameBoot, bases[3]) == Code::kCorrupt);
    log.Open(OpenTrust::kReboot, bases[3], bases[1]);
    CHECK(log.Content() == log.Appended(bases[1]));
  }
  SUBCASE("a segment without its end") {
    std::vector<std::byte> bytes = ReadFile(disk, log.LogPath(bases[2]));
    bytes.resize(3000);
    WriteFile(disk, log.LogPath(bases[2]), bytes);
    CHECK(log.TryOpen(OpenTrust::kReboot, bases[3]) == Code::kCorrupt);
    log.Open(OpenTrust::kReboot, bases[2]);
    CHECK(log.end() < bases[3]);
    CHECK(log.end() >= bases[2]);
    CHECK(log.Content() == log.Appended(0, log.end() - 1));
  }
}

TEST_CASE("segments below the log start go, and so do leftovers, but nothing that is not ours") {
  SimDisk disk;
  Subject log(disk, "/topic-0");
  log.AppendMany(60);
  REQUIRE(log->Close(true).ok());
  for (const char* name :
       {"next.prepared", "00000000000000000003.log.deleted", "00000000000000000099.index"}) {
    WriteFile(disk, log.Path(name), {});
  }
  for (const char* name :
       {"partition.metadata", "leader-epoch-checkpoint", "00000000000000000000.snapshot"}) {
    WriteFile(disk, log.Path(name), std::vector<std::byte>(3));
  }
  log.Open(OpenTrust::kClean, 0, 50);
  CHECK(log->log_start_offset() == 50);
  const Files files = FilesOf(disk, log);
  CHECK(files.count("next.prepared") + files.count("00000000000000000003.log.deleted") +
            files.count("00000000000000000099.index") ==
        0);
  CHECK(files.count("partition.metadata") + files.count("leader-epoch-checkpoint") +
            files.count("00000000000000000000.snapshot") ==
        3);
  CHECK(files.count("00000000000000000000.log") == 0);
  CHECK(files.count("00000000000000000000.index") == 0);
  log.AppendMany(3);
  const std::vector<std::byte> content = log.Content();
  const std::vector<std::byte> all = log.Appended();
  CHECK(std::equal(content.rbegin(), content.rend(), all.rbegin()));
}

TEST_CASE("a log that ends below its start begins anew there") {
  SimDisk disk;
  Subject log(disk, "/topic-0");
  log.AppendMany(30);
  log.Flush();
  log.Drop();
  log.Open(OpenTrust::kReboot, 20, 500);
  CHECK(log->log_start_offset() == 500);
  CHECK(log.end() == 500);
  CHECK(FilesOf(disk, log).size() == 1);
  log.AppendMany(2);
  CHECK(log->Read(500, 1 << 20, INT64_MAX, true)->length() > 0);
}

TEST_CASE(
    "indexes that are missing, torn or wrong are made again as appending would have made them") {
  SimDisk disk;
  Subject log(disk, "/topic-0");
  log.AppendMany(60);
  REQUIRE(log->Close(true).ok());
  const Files files = FilesOf(disk, log);
  for (const auto& [name, right] : files) {
    if (name.ends_with(".log")) continue;
    CAPTURE(name);
    const size_t entry = name.ends_with(".index") ? 8 : 12;
    for (int harm = 0; harm < 5; ++harm) {
      CAPTURE(harm);
      Restore(disk, log, files);
      std::vector<std::byte> wrong = right;
      if (harm == 0) REQUIRE(disk.Unlink(log.Path(name)).ok());
      if (harm == 1) wrong.resize(wrong.size() - 3);
      if (harm == 2) wrong[wrong.size() - 1] ^= std::byte{0x11};
      if (harm == 3) std::fill(wrong.begin(), wrong.end(), std::byte{0xee});
      if (harm == 4) wrong.resize(wrong.size() + 40 * entry, std::byte{0x05});
      if (harm != 0) WriteFile(disk, log.Path(name), wrong);
      for (OpenTrust trust : {OpenTrust::kClean, OpenTrust::kSameBoot, OpenTrust::kReboot}) {
        log.Open(trust, log.batches.empty() ? 0 : 1);
        REQUIRE(log.Content() == log.Appended());
        TimestampPosition late = FindMaxTimestamp(*log);
        CHECK(late.offset == log.end() - 1);
        CHECK(log->Close(true).ok());
      }
      CHECK(ReadFile(disk, log.Path(name)) == right);
    }
  }
}

TEST_CASE(
    "an index entry that leads astray in the middle of a segment is noticed when it is followed") {
  SimDisk disk;
  Subject log(disk, "/topic-0", LogConfig{.index_interval_bytes = 300});
  log.AppendMany(200);
  REQUIRE(log->Close(true).ok());
  const std::string path = log.Path("00000000000000000000.index");
  const std::vector<std::byte> right = ReadFile(disk, path);
  for (size_t entry = 0; entry + 1 < right.size() / 8; entry += 7) {
    std::vector<std::byte> wrong = right;
    wrong[entry * 8 + 7] ^= std::byte{0x3f};
    WriteFile(disk, path, wrong);
    log.Open(OpenTrust::kClean, log.end());
    for (Offset offset = 0; offset < log.end(); ++offset) {
      Result<FileRegion> region = ReadWaiting(*log, offset, 1, INT64_MAX, true);
      REQUIRE(region.ok());
      BatchHeader header;
      REQUIRE(ParseBatchHeader(BytesOf(*region), &header).ok());
      REQUIRE(header.base_offset <= offset);
      REQUIRE(header.last_offset >= offset);
    }
    REQUIRE(log->Close(true).ok());
    CHECK(ReadFile(disk, path) == right);
  }
}

TEST_CASE("a log that is rolled before its first flush does not begin with its second segment") {
  SimDisk disk;
  REQUIRE(disk.MakeDirectory("/topic-0").ok());
  REQUIRE(disk.SyncDirectory("/").ok());
  Subject log(disk, "/topic-0");
  REQUIRE(log.Append({.records = 4}).ok());
  REQUIRE(log->Roll().ok());
  REQUIRE(log.Append({.content = 1}).ok());
  for (uint64_t names = 0; names < (uint64_t{1} << disk.pending_names()); ++names) {
    CAPTURE(names);
    const std::unique_ptr<SimDisk> next = disk.Reboot(names + 1, names);
    Subject after(*next, "/topic-0", SmallSegments(), nullptr, OpenTrust::kReboot);
    CHECK(after->log_start_offset() == 0);
    CHECK(after.Content() == log.Appended(0, after.end() - 1));
  }
}

TEST_CASE(
    "a process that dies between storing one index and the other leaves no timestamp behind") {
  for (uint64_t call = 1; call <= 12; ++call) {
    CAPTURE(call);
    SimDisk disk;
    LogServices services(1, LogServices::Background::kInline);  // each index is opened anew
    Subject log(disk, "/topic-0", LogConfig{.index_interval_bytes = 300}, &services);
    log.AppendMany(20);
    log.CloseAndOpen();
    REQUIRE(log.Append({.records = 4, .content = 20, .base_timestamp = 9'000'000}).ok());
    log.AppendMany(9);  // of earlier timestamps
    const TimestampPosition largest = FindMaxTimestamp(*log);
    disk.CrashAfter(disk.call_count() + call);
    (void)log->Roll();
    const std::unique_ptr<SimDisk> next = disk.KillProcess();
    Subject after(*next, "/topic-0", log.config, nullptr, OpenTrust::kSameBoot);
    CHECK(after.Content() == log.Appended());
    CHECK(FindMaxTimestamp(*after).timestamp == largest.timestamp);
    CHECK(FindTimestamp(*after, largest.timestamp).offset == largest.offset);
  }
}

}  // namespace millrace::test
