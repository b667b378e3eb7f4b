#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "test/support/random.h"
#include "test/support/sim_call.h"
#include "test/support/sim_file_data.h"

namespace millrace::test {

// A file or a directory.
struct SimNode {
  using Entries = std::map<std::string, std::shared_ptr<SimNode>>;

  std::shared_ptr<SimFileData> file;  // null: a directory
  Entries entries;                    // what processes see
  Entries durable;                    // what the device holds

  bool is_directory() const { return file == nullptr; }
};

// What a SimDisk and its open files share: the tree, what of it is not durable, the calls and the
// faults to come. Everything is guarded by `mutex`, which callers hold.
struct SimState {
  using NodePtr = std::shared_ptr<SimNode>;

  // One entry of one directory that changed; `value` is null where a name went away.
  struct EntryChange {
    NodePtr directory;
    std::string name;
    NodePtr value;
  };
  // One call's changes, which happen together; `subject` is the node that came, moved or went.
  struct Operation {
    NodePtr subject;
    std::vector<EntryChange> changes;
  };
  // Where a path leads: its directory and name, and what is there (null: nothing).
  struct Place {
    NodePtr directory;
    std::string name;
    NodePtr node;
  };

  explicit SimState(uint64_t seed);

  // Counts and records a call; an error when this is one to fail.
  Status Begin(SimCallKind kind, const std::string& path, uint64_t position = 0,
               uint64_t length = 0);
  // Records how the call of the last Begin ended.
  Status Finish(Status status);

  Result<Place> Find(const std::string& path) const;
  void Apply(Operation operation);
  void MakeDurable(const NodePtr& directory);

  // What of `into` a read of the last Begin fills.
  std::span<std::byte> Shortened(std::span<std::byte> into);
  // How much of a write is in the cache that failed or was cut short: of one whose process died,
  // whole pages of the file.
  size_t Interrupted(uint64_t position, size_t size);

  std::shared_ptr<SimState> AfterPowerLoss(uint64_t seed, std::optional<uint64_t> names_kept) const;
  std::shared_ptr<SimState> AfterProcessDeath(uint64_t seed) const;

  const std::shared_ptr<SimSpace> space;
  const NodePtr root;
  std::vector<Operation> pending;  // directory changes that are not durable, oldest first
  Random random;
  std::vector<SimCall> calls;
  uint64_t crash_at = 0;
  std::map<uint64_t, int> failures;  // by number of the call
  // From this call on every one of these kinds fails; 0: none.
  struct Outage {
    uint64_t from = 0;
    int system_error = 0;
    uint32_t kinds = 0;
  } outage;
  uint64_t shortened_read = 0;
  uint64_t faults = 0;
  bool crashed = false;
  bool shares_flushes = false;
  std::vector<std::weak_ptr<SimFileData>> written_back;  // since the device was flushed
  mutable std::mutex mutex;
};

}  // namespace millrace::test
