#pragma once

#include <cstdint>

#include "wire.h"

namespace millrace::loadgen {

// CRC-32C (Castagnoli) of `bytes`, continuing from `crc`, the value of what came before (0 at the
// start). This is on purpose not the broker's own code: the generator's verdict on a stored batch
// must not share the broker's faults.
uint32_t Crc32c(uint32_t crc, Bytes bytes);

}  // namespace millrace::loadgen
