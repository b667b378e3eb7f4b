#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/disk.h"
#include "test/support/sim_call.h"

namespace millrace::test {

struct SimState;

// A disk in memory that forgets, tears and reorders whatever was not synced, and fails on request.
// Everything it draws comes from seeds. Used like this, for every n:
//
//   SimDisk disk;
//   disk.CrashAfter(n);
//   ... the workload, until its calls fail ...
//   std::unique_ptr<SimDisk> next = disk.Reboot(seed);   // power was lost; or
//   std::unique_ptr<SimDisk> next = disk.KillProcess();  // only the process died: the page cache
//   is still there
//   ... open the log on *next and look ...
//
// The model. Of a file, each 4 KB page that changed since the file's last Sync is lost, kept or
// torn (new up to a 512-byte sector; with some seeds any of its sectors new and the others old),
// independently; so is the size (old, new, between). Of directories,
// each create, rename, unlink, mkdir and rmdir since the last SyncDirectory of its directory is
// forgotten or kept, in any combination that leaves a file under one name only; a rename happens
// whole or not at all. Syncing a file says nothing about its name.
//
// Any thread may call anything; calls run one at a time. Files may outlive the disk.
class SimDisk final : public Disk {
 public:
  explicit SimDisk(uint64_t seed = 1);
  ~SimDisk() override;

  // The n-th call from the creation of the disk (counted from 1) and all later ones fail; a write
  // that is the n-th leaves a prefix, up to the end of a page, in the cache. 0: never.
  void CrashAfter(uint64_t n);
  // The n-th call fails with `system_error` and has no effect, except that a write may leave a
  // prefix, and a sync marks what was dirty as clean: the next sync will succeed and not have
  // written it. Calls without a result succeed.
  void FailCall(uint64_t n, int system_error);
  // The same for the n-th call and every later one of these kinds (MaskOf), until Heal.
  void FailFrom(uint64_t n, int system_error, uint32_t kinds);
  // If the n-th call reads, it gets a prefix, as if the file ended there.
  void ShortenRead(uint64_t n);
  // No call fails any more, and none is the last.
  void Heal();
  // What FreeBytes answers from, and where writes and allocations beyond it end with ENOSPC.
  void SetCapacity(uint64_t bytes);
  // Empties the page cache: ReadCached finds no page until somebody reads or writes it.
  void EvictCache();
  // From now on the disk has a file system of which a sync of one file flushes what the others have
  // written back.
  void ShareFlushes();
  // The time that files get when they are written from now on; 0 before.
  void SetTime(int64_t now_ms);

  bool crashed() const;
  uint64_t faults() const;  // calls that failed or came short because they were to
  uint64_t call_count() const;
  std::vector<SimCall> calls() const;

  // The disk as the next boot or the next process finds it, from this one's state now. Both may be
  // asked for any number of times with different seeds; files and mappings of this disk stay usable
  // and change nothing any more.
  std::unique_ptr<SimDisk> Reboot(uint64_t seed);
  // The same, and of the directory changes that are not durable the i-th is kept only where bit
  // i % 64 of `names_kept` is set.
  std::unique_ptr<SimDisk> Reboot(uint64_t seed, uint64_t names_kept);
  uint64_t pending_names() const;  // directory changes that are not durable
  std::unique_ptr<SimDisk> KillProcess(uint64_t seed = 0);

  Result<std::shared_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Unlink(const std::string& path) override;
  Status MakeDirectory(const std::string& path) override;
  Status RemoveDirectory(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& directory) override;
  Status SyncDirectory(const std::string& directory) override;
  Result<uint64_t> FreeBytes(const std::string& path) override;
  Result<std::shared_ptr<FileSystem>> OpenFileSystem(const std::string& directory) override;

 private:
  explicit SimDisk(std::shared_ptr<SimState> state);

  const std::shared_ptr<SimState> state_;  // shared with open files
};

}  // namespace millrace::test
