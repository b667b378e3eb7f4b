#pragma once

#include <optional>
#include <string>

#include "core/base/disk.h"
#include "core/embedded/open_batch.h"
#include "core/log/batch.h"

namespace millrace {

// What an embedded log remembers beside its segments, in a file of lines `name=value`:
//
//   version=1 | boot=<32 hex digits> | clean=0 or 1 | start=<log start offset>
//   recovery=<recovery point> | end=<log end offset, of a clean close>
//   compacted=<below it the log is compacted; missing: 0>
//
// It is replaced as a whole: written under another name, synced, renamed, and the name synced.
struct Checkpoint {
  BootId boot_id{};
  bool clean = false;  // the log was closed, ended at `end`, and all of it was on the disk
  Offset log_start_offset = 0;
  Offset recovery_point = 0;
  Offset end_offset = 0;
  Offset compacted_offset = 0;
};

inline constexpr std::string_view kCheckpointName = "embedded-log";

// Nothing where there is none; kCorrupt where there is something else.
Result<std::optional<Checkpoint>> ReadCheckpoint(Disk& disk, const std::string& directory);
// Waits for the disk. One caller at a time.
Status WriteCheckpoint(Disk& disk, const std::string& directory, const Checkpoint& checkpoint);

}  // namespace millrace
