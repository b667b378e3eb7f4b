#pragma once

#include "core/base/status.h"

namespace millrace {

// Who reads a segment of an embedded log holds a shared flock(2) on its file for as long as it is
// mapped; who is about to truncate, recycle or rewrite that file holds the exclusive one meanwhile,
// and unlinks the file where that is not to be had. The locks belong to the open file, not to the
// process, so this holds between the threads of one process, too; closing the descriptor ends them.
// Neither waits. False: somebody holds the other kind. Any thread.
Result<bool> TryLockShared(int descriptor);
Result<bool> TryLockExclusive(int descriptor);
void ReleaseLock(int descriptor);

}  // namespace millrace
