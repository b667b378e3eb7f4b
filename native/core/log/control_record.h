#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/log/batch.h"

namespace millrace {

// The record of a control batch that ends a transaction, big-endian:
//
//   key    0 version int16 (0) | 2 type int16 (0 abort, 1 commit)
//   value  0 version int16 (0) | 2 epoch of the coordinator that decided int32
//
// Puts the type and the epoch of the whole control batch `batch` into its header, as far as they
// are there: compaction leaves markers without a record, and other types without an epoch may come.
void ReadControlRecord(std::span<const std::byte> batch, BatchHeader* header);

}  // namespace millrace
