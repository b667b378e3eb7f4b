#include "event_loop.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "program.h"

namespace millrace::loadgen {

EventLoop::EventLoop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_.valid()) FatalErrno("epoll_create1");
}

void EventLoop::Add(int fd, uint64_t tag, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) FatalErrno("epoll_ctl");
}

void EventLoop::Change(int fd, uint64_t tag, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0) FatalErrno("epoll_ctl");
}

std::span<const epoll_event> EventLoop::Wait(int64_t deadline) {
  // Rounded up, so that the deadline has passed when the wait ends for its sake.
  int64_t left_ms = (deadline - NowNs() + 999'999) / 1'000'000;
  int timeout = static_cast<int>(std::clamp<int64_t>(left_ms, 0, 1'000));
  int count = epoll_wait(epoll_.get(), events_, kMostEvents, timeout);
  if (count < 0 && errno != EINTR) FatalErrno("epoll_wait");
  std::span<epoll_event> ready(events_, static_cast<size_t>(std::max(count, 0)));
  for (const epoll_event& event : ready) {
    uint64_t expirations;
    if (event.data.u64 == kTick && read(timer_.get(), &expirations, sizeof expirations) < 0) break;
  }
  return ready;
}

void EventLoop::Tick(int64_t interval_ns) {
  timer_ = Descriptor(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  itimerspec spec{};
  spec.it_interval = timespec{interval_ns / kNsPerSecond, interval_ns % kNsPerSecond};
  spec.it_value = spec.it_interval;
  if (!timer_.valid() || timerfd_settime(timer_.get(), 0, &spec, nullptr) != 0)
    FatalErrno("timerfd");
  Add(timer_.get(), kTick);
}

}  // namespace millrace::loadgen
