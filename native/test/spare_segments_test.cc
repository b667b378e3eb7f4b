// The files of removed segments, used again: nobody who still has one sees it change, and nobody
// who opens the log sees what was in it before.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/base/sole_file.h"
#include "core/base/unique_fd.h"
#include "core/embedded/read_segment.h"
#include "core/embedded/writer.h"
#include "core/log/log_services.h"
#include "core/log/segment_names.h"
#include "test/support/log_batches.h"
#include "test/support/sim_disk.h"
#include "test/support/temporary_directory.h"

namespace millrace::test {
namespace {

constexpr uint32_t kSegmentBytes = 8192;
// Each record alone in its batch, and all batches of one size: the batches of a file's next life
// lie where those of its last one did.
constexpr size_t kValueBytes = 700;
constexpr Offset kPerSegment = 10;
const std::string kDirectory = "/logs/embedded";

std::string Mark(Offset offset) {
  char text[32];
  std::snprintf(text, sizeof text, "<record %08lld>", static_cast<long long>(offset));
  return text;
}

// The record with this offset, and nothing but: its mark, over and over.
std::string ValueOf(Offset offset) {
  std::string value;
  while (value.size() < kValueBytes) value += Mark(offset);
  value.resize(kValueBytes);
  return value;
}

std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

BootId Boot(int number) {
  BootId id{};
  id[0] = static_cast<std::byte>(number);
  return id;
}

// A log in an app, with retention.
struct App {
  App(Disk& on, std::string where, int boot = 1, LogServices* services = nullptr)
      : disk(on), directory(std::move(where)) {
    EmbeddedOptions options;
    options.log.segment_bytes = kSegmentBytes;
    options.seal_bytes = 64;
    options.now_ms = [] { return int64_t{1'000}; };
    options.boot_id = Boot(boot);
    Result<OpenedLog> result = EmbeddedWriter::Open(disk, directory, options, &report, services);
    if (!result.ok()) return;
    opened = std::move(*result);
    durable = opened.log->durable_offset();
  }
  bool Append(Offset count) {
    for (Offset i = 0; i < count; ++i) {
      const std::string value = ValueOf(opened.writer->end_offset());
      const RecordParts record{{}, BytesOf(value), {}};
      if (!opened.writer->Append(record, std::nullopt).ok() || !opened.writer->Seal().ok())
        return false;
    }
    return true;
  }
  bool Flush() {
    if (!opened.writer->SealForFlush().ok()) return false;
    const Result<DurablePoint> point = opened.log->Flush();
    if (point.ok()) durable = point->offset;
    return point.ok();
  }
  // Removes all segments but the last `kept`.
  bool Expire(size_t kept) {
    SegmentFacts facts[64];
    const Result<size_t> count = log().ListSegments(false, facts);
    if (!count.ok()) return false;
    if (*count <= kept) return true;
    const Offset start = facts[*count - kept].base_offset;
    if (!opened.writer->PutCheckpoint(start, durable, 0).ok()) return false;
    return log().AdvanceStart(start).ok();
  }
  // Rounds of appending and retention: with the second, files are used again.
  bool Live(int rounds) {
    for (int round = 0; round < rounds; ++round) {
      if (!Append(kPerSegment * 3 / 2) || !Flush() || !Expire(2)) return false;
    }
    return true;
  }
  Log& log() { return *opened.log; }
  std::string PathOf(Offset base) const {
    return JoinPath(directory, SegmentFileName(base, FileKind::kLog));
  }
  // Every record of the log is what was appended, and the log ends at `end`.
  void Check(Offset end) {
    REQUIRE(log().log_end_offset() == end);
    Offset next = log().log_start_offset();
    const std::vector<std::byte> content = ReadAll(log(), next, end);
    for (size_t at = 0; at < content.size(); ++next) {
      BatchHeader header;
      REQUIRE(ParseBatchHeader(std::span(content).subspan(at), &header).ok());
      const auto size = static_cast<size_t>(header.size_bytes);
      const auto batch = std::span(content).subspan(at, size);
      REQUIRE(BatchChecksumHolds(batch));
      if (at == 0) next = header.base_offset;
      REQUIRE(header.base_offset == next);
      const std::string value = ValueOf(next);
      REQUIRE(std::search(batch.begin(), batch.end(), BytesOf(value).begin(),
                          BytesOf(value).end()) != batch.end());
      at += size;
    }
    REQUIRE(next == end);
  }

  Disk& disk;
  const std::string directory;
  OpenReport report;
  OpenedLog opened;
  Offset durable = 0;
};

std::vector<std::string> NamesIn(Disk& disk, const std::string& directory,
                                 const std::function<bool(const std::string&)>& wanted) {
  auto names = disk.List(directory);
  REQUIRE(names.ok());
  std::erase_if(*names, [&](const std::string& name) { return !wanted(name); });
  return *names;
}

std::vector<std::string> SparesIn(Disk& disk, const std::string& directory = kDirectory) {
  return NamesIn(disk, directory, [](const auto& name) { return name.starts_with("spare-"); });
}

// What recovery took for records that were lost are records that the log no longer has, and none
// that it had given up long before.
void CheckPutAside(App& app) {
  for (const std::string& name : NamesIn(app.disk, app.directory, [](const auto& name) {
         return name.find(".cut-") != std::string::npos;
       })) {
    CAPTURE(name);
    const std::vector<std::byte> bytes = ReadFile(app.disk, JoinPath(app.directory, name));
    const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    for (size_t at = 0; (at = text.find("<record ", at)) != std::string::npos; at += 8) {
      const size_t last = at + Mark(0).size() - 1;
      if (last >= text.size() || text[last] != '>') continue;  // a page of it is not there
      const long long offset = std::strtoll(text.c_str() + at + 8, nullptr, 10);
      REQUIRE(offset >= app.report.log_end_offset);
    }
  }
}

uint64_t CallsOfLife(int rounds) {
  SimDisk disk;
  (void)disk.MakeDirectory("/logs");
  App app(disk, kDirectory);
  REQUIRE(app.Live(rounds));
  return disk.call_count();
}

uint64_t Renames(const SimDisk& disk, const std::string& from, const std::string& to) {
  const std::vector<SimCall> calls = disk.calls();
  return static_cast<uint64_t>(std::count_if(calls.begin(), calls.end(), [&](const SimCall& call) {
    return call.kind == SimCallKind::kRename && call.code == Code::kOk &&
           call.path.find(from) != std::string::npos && call.path.find(to) != std::string::npos;
  }));
}

uint64_t InodeOf(const std::string& path) {
  struct stat facts{};
  REQUIRE(::stat(path.c_str(), &facts) == 0);
  return facts.st_ino;
}

constexpr int kRounds = 5;

}  // namespace

TEST_CASE("the file of a removed segment becomes a later one, and shows nothing of what it was") {
  SimDisk disk;
  App app(disk, kDirectory);
  REQUIRE(app.Live(kRounds));
  CHECK(Renames(disk, ".log -> ", "spare-") >= 4);
  CHECK(Renames(disk, "spare-", "next.prepared") >= 4);
  app.Check(kRounds * kPerSegment * 3 / 2);
  CHECK(app.log().size_bytes() < 3 * kSegmentBytes);
  // What the active segment has behind its end.
  const std::vector<std::byte> active = ReadFile(disk, app.PathOf(app.log().active_base_offset()));
  CHECK(active.size() == kSegmentBytes);
  CHECK(std::all_of(active.begin() + static_cast<ptrdiff_t>(*app.log().active_bytes()),
                    active.end(), [](std::byte byte) { return byte == std::byte{0}; }));
  REQUIRE(app.log().Close(true).ok());
  CHECK(SparesIn(disk).empty());
  const std::string last = SegmentFileName(app.durable / kPerSegment * kPerSegment, FileKind::kLog);
  CHECK(ReadFile(disk, JoinPath(kDirectory, last)).size() < kSegmentBytes);
}

TEST_CASE("no batch of a file's former life is read or missed after the power went at any call") {
  const uint64_t calls = CallsOfLife(kRounds);
  for (uint64_t n = 1; n <= calls; ++n) {
    for (uint64_t seed = 0; seed < 3; ++seed) {
      CAPTURE(n);
      CAPTURE(seed);
      SimDisk disk;
      (void)disk.MakeDirectory("/logs");
      (void)disk.SyncDirectory("/");
      disk.CrashAfter(n);
      App app(disk, kDirectory);
      if (app.opened.log != nullptr) (void)app.Live(kRounds);
      const std::unique_ptr<SimDisk> next = disk.Reboot(seed * 10'000 + n);
      App again(*next, kDirectory, 2);
      REQUIRE(again.opened.log != nullptr);
      const Offset end = again.report.log_end_offset;
      REQUIRE(end >= app.durable);
      again.Check(end);
      CheckPutAside(again);
      CHECK(SparesIn(*next).empty());
      REQUIRE(again.Live(2));
      again.Check(end + 2 * kPerSegment * 3 / 2);
    }
  }
}

TEST_CASE("no batch of a file's former life is read or missed after a kill at any call") {
  const uint64_t calls = CallsOfLife(kRounds);
  for (uint64_t n = 1; n <= calls; ++n) {
    CAPTURE(n);
    SimDisk disk;
    (void)disk.MakeDirectory("/logs");
    disk.CrashAfter(n);
    App app(disk, kDirectory);
    if (app.opened.log != nullptr) (void)app.Live(kRounds);
    const std::unique_ptr<SimDisk> next = disk.KillProcess(n);
    App again(*next, kDirectory);
    REQUIRE(again.opened.log != nullptr);
    REQUIRE(again.report.log_end_offset >= app.durable);
    CHECK(again.report.cut_bytes == 0);
    again.Check(again.report.log_end_offset);
    CHECK(SparesIn(*next).empty());
  }
}

TEST_CASE("a log that is cut, reset or deleted takes no spare along, nor does one of its name") {
  SimDisk disk;
  const auto services = std::make_unique<LogServices>(64, LogServices::Background::kInline);
  App app(disk, kDirectory, 1, services.get());
  REQUIRE(app.Live(3));
  REQUIRE(!SparesIn(disk).empty());
  SUBCASE("cut") {
    REQUIRE(app.log().TruncateTo(app.durable - 1).ok());
    CHECK(SparesIn(disk).empty());
  }
  SUBCASE("reset") {
    REQUIRE(app.log().ResetTo(5).ok());
    CHECK(SparesIn(disk).empty());
  }
  SUBCASE("deleted, and made again") {
    app.opened.writer.reset();
    REQUIRE(app.log().Delete().ok());
    app.opened.log.reset();
    CHECK(disk.List(kDirectory).status().code() == Code::kNotFound);
    App fresh(disk, kDirectory, 1, services.get());
    REQUIRE(fresh.opened.log != nullptr);
    CHECK(fresh.log().log_end_offset() == 0);
    REQUIRE(fresh.Append(3));
    const std::unique_ptr<SimDisk> next = disk.Reboot(3);
    const auto aside = [](const std::string& name) {
      return name.find(".cut-") != std::string::npos;
    };
    App again(*next, kDirectory, 2);
    REQUIRE(again.opened.log != nullptr);
    CHECK(again.report.log_end_offset <= 3);
    again.Check(again.report.log_end_offset);
    CHECK(NamesIn(*next, kDirectory, aside).size() <= 1);
    CheckPutAside(again);
    REQUIRE(again.Live(4));
    again.Check(again.report.log_end_offset + 4 * kPerSegment * 3 / 2);
  }
}

TEST_CASE("spares are given back before an append is refused, and kept only where there is room") {
  SimDisk disk;
  LogServices services(64, LogServices::Background::kInline);
  App app(disk, kDirectory, 1, &services);
  REQUIRE(app.Live(3));
  REQUIRE(!SparesIn(disk).empty());
  const Offset end = app.opened.writer->end_offset();
  services.KeepFree(*disk.FreeBytes(kDirectory));
  (void)app.Append(1);
  CHECK(SparesIn(disk).empty());
  REQUIRE(disk.SyncDirectory(kDirectory).ok());  // then a simulated disk has the blocks again
  if (app.opened.writer->end_offset() == end) REQUIRE(app.Append(1));
  app.Check(end + 1);
  services.KeepFree(*disk.FreeBytes(kDirectory) + kSegmentBytes);
  CHECK(!app.Append(1));
  services.KeepFree(0);
  const uint64_t renames = Renames(disk, ".log -> ", "spare-");
  const uint64_t used = UINT64_MAX / 4 - *disk.FreeBytes(kDirectory);
  disk.SetCapacity(used + 15 * kSegmentBytes);
  REQUIRE(app.Live(2));
  CHECK(Renames(disk, ".log -> ", "spare-") == renames);
}

TEST_CASE("spares are given back where a disk is too full to roll the log") {
  SimDisk disk;
  LogServices services(64, LogServices::Background::kInline);
  App app(disk, kDirectory, 1, &services);
  REQUIRE(app.Live(3));
  REQUIRE(!SparesIn(disk).empty());
  while (app.opened.writer->end_offset() % kPerSegment != 0) REQUIRE(app.Append(1));
  REQUIRE(!SparesIn(disk).empty());
  const Offset end = app.opened.writer->end_offset();
  disk.SetCapacity(UINT64_MAX / 4 - *disk.FreeBytes(kDirectory));
  (void)app.Append(1);
  CHECK(SparesIn(disk).empty());
  REQUIRE(disk.SyncDirectory(kDirectory).ok());  // then a simulated disk has the blocks again
  if (app.opened.writer->end_offset() == end) REQUIRE(app.Append(1));
  app.Check(end + 1);
}

TEST_CASE("the file of a removed segment that somebody has stays what it is") {
  TemporaryDirectory directory;
  LogServices services(64, LogServices::Background::kInline);
  App app(PosixDisk(), directory / "log", 1, &services);
  REQUIRE(app.opened.log != nullptr);
  REQUIRE(app.Append(kPerSegment + 3));
  REQUIRE(app.Flush());
  const std::string path = app.PathOf(0);
  const uint64_t inode = InodeOf(path);
  const std::vector<std::byte> content = ReadFile(PosixDisk(), path);
  std::vector<std::byte> seen(content.size());
  bool again = false;

  std::unique_ptr<ReadSegment> reader;
  std::optional<FileRegion> region;
  UniqueFd stranger;
  void* mapping = nullptr;
  std::string linked;
  SUBCASE("nobody") { again = true; }
  SUBCASE("a reader of the log, in a thread or another process") {
    auto opened = ReadSegment::Open(app.directory, 0, -1, 0);
    REQUIRE(opened.ok());
    reader = std::move(*opened);
  }
  SUBCASE("a reader that is gone") {
    REQUIRE(ReadSegment::Open(app.directory, 0, -1, 0).ok());
    again = true;
  }
  SUBCASE("a reply that is yet to be sent") {
    auto read = app.log().Read(0, UINT32_MAX, INT64_MAX, true);
    REQUIRE(read.ok());
    region = std::move(*read);
  }
  SUBCASE("somebody who knows of no lock") {
    stranger = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  }
  SUBCASE("somebody who has given it another name, to keep it") {
    const std::string kept = directory / "kept";
    REQUIRE(::link(path.c_str(), kept.c_str()) == 0);
    linked = kept;
  }
  SUBCASE("somebody who has mapped and closed it") {
    UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    mapping = ::mmap(nullptr, content.size(), PROT_READ, MAP_SHARED, file.get(), 0);
    REQUIRE(mapping != MAP_FAILED);
  }
  REQUIRE(app.Expire(1));
  REQUIRE(app.Append(kPerSegment * 3));
  std::set<uint64_t> inodes;
  for (const std::string& name :
       NamesIn(PosixDisk(), app.directory, [](const auto&) { return true; }))
    inodes.insert(InodeOf(JoinPath(app.directory, name)));
  CHECK(inodes.contains(inode) == again);

  if (reader != nullptr) {
    const auto end = reader->Verify(0, content.size(), content.size());
    REQUIRE(end.ok());
    CHECK(*end == content.size());
    std::memcpy(seen.data(), reader->data(), seen.size());
  } else if (region.has_value()) {
    REQUIRE(*region->Read(0, seen) == seen.size());
  } else if (stranger.valid()) {
    REQUIRE(::pread(stranger.get(), seen.data(), seen.size(), 0) ==
            static_cast<ssize_t>(seen.size()));
  } else if (!linked.empty()) {
    seen = ReadFile(PosixDisk(), linked);
  } else if (mapping != nullptr) {
    std::memcpy(seen.data(), mapping, seen.size());
    ::munmap(mapping, content.size());
  }
  if (!again) CHECK(seen == content);
  app.Check(4 * kPerSegment + 3);
}

TEST_CASE(
    "a removed segment's file is not cut, to give its blocks back in steps, while it is read") {
  TemporaryDirectory directory;
  constexpr uint64_t kBytes = 40 << 20;
  const std::string path = directory / "segment";
  const std::string kept = directory / "kept";
  enum class By { kNobody, kReader, kName };
  for (const By by : {By::kNobody, By::kReader, By::kName}) {
    CAPTURE(static_cast<int>(by));
    auto services = std::make_unique<LogServices>(8, LogServices::Background::kThread);
    auto file = PosixDisk().Open(path, OpenMode::kCreateNew);
    REQUIRE(file.ok());
    REQUIRE((*file)->Allocate(0, kBytes).ok());
    UniqueFd reader(by == By::kReader ? ::open(path.c_str(), O_RDONLY | O_CLOEXEC) : -1);
    if (by == By::kName) REQUIRE(::link(path.c_str(), kept.c_str()) == 0);
    REQUIRE(PosixDisk().Unlink(path).ok());
    services->Retire(std::move(*file));
    while (services->retiring() > 0) std::this_thread::yield();
    services.reset();  // what was begun has ended
    struct stat facts{};
    if (by == By::kReader) REQUIRE(::fstat(reader.get(), &facts) == 0);
    if (by == By::kName) REQUIRE(::stat(kept.c_str(), &facts) == 0);
    CHECK(static_cast<uint64_t>(facts.st_size) == (by == By::kNobody ? 0 : kBytes));
  }
}

TEST_CASE("a file that is retired is found by nobody from then on, whoever still holds it") {
  TemporaryDirectory directory;
  OpenFiles cache(4);
  CachedFile cached(cache, PosixDisk(), directory / "segment");
  const auto held = cached.AcquireOrCreate();
  REQUIRE(held.ok());
  CHECK(cached.Retire() == *held);
  CHECK(cached.Acquire().status().code() == Code::kNotFound);
  CHECK(cached.AcquireOpen().status().code() == Code::kWouldBlock);
  CHECK(held->use_count() == 1);
}

TEST_CASE("the file of a removed segment is closed once, whoever kept it from being used again") {
  TemporaryDirectory directory;
  LogServices services(64, LogServices::Background::kThread);
  App app(PosixDisk(), directory / "log", 1, &services);
  REQUIRE(app.opened.log != nullptr);
  REQUIRE(app.Append(kPerSegment + 3));
  REQUIRE(app.Flush());
  UniqueFd stranger(::open(app.PathOf(0).c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(stranger.valid());
  REQUIRE(app.Expire(1));
  services.Drain();
  CHECK(services.retiring() <= 1);
}

TEST_CASE("what a socket has of a removed segment's file is what was handed over") {
  TemporaryDirectory directory;
  LogServices services(64, LogServices::Background::kInline);
  App app(PosixDisk(), directory / "log", 1, &services);
  REQUIRE(app.Append(kPerSegment + 3));
  REQUIRE(app.Flush());
  const uint64_t inode = InodeOf(app.PathOf(0));
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const UniqueFd sender(ends[0]), receiver(ends[1]);
  std::vector<std::byte> content, seen;
  {
    auto region = app.log().Read(0, UINT32_MAX, INT64_MAX, true);
    REQUIRE(region.ok());
    content = test::BytesOf(*region);
    off_t at = static_cast<off_t>(region->position());
    REQUIRE(::sendfile(sender.get(), region->descriptor(), &at, content.size()) ==
            static_cast<ssize_t>(content.size()));
  }
  REQUIRE(app.Expire(1));
  REQUIRE(app.Append(kPerSegment * 2));
  CHECK(InodeOf(app.PathOf(2 * kPerSegment)) == inode);
  seen.resize(content.size());
  REQUIRE(::recv(receiver.get(), seen.data(), seen.size(), MSG_WAITALL) ==
          static_cast<ssize_t>(seen.size()));
  CHECK(seen == content);
}

}  // namespace millrace::test
