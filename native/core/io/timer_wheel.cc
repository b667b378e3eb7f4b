#include "core/io/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace millrace {

void TimerWheel::Schedule(uint32_t timer, int64_t at_ms) {
  Cancel(timer);
  if (timer >= timers_.size()) timers_.resize(timer + 1);
  const int64_t wanted = (at_ms + kTickMs - 1) / kTickMs;
  const int64_t tick =
      std::clamp<int64_t>(wanted, tick_ + 1, tick_ + static_cast<int64_t>(kSlots) - 1);
  const size_t slot = static_cast<size_t>(tick) % kSlots;
  Timer& node = timers_[timer];
  node.slot = static_cast<uint16_t>(slot);
  node.previous = kNone;
  node.next = first_[slot];
  if (node.next != kNone) timers_[node.next].previous = timer;
  first_[slot] = timer;
  occupied_[slot / 64] |= uint64_t{1} << (slot % 64);
}

void TimerWheel::Cancel(uint32_t timer) {
  if (!scheduled(timer)) return;
  Timer& node = timers_[timer];
  const size_t slot = node.slot;
  if (node.next != kNone) timers_[node.next].previous = node.previous;
  if (node.previous != kNone) {
    timers_[node.previous].next = node.next;
  } else {
    first_[slot] = node.next;
    if (node.next == kNone) occupied_[slot / 64] &= ~(uint64_t{1} << (slot % 64));
  }
  node = Timer{};
}

void TimerWheel::Advance(int64_t now_ms, std::vector<uint32_t>* due) {
  const int64_t now = now_ms / kTickMs;
  // Nothing lies further ahead than one turn of the wheel.
  const int64_t last = std::min(now, tick_ + static_cast<int64_t>(kSlots));
  for (int64_t tick = tick_ + 1; tick <= last; ++tick) {
    const size_t slot = static_cast<size_t>(tick) % kSlots;
    while (first_[slot] != kNone) {
      due->push_back(first_[slot]);
      Cancel(first_[slot]);
    }
  }
  tick_ = std::max(tick_, now);
}

int64_t TimerWheel::NextDueMs() const {
  for (size_t ahead = 1; ahead < kSlots;) {
    const size_t slot = static_cast<size_t>(tick_ + static_cast<int64_t>(ahead)) % kSlots;
    const uint64_t bits = occupied_[slot / 64] >> (slot % 64);
    if (bits == 0) {
      ahead += 64 - slot % 64;
      continue;
    }
    ahead += static_cast<size_t>(std::countr_zero(bits));
    if (ahead >= kSlots) break;
    return (tick_ + static_cast<int64_t>(ahead)) * kTickMs;
  }
  return -1;
}

}  // namespace millrace
