#pragma once

#include <cstdint>
#include <string>

#include "core/base/status.h"

namespace millrace::test {

enum class SimCallKind {
  kOpen,
  kRename,
  kUnlink,
  kMakeDirectory,
  kRemoveDirectory,
  kList,
  kSyncDirectory,
  kFreeBytes,
  kWrite,
  kRead,
  kAllocate,
  kTruncate,
  kErase,
  kSync,
  kStartWriteBack,
  kSize,
  kMap,
};

constexpr uint32_t MaskOf(SimCallKind kind) { return 1u << static_cast<uint32_t>(kind); }
inline constexpr uint32_t kAnyCall = ~uint32_t{0};
// What can want for blocks of the disk, and what for a descriptor.
inline constexpr uint32_t kCallsThatTakeSpace =
    MaskOf(SimCallKind::kOpen) | MaskOf(SimCallKind::kRename) |
    MaskOf(SimCallKind::kMakeDirectory) | MaskOf(SimCallKind::kSyncDirectory) |
    MaskOf(SimCallKind::kWrite) | MaskOf(SimCallKind::kAllocate) | MaskOf(SimCallKind::kTruncate) |
    MaskOf(SimCallKind::kErase) | MaskOf(SimCallKind::kSync);
inline constexpr uint32_t kCallsThatTakeDescriptors =
    MaskOf(SimCallKind::kOpen) | MaskOf(SimCallKind::kList) | MaskOf(SimCallKind::kSyncDirectory);

struct SimCall {
  SimCallKind kind;
  std::string path;  // as given to the disk; for calls on a file, the path it was opened by
  uint64_t position = 0;
  uint64_t length = 0;
  Code code = Code::kOk;
};

}  // namespace millrace::test
