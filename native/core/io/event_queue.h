#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "core/io/transport.h"

namespace millrace {

// Events on their way to the caller of Poll, in order. Holds more than one call takes only when one
// read brought many small frames. Loop thread only.
class EventQueue {
 public:
  void Push(const Event& event) { events_.push_back(event); }
  size_t size() const { return events_.size() - first_; }
  bool empty() const { return size() == 0; }

  size_t Take(std::span<Event> into) {
    const size_t count = std::min(into.size(), size());
    std::copy_n(events_.begin() + static_cast<ptrdiff_t>(first_), count, into.begin());
    first_ += count;
    if (first_ == events_.size()) {
      events_.clear();
      first_ = 0;
      if (events_.capacity() > kKeptEvents) events_.shrink_to_fit();
    }
    return count;
  }

 private:
  static constexpr size_t kKeptEvents = 4096;
  std::vector<Event> events_;
  size_t first_ = 0;
};

}  // namespace millrace
