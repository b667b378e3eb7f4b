#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace {

// Timers by small numbers (a connection's slot), each scheduled at most once, in constant time.
// Coarse on purpose: a timer fires up to a tick late, and at the horizon at the latest, so whoever
// wanted a later time schedules it again. Loop thread only.
class TimerWheel {
 public:
  static constexpr int64_t kTickMs = 50;
  static constexpr size_t kSlots = 512;  // horizon: 25.55 s

  explicit TimerWheel(int64_t now_ms) : tick_(now_ms / kTickMs) {}

  void Schedule(uint32_t timer, int64_t at_ms);  // moves it when it is scheduled already
  void Cancel(uint32_t timer);
  bool scheduled(uint32_t timer) const {
    return timer < timers_.size() && timers_[timer].slot != kNowhere;
  }
  // Appends the timers that are due to `due` and unschedules them.
  void Advance(int64_t now_ms, std::vector<uint32_t>* due);
  // When Advance has something to do next, or -1.
  int64_t NextDueMs() const;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint16_t kNowhere = UINT16_MAX;
  struct Timer {
    uint32_t previous = kNone, next = kNone;
    uint16_t slot = kNowhere;
  };

  int64_t tick_;  // everything up to it has fired
  std::vector<Timer> timers_;
  std::array<uint32_t, kSlots> first_ = Empty();
  std::array<uint64_t, kSlots / 64> occupied_{};

  static constexpr std::array<uint32_t, kSlots> Empty() {
    std::array<uint32_t, kSlots> slots{};
    slots.fill(kNone);
    return slots;
  }
};

}  // namespace millrace
