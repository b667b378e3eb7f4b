#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/io/frame_memory.h"

namespace millrace {

// Gives frames their places and takes the finished ones.
class FrameSink {
 public:
  virtual ~FrameSink() = default;

  enum class Answer {
    kPlaced,
    kWait,    // no memory for it now: ask again later
    kFailed,  // never
  };
  virtual Answer Place(uint32_t length, FramePlace* place) = 0;
  virtual void Complete(const FramePlace& place, uint32_t length) = 0;
};

// Cuts a connection's bytes into frames: a 32-bit big-endian size, then as many bytes. Knows
// neither sockets nor limits other than the sizes', so that it can be fuzzed. Loop thread only.
class FrameReader {
 public:
  // API key, version and correlation id: no request is shorter.
  static constexpr uint32_t kMinFrameBytes = 8;

  enum class State {
    kMore,      // all bytes are used up
    kWaiting,   // the next frame has no place yet; Feed again (with the unused bytes) asks again
    kTooLarge,  // final, as the following ones: the stream cannot be read on
    kInvalid,
    kFailed,
  };
  // Moves `*bytes` past what was used.
  State Feed(std::span<const std::byte>* bytes, uint32_t max_frame_bytes, FrameSink& sink);

  // Where the missing bytes of the current body go, empty between bodies: filling (a part of) it
  // and calling Received is as good as Feed, without the copy.
  std::span<std::byte> MissingBody() const;
  void Received(size_t bytes, FrameSink& sink);
  // The current body, of which nothing has arrived yet, goes to `place` instead.
  void MoveBody(const FramePlace& place) { place_ = place; }

  bool in_body() const { return place_.bytes != nullptr; }
  // No byte of a frame was seen.
  bool between_frames() const { return size_bytes_ == 0; }
  bool in_size() const { return size_bytes_ > 0 && size_bytes_ < size_.size(); }
  // Bytes that are missing before the size of the next frame is known.
  size_t missing_size_bytes() const { return size_.size() - size_bytes_; }
  uint32_t length() const { return length_; }    // of the current body
  uint32_t received() const { return filled_; }  // of it
  const FramePlace& place() const { return place_; }

 private:
  std::array<std::byte, 4> size_;
  uint8_t size_bytes_ = 0;
  uint32_t length_ = 0;  // once all bytes of the size are there
  uint32_t filled_ = 0;
  FramePlace place_;
};

}  // namespace millrace
