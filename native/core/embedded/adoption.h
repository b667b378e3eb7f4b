#pragma once

#include <optional>
#include <string>

#include "core/embedded/open_batch.h"
#include "core/log/log.h"

namespace millrace {

// How far somebody who opens a log believes its files: the arguments of Log::Open.
struct OpenPoint {
  OpenTrust trust = OpenTrust::kClean;
  Offset recovery_point = 0;
  Offset log_start_offset = 0;
};

// A broker is about to open the log in `directory`, whose files it believes as `point` says. Where
// an app has had the log as its own since, `point` becomes what that one noted, and a batch that
// was open when the app was killed is sealed. Waits for the disk. `boot_id`: of the kernel that
// runs; nothing: it is asked.
Status PrepareAdoption(Disk& disk, const std::string& directory, OpenPoint* point,
                       std::optional<BootId> boot_id = {});
// It is open: what the app left beside its files is of no use any more. Before the first append.
Status FinishAdoption(Disk& disk, const std::string& directory);

}  // namespace millrace
