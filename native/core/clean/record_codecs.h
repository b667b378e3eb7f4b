#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/base/status.h"

namespace millrace {

// Compression of the records of one batch. `codec` is that of the batch's attributes, never 0.
// Called on the thread that runs the pass.
class RecordCodecs {
 public:
  virtual ~RecordCodecs() = default;
  virtual Status Unfold(int16_t codec, std::span<const std::byte> records,
                        std::vector<std::byte>* into) = 0;
  virtual Status Fold(int16_t codec, std::span<const std::byte> records,
                      std::vector<std::byte>* into) = 0;
};

}  // namespace millrace
