#pragma once

#include <string>

#include "core/base/disk.h"
#include "core/embedded/open_batch.h"
#include "core/log/log_services.h"

namespace millrace {

// Before a log in `directory` is opened for writing: where a process died while a batch was open,
// seals that batch from the sidecar, so that what is left is what a killed broker leaves; where a
// record was being copied, takes its bytes away. A stale sidecar changes nothing (open_batch.h says
// when it is). The sidecar itself stays. kCorrupt: the records are not what the sidecar says.
// Nobody else has the log open.
Status SealFromSidecar(Disk& disk, OpenFiles& files, const std::string& directory,
                       const BootId& boot_id);

}  // namespace millrace
