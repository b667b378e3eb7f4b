#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <span>

#include "socket.h"

namespace millrace::loadgen {

// A level-triggered epoll set. Single-threaded, as everything in this program: a generator that
// needs a second core would take it from the broker it measures.
class EventLoop {
 public:
  EventLoop();

  // `tag` comes back with each event of `fd`.
  void Add(int fd, uint64_t tag, uint32_t events = EPOLLIN);
  void Change(int fd, uint64_t tag, uint32_t events);

  // Waits until something is ready or `deadline` (NowNs() time) has passed. The result is valid
  // until the next call.
  std::span<const epoll_event> Wait(int64_t deadline);

  // Makes Wait() return about every `interval_ns` with an event of its own (kTick): a wake-up that
  // costs one read.
  void Tick(int64_t interval_ns);
  static constexpr uint64_t kTick = UINT64_MAX;

 private:
  static constexpr int kMostEvents = 256;
  Descriptor epoll_;
  Descriptor timer_;
  epoll_event events_[kMostEvents];
};

}  // namespace millrace::loadgen
