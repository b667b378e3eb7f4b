#pragma once

#include <cstdint>
#include <span>

#include <sys/epoll.h>

#include "core/base/status.h"
#include "core/base/unique_fd.h"

namespace millrace {

// Polls sockets whose input may wait: an epoll set inside another one, which hears of the first
// that is ready, and, `patience` later, that it is time to take them all. Loop thread only.
class PatientPoll {
 public:
  // The outer set reports `ready_tag` and `due_tag`; the caller then calls OnReady and OnDue.
  static Result<PatientPoll> Create(int outer, uint64_t ready_tag, uint64_t due_tag,
                                    int64_t patience_ms);

  int descriptor() const { return inner_.get(); }
  // The first of them is ready: the wait begins.
  void OnReady();
  // The wait is over: what is ready now, level-triggered. Fewer than there is room for: that was
  // all, and the next one begins another wait.
  size_t OnDue(std::span<epoll_event> into);

 private:
  PatientPoll(UniqueFd inner, UniqueFd timer, int outer, uint64_t ready_tag, int64_t patience_ms)
      : inner_(std::move(inner)),
        timer_(std::move(timer)),
        outer_(outer),
        ready_tag_(ready_tag),
        patience_ms_(patience_ms) {}
  void Arm(int64_t wait_nanos);

  UniqueFd inner_;
  UniqueFd timer_;
  int outer_;
  uint64_t ready_tag_;
  int64_t patience_ms_;
};

}  // namespace millrace
