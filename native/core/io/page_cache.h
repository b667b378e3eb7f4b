#pragma once

#include <cstdint>

namespace millrace {

// Whether every page of the range is in the page cache, so that reading it waits for no disk. A
// snapshot: pages may go the next moment, which costs a wait, never a wrong byte. Any thread.
bool InPageCache(int fd, uint64_t position, uint64_t length);

// Asks the kernel to read the range ahead. It may block while the request queue is full.
void ReadAhead(int fd, uint64_t position, uint64_t length);

}  // namespace millrace
