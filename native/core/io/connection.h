#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "core/base/unique_fd.h"
#include "core/io/frame_budget.h"
#include "core/io/frame_reader.h"
#include "core/io/output_queue.h"
#include "core/io/socket_address.h"
#include "core/io/transport.h"

namespace millrace {

// Bytes that were taken from a socket and wait for the budget.
class Carry {
 public:
  bool empty() const { return begin_ == end_; }
  uint32_t size() const { return end_ - begin_; }
  std::span<const std::byte> bytes() const { return {block_.get() + begin_, size()}; }
  void Assign(std::span<const std::byte> bytes);
  void DropAllBut(size_t left);  // of its end

 private:
  std::unique_ptr<std::byte[]> block_;
  uint32_t begin_ = 0;
  uint32_t end_ = 0;
};

// What the loop knows of one connection. Everything here is the loop thread's; while `lent` is set
// the socket is written to by a sender thread, through a SendJob that took `output` with it.
struct Connection {
  Connection(uint64_t connection_id, UniqueFd socket, const SocketAddress& address)
      : id(connection_id), fd(std::move(socket)), peer(address) {}

  // Why the next frame has no place.
  enum class Wait : uint8_t {
    kNone,
    kBudget,    // `ticket` stands in the budget's line
    kGranted,   // `grant` is paid for and not used yet
    kInflight,  // the connection itself holds too much
    kNextTurn,  // it had its share of this turn
  };

  const uint64_t id;  // data of its epoll entry, too
  UniqueFd fd;
  SocketAddress peer;
  uint32_t interest = 0;  // as epoll knows it
  int low_water = 1;      // SO_RCVLOWAT, likewise

  FrameReader reader;
  Carry carry;
  Wait wait = Wait::kNone;
  FrameBudget::Ticket ticket = 0;
  FrameBudget::Grant grant{};
  uint64_t turn = 0;         // in which it last got a frame,
  uint32_t turn_frames = 0;  // and how many
  uint64_t held_bytes = 0;   // budget taken by frames in JavaScript and the body that is being read

  OutputQueue output;
  uint64_t lent_bytes = 0;  // of the job's output, when it was lent
  uint64_t lent_region_bytes = 0;

  int64_t last_active_ms = 0;  // when a byte last moved
  int64_t body_deadline_ms = 0;
  uint32_t body_mark = 0;             // received bytes of the body when the deadline was set
  uint64_t counted_unsent_bytes = 0;  // its part of what all connections have unsent
  int64_t linger_deadline_ms = 0;
  int64_t gone_deadline_ms = 0;
  int64_t timer_ms = 0;  // when its timer fires

  CloseReason close_reason = CloseReason::kRequested;  // of a close that waits for replies
  int gone_error = 0;                                  // errno that told of a peer that is gone
  bool lent = false;
  bool socket_full = false;  // waiting for EPOLLOUT
  bool paused = false;
  bool patient = false;       // polled by PatientPoll
  bool large_frames = false;  // the last frame did not fit into one read
  bool read_ended = false;    // the peer has closed its direction
  bool closing = false;    // closes once `output` is empty; nothing is read or submitted any more
  bool lingering = false;  // our direction is closed; what still comes in is thrown away
  bool gone = false;  // by a reset: out of epoll, and read on from the ready list; see PeerGone
  bool notify_drained = false;
  bool congested = false;  // as reported
  bool ready = false;      // in the list of connections that go on without an event
  bool touched = false;    // by the current Submit
  bool closed = false;     // kClosed is out; here only until its job is back

  bool output_empty() const { return output.empty() && !lent; }
  uint64_t unsent_bytes() const { return output.bytes() + lent_bytes; }
  uint64_t inflight_bytes() const {
    return held_bytes + unsent_bytes() + output.region_bytes() + lent_region_bytes;
  }
};

}  // namespace millrace
