#pragma once

#include <string>

#include "core/base/status.h"
#include "core/base/unique_fd.h"

namespace millrace {

// The lock of a log's one writer: an exclusive flock(2), which belongs to the open file, so that a
// second writer of the same process finds it taken as well, and the kernel gives it back with the
// process. kLocked when it is taken. The file names the process that holds it.
Result<UniqueFd> LockForWriting(const std::string& path);

// Where `directory` is a partition of a broker's data directory: a shared lock of that one, which a
// broker that uses it holds alone, so that neither begins while the other is there. Elsewhere
// none. kLocked: a broker has it.
Result<UniqueFd> LockAgainstBroker(const std::string& directory);

// The process that a lock file names, or -1: for an error's text.
int WriterOf(const std::string& path);

}  // namespace millrace
