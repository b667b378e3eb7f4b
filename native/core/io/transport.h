#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/log/log.h"

namespace millrace {

struct TransportOptions {
  uint32_t max_frame_bytes = 100u << 20;        // socket.request.max.bytes
  uint64_t frame_budget_bytes = 256u << 20;     // all request bodies that are being read or held by JavaScript
  uint64_t control_reserve_bytes = 4u << 20;    // part of the budget only frames of at most 64 KB may use
  uint32_t connection_inflight_bytes = 128u << 20;  // per connection: frames held plus replies not yet sent; above it the
                                                    // socket is not read. One frame of max_frame_bytes always fits.
  uint32_t connection_unsent_bytes = 64u << 20;  // reply bytes (not regions) queued before the connection is dropped
  uint32_t max_connections = 10'000;
  uint32_t arena_bytes = 4u << 20;
  uint32_t own_mapping_above_bytes = 1u << 20;   // larger frames get a mapping of their own
  int64_t idle_timeout_ms = 600'000;             // connections.max.idle.ms
  int64_t body_progress_timeout_ms = 30'000;     // a granted body must make progress
  uint32_t sender_threads = 1;
  uint32_t inline_region_bytes = 64u << 10;      // larger regions are sent by sender threads
};

enum class EventKind : int32_t {
  kOpened = 1,   // connection; a = listener
  kFrame = 2,    // connection; a = arena, b = position in it, c = length (without the size field)
  kClosed = 3,   // connection; a = CloseReason, b = errno. The last event of a connection.
  kDrained = 4,  // connection: everything submitted has been handed to the kernel (only when asked for)
};

enum class CloseReason : int32_t {
  kPeer = 0,          // the peer closed or reset
  kRequested = 1,     // Close() was called
  kFrameTooLarge = 2,
  kFrameInvalid = 3,  // negative or impossibly small size
  kIdle = 4,
  kStalledBody = 5,
  kUnsentLimit = 6,   // the peer does not read
  kRegionInvalid = 7, // a region was truncated underneath
  kIoError = 8,
  kShutdown = 9,
};

struct Event {
  EventKind kind;
  uint64_t connection;  // never reused within a process
  int64_t a = 0, b = 0, c = 0;
};

// A reply is a list of parts; parts of one reply are contiguous, replies of one connection are sent in submission order.
struct ReplyPart {
  uint64_t connection;
  const std::byte* bytes = nullptr;  // borrowed until Submit returns; or
  uint32_t length = 0;
  FileRegion region;                 // a file region (bytes == nullptr)
  bool last = true;                  // ends a reply
};

// Sockets, framing and replies. Threads: all methods on one thread, the one that calls Poll ("the loop"); sender threads
// are inside. Poll may be driven by Node's loop (epoll_descriptor is polled there) or by a thread of its own.
class Transport {
 public:
  static Result<std::unique_ptr<Transport>> Create(const TransportOptions& options);
  virtual ~Transport() = default;  // closes everything at once

  virtual Result<uint32_t> Listen(const std::string& address, uint16_t port, int backlog) = 0;  // returns listener id
  virtual uint16_t listener_port(uint32_t listener) const = 0;
  virtual std::string listener_address(uint32_t listener) const = 0;
  virtual void StopListening() = 0;
  virtual int epoll_descriptor() const = 0;

  // Does all I/O that is ready (waiting up to `timeout_ms` for the first), returns how many events were written. Call
  // again while it fills `into`. A frame's bytes belong to the caller until ReleaseFrame.
  virtual size_t Poll(std::span<Event> into, int timeout_ms) = 0;
  // Arenas are made on demand and live as long as the transport (own mappings: until their frame is released and the
  // pool of spare ones is full). Ids are small and dense.
  virtual std::span<std::byte> arena(uint32_t id) = 0;
  virtual void ReleaseFrame(uint32_t arena, uint32_t position) = 0;

  // Sends what the sockets take at once and queues the rest. Unknown connections (closed meanwhile) are skipped.
  virtual void Submit(std::span<ReplyPart> parts) = 0;
  // Stops reading this connection / goes on (throttling, quotas).
  virtual void Pause(uint64_t connection) = 0;
  virtual void Resume(uint64_t connection) = 0;
  // Closes now, or after everything submitted was sent.
  virtual void Close(uint64_t connection, bool after_replies) = 0;
  virtual std::string peer_address(uint64_t connection) const = 0;

  struct Stats {
    uint64_t connections, frames, frame_bytes_held, arena_bytes, replies_queued_bytes, bytes_in, bytes_out, parked;
  };
  virtual Stats stats() const = 0;
};

}  // namespace millrace
