#include "core/io/frame_reader.h"

#include <algorithm>
#include <cstring>

namespace millrace {

FrameReader::State FrameReader::Feed(std::span<const std::byte>* bytes, uint32_t max_frame_bytes,
                                     FrameSink& sink) {
  for (;;) {
    if (in_body()) {
      if (bytes->empty()) return State::kMore;
      const size_t n = std::min<size_t>(bytes->size(), length_ - filled_);
      std::memcpy(place_.bytes + filled_, bytes->data(), n);
      *bytes = bytes->subspan(n);
      Received(n, sink);
      if (in_body()) return State::kMore;
    }
    if (size_bytes_ < size_.size()) {
      const size_t n = std::min(bytes->size(), missing_size_bytes());
      if (n == 0) return State::kMore;
      std::memcpy(size_.data() + size_bytes_, bytes->data(), n);
      *bytes = bytes->subspan(n);
      size_bytes_ = static_cast<uint8_t>(size_bytes_ + n);
      if (size_bytes_ < size_.size()) return State::kMore;
      length_ = 0;
      for (std::byte b : size_) length_ = length_ << 8 | std::to_integer<uint32_t>(b);
    }
    // Checked before anything is allocated; a negative size is one of at least 2^31.
    if (length_ < kMinFrameBytes || length_ > uint32_t{INT32_MAX}) return State::kInvalid;
    if (length_ > max_frame_bytes) return State::kTooLarge;
    FramePlace place;
    switch (sink.Place(length_, &place)) {
      case FrameSink::Answer::kPlaced:
        break;
      case FrameSink::Answer::kWait:
        return State::kWaiting;
      case FrameSink::Answer::kFailed:
        return State::kFailed;
    }
    place_ = place;
    filled_ = 0;
  }
}

std::span<std::byte> FrameReader::MissingBody() const {
  if (!in_body()) return {};
  return {place_.bytes + filled_, length_ - filled_};
}

void FrameReader::Received(size_t bytes, FrameSink& sink) {
  filled_ += static_cast<uint32_t>(bytes);
  if (filled_ < length_) return;
  const FramePlace place = place_;
  place_ = FramePlace{};
  size_bytes_ = 0;
  sink.Complete(place, length_);
}

}  // namespace millrace
