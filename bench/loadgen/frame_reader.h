#pragma once

#include <algorithm>
#include <string>

#include "program.h"
#include "wire.h"

namespace millrace::loadgen {

// Cuts a stream of small frames apart. A frame that arrived whole is handed on from the caller's
// buffer; the start of one that did not is kept until the rest is there.
class FrameReader {
 public:
  // Calls `on_frame(Bytes)` with each whole frame, its size field taken off.
  template <typename OnFrame>
  void Feed(Bytes bytes, OnFrame on_frame) {
    while (!bytes.empty()) {
      if (partial_.empty() && FrameBytes(bytes) <= bytes.size()) {
        size_t size = FrameBytes(bytes);
        on_frame(bytes.subspan(4, size - 4));
        bytes = bytes.subspan(size);
        continue;
      }
      size_t wanted = FrameBytes(Bytes(partial_));
      if (partial_.size() < 4) wanted = 4;
      size_t part = std::min(wanted - partial_.size(), bytes.size());
      partial_.append(bytes.data(), part);
      bytes = bytes.subspan(part);
      if (partial_.size() < 4 || partial_.size() < FrameBytes(Bytes(partial_))) continue;
      on_frame(Bytes(partial_).subspan(4));
      partial_.clear();
    }
  }

 private:
  static constexpr size_t kUnknown = SIZE_MAX;

  // Size field and all; kUnknown while the size field itself is incomplete.
  static size_t FrameBytes(Bytes bytes) {
    if (bytes.size() < 4) return kUnknown;
    auto size = LoadBigEndian<int32_t>(bytes.data());
    constexpr int32_t kMost = 64 << 20;
    if (size < 4 || size > kMost) Fatal("the broker sent a frame of %d bytes", size);
    return 4 + static_cast<size_t>(size);
  }

  std::string partial_;
};

}  // namespace millrace::loadgen
