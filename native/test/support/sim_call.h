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
  kSync,
  kStartWriteBack,
  kSize,
  kMap,
};

struct SimCall {
  SimCallKind kind;
  std::string path;  // as given to the disk; for calls on a file, the path it was opened by
  uint64_t position = 0;
  uint64_t length = 0;
  Code code = Code::kOk;
};

}  // namespace millrace::test
