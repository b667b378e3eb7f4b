#pragma once

#include <cstdint>

#include "core/base/status.h"

namespace millrace {

// Whether nobody else has the file, in this process or another: no other open file, and no mapping
// of one. Where the file system, or whose file it is, does not let that be told: false. Any thread.
bool OnlyOpenHere(int descriptor);

// Makes all bytes of a file zeros and the file `size` long, keeping its blocks, which become as
// good as never written: nothing is written to the device for it, and the pages that were in the
// page cache leave the file as they are, for sockets whose queues refer to them. It holds after a
// loss of power once the file was synced.
//
// False, and nothing has changed: it cannot be done on its file system, or somebody else has the
// file. That is asked twice: readers of a log hold the shared lock (read_lock.h), and that it is
// asked for is what they were promised; OnlyOpenHere covers those who never heard of it, such as
// somebody who copies the directory. A file with a second name is somebody's who keeps segments by
// linking them. No name may lead others to the file while this runs. An error: any of its bytes may
// be gone.
Result<bool> EraseFile(int descriptor, uint64_t size);

}  // namespace millrace
