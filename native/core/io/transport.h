#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/log/log.h"

namespace millrace {

struct TransportOptions {
  uint32_t max_frame_bytes = 100u << 20;  // socket.request.max.bytes
  // All request bodies that are being read or held by JavaScript; bodies count with the memory they
  // take (rounded up to 256 bytes, or to whole pages for a mapping of its own). The budget less the
  // reserve must hold at least one frame of max_frame_bytes.
  uint64_t frame_budget_bytes = 256u << 20;
  uint64_t control_reserve_bytes = 4u << 20;  // the part only frames of at most 64 KB may use
  // Per connection: frames held plus replies not yet sent, file regions included; above it the
  // socket is not read. A frame that is alone always fits.
  uint32_t connection_inflight_bytes = 128u << 20;
  // Reply bytes (not regions) queued before the connection is dropped.
  uint32_t connection_unsent_bytes = 64u << 20;
  // Reply bytes queued for all connections together. Above it the connection goes that holds the
  // most and has read nothing for longest.
  uint64_t total_unsent_bytes = 128u << 20;
  // At most 65,535. Further ones wait in the backlog until one goes.
  uint32_t max_connections = 10'000;
  uint32_t max_connections_per_ip = UINT32_MAX;  // further ones are closed at once
  uint32_t arena_bytes = 4u << 20;
  uint32_t own_mapping_above_bytes = 1u << 20;  // larger frames get a mapping of their own
  uint64_t spare_mapping_bytes = 32u << 20;  // unused memory that is not given back to the kernel
  int64_t idle_timeout_ms = 600'000;         // connections.max.idle.ms
  // A frame's size must be whole in such a span of time, and a granted body grow by a 64th of its
  // length in each; by more while others wait for the budget (transport_limits.h).
  int64_t body_progress_timeout_ms = 30'000;
  uint32_t sender_threads = 1;               // send regions that are in the page cache
  uint32_t cold_sender_threads = 1;          // read regions from the disk, then send them
  uint32_t inline_region_bytes = 64u << 10;  // larger ones senders send, but for a start
  // How long what came in from patient connections waits for more of them; see SetPatient.
  int64_t patience_ms = 10;
  // Milliseconds of a clock that never goes back; empty: the steady clock. Called by the loop only.
  std::function<int64_t()> now_ms;
};

enum class EventKind : int32_t {
  kOpened = 1,   // connection; a = listener
  kFrame = 2,    // connection; a = arena, b = position in it, c = length (without the size field)
  kClosed = 3,   // connection; a = CloseReason, b = errno. The last event of a connection.
  kDrained = 4,  // connection: everything submitted was handed to the kernel (see NotifyDrained)
  // connection: a megabyte of reply bytes is unsent, its peer does not read. Once; kDrained follows
  // when all of it is sent.
  kCongested = 5,
  // a = RefuseReason, b = how many since the last report. `connection` is no connection's id;
  // peer_address gives the address of the last one.
  kRefused = 6,
  // connection: its peer is gone, nothing is sent any more, and no kDrained follows. Frames that
  // had arrived before still come, then kClosed.
  kGone = 7,
};

enum class RefuseReason : int32_t {
  kMaxConnections = 1,       // not accepted yet: it waits until another one goes
  kMaxConnectionsPerIp = 2,  // closed
  kNoDescriptor = 3,         // closed: what is left is kept for files
};

enum class CloseReason : int32_t {
  kPeer = 0,       // the peer closed or reset
  kRequested = 1,  // Close() was called
  kFrameTooLarge = 2,
  kFrameInvalid = 3,   // negative or impossibly small size
  kIdle = 4,           // nothing moved in either direction
  kStalledBody = 5,    // a size or a body that came too slowly
  kUnsentLimit = 6,    // the peer does not read
  kRegionInvalid = 7,  // a region was truncated underneath
  kIoError = 8,
  kShutdown = 9,  // Shutdown() was called
};

struct Event {
  EventKind kind;
  uint64_t connection;  // never reused within a process; below 2^53
  int64_t a = 0, b = 0, c = 0;
};

// A reply is a list of parts; parts of one reply are contiguous, replies of one connection are sent
// in submission order.
struct ReplyPart {
  uint64_t connection;
  const std::byte* bytes = nullptr;  // borrowed until Submit returns; or
  uint32_t length = 0;
  FileRegion region;  // a file region (bytes == nullptr); Submit moves it out
  bool last = true;   // ends a reply
};

// Sockets, framing and replies. Threads: all methods on one thread at a time, the one that calls
// Poll
// ("the loop"); sender threads are inside. Poll may be driven by Node's loop (epoll_descriptor is
// polled there) or by a thread of its own; nothing is bound to a particular thread.
class Transport {
 public:
  static Result<std::unique_ptr<Transport>> Create(const TransportOptions& options);
  virtual ~Transport() = default;  // closes everything at once, without events

  // Returns the listener's id. A name is resolved once, and all its addresses are listened on; port
  // 0 takes a free one. "::" serves IPv4 too.
  virtual Result<uint32_t> Listen(const std::string& address, uint16_t port, int backlog) = 0;
  virtual uint16_t listener_port(uint32_t listener) const = 0;
  virtual std::string listener_address(uint32_t listener) const = 0;  // numeric, without the port
  virtual void StopListening() = 0;
  // Takes the place of the options of these names. Connections that are there stay; those that
  // wait come in as soon as there is room.
  virtual Status LimitConnections(uint32_t max_connections, uint32_t max_connections_per_ip) = 0;
  // Readable whenever Poll has something to do, timeouts and events held back included.
  virtual int epoll_descriptor() const = 0;

  // Does all I/O that is ready (waiting up to `timeout_ms` for the first; -1: for ever), returns
  // how many events were written. Call again while it fills `into`. A frame's bytes belong to the
  // caller until ReleaseFrame, whatever becomes of the connection.
  virtual size_t Poll(std::span<Event> into, int timeout_ms) = 0;
  // Arenas are mapped on demand and live, at the same address and of the same size, as long as the
  // transport: a view of one made once stays right. (Frames with a mapping of their own are arenas
  // of one frame, reused for frames of their size class; what is given back to the kernel is pages,
  // not addresses.) Ids are small and dense.
  virtual std::span<std::byte> arena(uint32_t id) = 0;
  // Releasing what is not held ends the process.
  virtual void ReleaseFrame(uint32_t arena, uint32_t position) = 0;

  // Sends what the sockets take at once and queues the rest. Unknown connections (closed meanwhile)
  // are skipped.
  virtual void Submit(std::span<ReplyPart> parts) = 0;
  // One kDrained once nothing submitted is left unsent (at the next Poll when nothing is).
  virtual void NotifyDrained(uint64_t connection) = 0;
  // Stops reading this connection / goes on (throttling, quotas). Frames that Poll has already
  // taken in are still delivered.
  virtual void Pause(uint64_t connection) = 0;
  virtual void Resume(uint64_t connection) = 0;
  // What a patient connection sends may wait for `patience_ms`, so that what many of them send is
  // read in one turn. Nothing else about it changes.
  virtual void SetPatient(uint64_t connection, bool patient) = 0;
  // Closes now, or after everything submitted was sent; kClosed follows either way. What is
  // submitted after this call is skipped.
  virtual void Close(uint64_t connection, bool after_replies) = 0;
  // Stops listening and closes every connection after its replies.
  virtual void Shutdown() = 0;
  // "address:port", also for the connections whose kClosed the last Poll returned; else empty.
  virtual std::string peer_address(uint64_t connection) const = 0;

  struct Stats {
    uint64_t connections, frames, frame_bytes_held, arena_bytes, replies_queued_bytes, bytes_in,
        bytes_out, parked;
    uint64_t sendfile_bytes;   // of bytes_out, what went out of files without a copy
    uint64_t accepted;         // since the start, like frames and bytes
    uint64_t rejected;         // closed at once: see RefuseReason
    uint64_t accept_failures;  // accept gave an error (EMFILE and the like); accepting paused
    uint64_t replies;          // submitted, since the start
    uint64_t carried_bytes;    // read from sockets, waiting for the budget
  };
  virtual Stats stats() const = 0;
};

}  // namespace millrace
