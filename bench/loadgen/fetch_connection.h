#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "event_loop.h"
#include "fetch_scanner.h"
#include "messages.h"
#include "send_queue.h"

namespace millrace::loadgen {

// One connection with at most one Fetch request on its way: asks, and drops what of the answer is
// not looked at in the kernel.
class FetchConnection {
 public:
  // `loop` must outlive it; events come with `tag`.
  void Open(const Endpoint& target, EventLoop& loop, uint64_t tag);

  void Ask(std::string_view topic, const FetchLimits& limits,
           std::span<const FetchPosition> positions, FetchScanner::Depth depth, int64_t now);
  // Reads what has come, at most one turn's share of it; `buffer` is scratch. True when the answer
  // is whole, and then answer() is valid until the next Ask().
  bool Receive(std::span<char> buffer);
  // To be called after Ask() and on each event of the socket.
  void Flush();

  const FetchScanner& answer() const { return scanner_; }
  int64_t asked_at() const { return asked_at_; }

 private:
  ssize_t ReceiveSome(std::span<char> buffer);
  void WakeAt(size_t bytes);

  Descriptor socket_;
  EventLoop* loop_ = nullptr;
  uint64_t tag_ = 0;
  SendQueue out_;
  FetchScanner scanner_;
  int64_t asked_at_ = 0;
  int32_t correlation_id_ = 0;
  bool waits_for_room_ = false;
  int wake_bytes_ = 1;
};

}  // namespace millrace::loadgen
