#pragma once

#include <string>

#include "core/log/batch.h"
#include "core/log/open_files.h"

namespace millrace {

// The names of a swap: see Replacement.
struct SwapNames {
  Offset base_offset = -1;       // of the new segment, and of the first it stands for
  Offset last_base_offset = -1;  // of the last
};

// From a durable swap name on: takes the replaced segments' names away and gives the new one its
// own. May be called again after it failed, and after a crash.
Status FinishSwap(Disk& disk, OpenFiles& files, const std::string& directory,
                  const SwapNames& names);
// Instead, when the segments are below the log's start: removes what the swap would have put there.
Status DropSwap(Disk& disk, OpenFiles& files, const std::string& directory, const SwapNames& names);
// Syncs the directory. A missing descriptor is not a failed sync: idle ones of ours can be closed.
Status SyncNames(Disk& disk, OpenFiles& files, const std::string& directory);

}  // namespace millrace
