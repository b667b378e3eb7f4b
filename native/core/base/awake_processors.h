#pragma once

#include <cstdint>
#include <utility>

#include "core/base/status.h"
#include "core/base/unique_fd.h"

namespace millrace {

// Keeps all processors of the machine from halting while it is held. One that halts takes from
// microseconds to, as a hypervisor's guest, a hundred of them to come back, and an interrupt to be
// told; one that is kept awake polls while it is idle, and is told by a store. That costs power,
// and in a guest the host's time: it is meant to be held for as long as somebody waits for what
// comes next.
//
// The kernel's "PM quality of service": it ends with the descriptor, however the process ends. One
// thread at a time.
class AwakeProcessors {
 public:
  static constexpr const char* kDevice = "/dev/cpu_dma_latency";

  // Fails where this process may not ask for that: by default only root's may.
  static Result<AwakeProcessors> Open(const char* device = kDevice);

  AwakeProcessors(AwakeProcessors&& other) noexcept
      : device_(std::move(other.device_)), held_(std::exchange(other.held_, false)) {}
  AwakeProcessors& operator=(AwakeProcessors&&) = delete;
  ~AwakeProcessors() = default;

  bool held() const { return held_; }
  void Hold();  // wakes those that have halted
  void LetGo();

 private:
  explicit AwakeProcessors(UniqueFd device) : device_(std::move(device)) {}
  void Ask(int32_t latency_us) const;

  UniqueFd device_;
  bool held_ = false;
};

}  // namespace millrace
