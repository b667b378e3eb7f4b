#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/log/flush_pool.h"
#include "core/log/log_services.h"
#include "test/support/log_batches.h"
#include "test/support/temporary_directory.h"

namespace millrace {
namespace {

using test::BatchPlan;
using test::MakeBatch;
using test::TemporaryDirectory;

// What a disk was asked to sync, and what it is to answer.
struct Syncs {
  int files = 0;
  int write_backs = 0;
  int file_systems = 0;
  bool file_system_fails = false;
  bool flushes_shared = false;
  std::string failing_sync;             // of the file with this path
  std::string failing_write_back;       // of the file with this path
  std::function<void()> at_write_back;  // called once, before the first
};

class CountedFile final : public File {
 public:
  CountedFile(std::shared_ptr<File> file, std::string path, Syncs& syncs)
      : file_(std::move(file)), path_(std::move(path)), syncs_(syncs) {}
  Status WriteAt(uint64_t position, std::span<const std::byte> bytes) override {
    return file_->WriteAt(position, bytes);
  }
  Result<size_t> ReadAt(uint64_t position, std::span<std::byte> into) override {
    return file_->ReadAt(position, into);
  }
  Status Allocate(uint64_t begin, uint64_t end) override { return file_->Allocate(begin, end); }
  Status Truncate(uint64_t size) override { return file_->Truncate(size); }
  Status Sync() override {
    ++syncs_.files;
    return path_ == syncs_.failing_sync ? Status::FromErrno(EIO) : file_->Sync();
  }
  Status WriteBack() override {
    ++syncs_.write_backs;
    if (const auto call = std::exchange(syncs_.at_write_back, nullptr)) call();
    return path_ == syncs_.failing_write_back ? Status::FromErrno(EIO) : file_->WriteBack();
  }
  void StartWriteBack(uint64_t position, uint64_t length) override {
    file_->StartWriteBack(position, length);
  }
  void DropCache() override { file_->DropCache(); }
  Result<uint64_t> Size() override { return file_->Size(); }
  Result<int64_t> ModifiedMs() override { return file_->ModifiedMs(); }
  Status SetModifiedMs(int64_t modified_ms) override { return file_->SetModifiedMs(modified_ms); }
  Result<std::unique_ptr<Mapping>> Map(uint64_t length, bool writable) override {
    return file_->Map(length, writable);
  }
  int descriptor() const override { return file_->descriptor(); }

 private:
  const std::shared_ptr<File> file_;
  const std::string path_;
  Syncs& syncs_;
};

class CountedDisk final : public Disk {
 public:
  Syncs syncs;

  Result<std::shared_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    Result<std::shared_ptr<File>> file = PosixDisk().Open(path, mode);
    if (!file.ok()) return file;
    return std::shared_ptr<File>(std::make_shared<CountedFile>(std::move(*file), path, syncs));
  }
  Status Rename(const std::string& from, const std::string& to) override {
    return PosixDisk().Rename(from, to);
  }
  Status Unlink(const std::string& path) override { return PosixDisk().Unlink(path); }
  Status MakeDirectory(const std::string& path) override { return PosixDisk().MakeDirectory(path); }
  Status RemoveDirectory(const std::string& path) override {
    return PosixDisk().RemoveDirectory(path);
  }
  Result<std::vector<std::string>> List(const std::string& path) override {
    return PosixDisk().List(path);
  }
  Status SyncDirectory(const std::string& path) override {
    ++syncs.files;
    return PosixDisk().SyncDirectory(path);
  }
  Result<uint64_t> FreeBytes(const std::string& path) override {
    return PosixDisk().FreeBytes(path);
  }
  Result<std::shared_ptr<FileSystem>> OpenFileSystem(const std::string&) override {
    class Counted final : public FileSystem {
     public:
      explicit Counted(Syncs& syncs) : syncs_(syncs) {}
      Status Sync() override {
        ++syncs_.file_systems;
        return syncs_.file_system_fails ? Status::FromErrno(EIO) : Status::Ok();
      }
      bool shares_flushes() const override { return syncs_.flushes_shared; }

     private:
      Syncs& syncs_;
    };
    return std::shared_ptr<FileSystem>(std::make_shared<Counted>(syncs));
  }
};

// Many logs on one file system, a pool without threads over them.
struct ManyLogs {
  TemporaryDirectory directory;
  CountedDisk disk;
  LogServices services{256, LogServices::Background::kInline};
  std::unique_ptr<FlushPool> pool;
  std::vector<std::unique_ptr<Log>> logs;

  explicit ManyLogs(size_t count) {
    FlushPoolOptions options;
    options.threads = 0;
    pool = *FlushPool::Create(options);
    for (size_t i = 0; i < count; ++i) {
      logs.push_back(Open(i, OpenTrust::kClean, RecoverySync::kNow));
      pool->Add(i, logs.back().get());
    }
  }
  ~ManyLogs() {
    for (size_t i = 0; i < logs.size(); ++i) pool->Remove(i);
  }
  std::string FileOf(size_t i) const { return PathOf(i) + "/00000000000000000000.log"; }
  std::string PathOf(size_t i) const { return directory / ("t-" + std::to_string(i)); }
  std::unique_ptr<Log> Open(size_t i, OpenTrust trust, RecoverySync sync) {
    auto log = Log::Open(disk, PathOf(i), LogConfig(), trust, 0, 0, nullptr, &services, sync);
    REQUIRE(log.ok());
    return std::move(*log);
  }
  void AppendToAll() {
    for (size_t i = 0; i < logs.size(); ++i) AppendTo(i, 0);
  }
  void AppendTo(size_t i, size_t value_bytes) {
    BatchPlan plan{.content = i};
    if (value_bytes > 0) plan.value_bytes = value_bytes;
    std::vector<std::byte> batch = MakeBatch(plan);
    Appended appended;
    REQUIRE(logs[i]->Append(batch, AppendOptions(), &appended).ok());
    pool->Dirty(i, static_cast<uint32_t>(batch.size()));
    pool->Wait(i);
  }
  // Codes by log.
  std::vector<Code> Flush() {
    disk.syncs = {.file_system_fails = disk.syncs.file_system_fails,
                  .flushes_shared = disk.syncs.flushes_shared,
                  .failing_sync = disk.syncs.failing_sync,
                  .failing_write_back = disk.syncs.failing_write_back,
                  .at_write_back = disk.syncs.at_write_back};
    pool->RunOnce(1);
    std::vector<Code> codes(logs.size(), Code::kClosed);
    std::array<FlushCompletion, 16> some;
    for (size_t count = pool->Drain(some); count > 0; count = pool->Drain(some)) {
      for (size_t i = 0; i < count; ++i) codes[some[i].log_id] = some[i].code;
    }
    return codes;
  }
};

}  // namespace

TEST_CASE("many logs are written back one by one and synced with their file system, once") {
  ManyLogs many(40);
  many.AppendToAll();
  CHECK(many.Flush() == std::vector<Code>(40, Code::kOk));
  CHECK(many.disk.syncs.file_systems == 1);
  CHECK(many.disk.syncs.write_backs == 40);
  CHECK(many.disk.syncs.files == 0);
  for (const auto& log : many.logs) CHECK(log->durable_offset() == 1);
}

TEST_CASE("few logs are synced by themselves: nobody else's writes are waited for") {
  ManyLogs many(8);
  many.AppendToAll();
  CHECK(many.Flush() == std::vector<Code>(8, Code::kOk));
  CHECK(many.disk.syncs.file_systems == 0);
  CHECK(many.disk.syncs.files >= 8);
}

TEST_CASE("where the file system cannot be synced each log is asked by itself") {
  ManyLogs many(40);
  many.AppendToAll();
  many.disk.syncs.file_system_fails = true;
  CHECK(many.Flush() == std::vector<Code>(40, Code::kOk));
  CHECK(many.disk.syncs.file_systems == 1);
  CHECK(many.disk.syncs.files >= 40);
  for (const auto& log : many.logs) CHECK(log->durable_offset() == 1);
}

TEST_CASE(
    "an error of one log's write-back fails it, though the file system was synced, and no other") {
  ManyLogs many(40);
  many.AppendToAll();
  many.disk.syncs.failing_write_back = many.FileOf(7);
  const std::vector<Code> codes = many.Flush();
  for (size_t i = 0; i < codes.size(); ++i) {
    CAPTURE(i);
    CHECK((codes[i] == Code::kOk) == (i != 7));
    CHECK(many.logs[i]->failed() == (i == 7));
    CHECK(many.logs[i]->durable_offset() == (i == 7 ? 0 : 1));
  }
}

TEST_CASE("logs whose files have the blocks they are written to share a flush of the device") {
  ManyLogs many(8);
  many.disk.syncs.flushes_shared = true;
  many.AppendToAll();
  CHECK(many.Flush() == std::vector<Code>(8, Code::kOk));
  CHECK(many.disk.syncs.files >= 8);  // blocks, sizes and names are new
  for (Offset end = 2; end < 5; ++end) {
    many.AppendToAll();
    CHECK(many.Flush() == std::vector<Code>(8, Code::kOk));
    CHECK(many.disk.syncs.write_backs == 8);
    CHECK(many.disk.syncs.files == 1);
    CHECK(many.disk.syncs.file_systems == 0);
    for (const auto& log : many.logs) CHECK(log->durable_offset() == end);
  }
}

TEST_CASE(
    "a log that was written to new blocks is synced by itself, beside others that need not be") {
  ManyLogs many(8);
  many.disk.syncs.flushes_shared = true;
  many.AppendToAll();
  many.Flush();
  many.AppendToAll();
  many.AppendTo(3, 5000);
  CHECK(many.Flush() == std::vector<Code>(8, Code::kOk));
  CHECK(many.disk.syncs.files == 2);
  many.AppendToAll();
  CHECK(many.Flush() == std::vector<Code>(8, Code::kOk));
  CHECK(many.disk.syncs.files == 1);
}

TEST_CASE("a log that gets new blocks while the others are written back is synced by itself") {
  ManyLogs many(8);
  many.disk.syncs.flushes_shared = true;
  many.AppendToAll();
  many.Flush();
  many.AppendToAll();
  many.disk.syncs.at_write_back = [&] { many.AppendTo(3, 5000); };
  many.Flush();
  CHECK(many.logs[3]->durable_offset() == 3);
  CHECK(many.disk.syncs.files == 2);
}

TEST_CASE("many logs that share a flush do without the sync of their file system") {
  ManyLogs many(40);
  many.disk.syncs.flushes_shared = true;
  many.AppendToAll();
  many.Flush();
  CHECK(many.disk.syncs.file_systems == 1);
  many.AppendToAll();
  CHECK(many.Flush() == std::vector<Code>(40, Code::kOk));
  CHECK(many.disk.syncs.file_systems == 0);
  CHECK(many.disk.syncs.files == 1);
}

TEST_CASE(
    "where the shared flush fails that log has failed, and the next one's sync is the flush") {
  ManyLogs many(8);
  many.disk.syncs.flushes_shared = true;
  many.AppendToAll();
  many.Flush();
  many.AppendToAll();
  many.disk.syncs.failing_sync = many.FileOf(0);
  const std::vector<Code> codes = many.Flush();
  CHECK(many.disk.syncs.files == 2);
  for (size_t i = 0; i < codes.size(); ++i) {
    CAPTURE(i);
    CHECK((codes[i] == Code::kOk) == (i != 0));
    CHECK(many.logs[i]->durable_offset() == (i == 0 ? 1 : 2));
  }
}

TEST_CASE("a log on another file system than the directory above it is synced by itself") {
  if (::access("/dev/shm", W_OK) != 0) return;
  TemporaryDirectory here;
  const TemporaryDirectory there("/dev/shm");
  struct stat one, other;
  REQUIRE(::stat(here.path().c_str(), &one) == 0);
  REQUIRE(::stat(there.path().c_str(), &other) == 0);
  if (one.st_dev == other.st_dev) return;
  REQUIRE(::symlink(there.path().c_str(), (here / "t-0").c_str()) == 0);
  LogServices services(16, LogServices::Background::kInline);
  for (const bool linked : {true, false}) {
    CAPTURE(linked);
    const auto log = Log::Open(PosixDisk(), here / (linked ? "t-0" : "t-1"), LogConfig(),
                               OpenTrust::kReboot, 0, 0, nullptr, &services, RecoverySync::kNow);
    REQUIRE(log.ok());
    CHECK(((*log)->file_system() == nullptr) == linked);
  }
}

TEST_CASE("what recovery found is synced with the first flush, where that was asked for") {
  ManyLogs many(1);
  many.AppendToAll();
  many.pool->Remove(0);
  REQUIRE(many.logs[0]->Close(false).ok());
  many.disk.syncs = {};
  std::unique_ptr<Log> log = many.Open(0, OpenTrust::kSameBoot, RecoverySync::kWithFirstFlush);
  CHECK(many.disk.syncs.files == 0);
  CHECK(log->needs_flush());
  REQUIRE(log->Flush().ok());
  CHECK(many.disk.syncs.files >= 2);  // the segment and its name
  CHECK(!log->needs_flush());
  CHECK(log->log_end_offset() == 1);
  many.logs[0] = std::move(log);
  many.pool->Add(0, many.logs[0].get());
}

TEST_CASE(
    "a close that leaves its sync to the file system's syncs nothing that is durable already") {
  ManyLogs many(1);
  many.AppendToAll();
  CHECK(many.Flush()[0] == Code::kOk);
  many.pool->Remove(0);
  many.disk.syncs = {};
  REQUIRE(many.logs[0]->CloseUnsynced().ok());
  CHECK(many.disk.syncs.files == 0);
  OpenReport report;
  auto again = Log::Open(many.disk, many.PathOf(0), LogConfig(), OpenTrust::kClean, 1, 0, &report,
                         &many.services);
  REQUIRE(again.ok());
  CHECK(report.log_end_offset == 1);
  CHECK(report.indexes_rebuilt == 0);
  many.disk.syncs = {};
  REQUIRE((*again)->CloseUnsynced().ok());  // nothing was done with it
  CHECK(many.disk.syncs.files == 0);
}

}  // namespace millrace
