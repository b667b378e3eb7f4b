#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "core/io/transport_impl.h"
#include "core/io/transport_limits.h"

namespace millrace {

// Pays for a connection's frames, and delivers them.
class TransportImpl::Sink final : public FrameSink {
 public:
  Sink(TransportImpl& transport, Connection& connection) : t_(transport), c_(connection) {}

  Answer Place(uint32_t length, FramePlace* place) override {
    const uint64_t charge = t_.memory_.Charge(length);
    if (c_.wait == Connection::Wait::kGranted) {
      c_.wait = Connection::Wait::kNone;
      return Allocate(length, c_.grant.lane, charge, place);
    }
    if (c_.turn == t_.turn_ && c_.turn_frames >= kFramesPerTurn) {
      c_.wait = Connection::Wait::kNextTurn;
      t_.MarkReady(c_);
      return Answer::kWait;
    }
    // A frame that is alone always fits.
    const uint64_t inflight = c_.inflight_bytes();
    if (inflight > 0 && inflight + charge > t_.options_.connection_inflight_bytes) {
      c_.wait = Connection::Wait::kInflight;
      return Answer::kWait;
    }
    const bool control = length <= FrameBudget::kControlFrameBytes;
    const std::optional<BudgetLane> lane = t_.budget_.TryTake(charge, control);
    if (!lane) {
      c_.wait = Connection::Wait::kBudget;
      c_.ticket = t_.budget_.Wait(c_.id, charge, control);
      return Answer::kWait;
    }
    return Allocate(length, *lane, charge, place);
  }

  void Complete(const FramePlace& place, uint32_t length) override {
    c_.body_deadline_ms = 0;
    c_.large_frames = length > kScratchBytes;
    c_.turn_frames = c_.turn == t_.turn_ ? c_.turn_frames + 1 : 1;
    c_.turn = t_.turn_;
    ++t_.stats_.frames;
    t_.events_.Push({.kind = EventKind::kFrame,
                     .connection = c_.id,
                     .a = place.arena,
                     .b = place.position,
                     .c = length});
  }

 private:
  Answer Allocate(uint32_t length, BudgetLane lane, uint64_t charge, FramePlace* place) {
    Result<FramePlace> made = t_.memory_.Allocate(length, {.connection = c_.id, .lane = lane});
    if (!made.ok()) {
      t_.budget_.Return(charge, lane);
      t_.ServeGrants();
      return Answer::kFailed;
    }
    c_.body_deadline_ms = 0;  // the size was whole in time; the body has its own
    c_.held_bytes += charge;
    t_.stats_.frame_bytes_held += charge;
    *place = *made;
    return Answer::kPlaced;
  }

  TransportImpl& t_;
  Connection& c_;
};

bool TransportImpl::WantsInput(const Connection& c) const {
  return !c.paused && !c.read_ended && !c.closing && c.wait == Connection::Wait::kNone &&
         c.carry.empty() &&
         (c.reader.in_body() || c.inflight_bytes() < options_.connection_inflight_bytes);
}

void TransportImpl::ReadSocket(Connection& c) {
  uint64_t share = kReadTurnBytes;
  if (c.reader.in_body() && c.reader.received() == 0) {
    c.reader.MoveBody(memory_.Refresh(c.reader.place(), c.reader.length()));
  }
  while (WantsInput(c)) {
    // The rest of a body goes straight to its place. What follows it, or many small frames, goes
    // into the scratch buffer, as long as there is room to keep what then turns out to have to
    // wait.
    std::array<iovec, 2> into;
    size_t parts = 0;
    const std::span<std::byte> body = c.reader.MissingBody();
    const size_t direct = static_cast<size_t>(std::min<uint64_t>(body.size(), share));
    if (direct > 0) into[parts++] = {body.data(), direct};
    size_t scratch = 0;
    if (direct == body.size()) {
      scratch = c.large_frames || direct > 0 ? kLargeFrameReadBytes : kScratchBytes;
      if (carried_bytes_ + scratch > kCarryLimitBytes) {
        scratch = direct > 0 ? 0 : c.reader.missing_size_bytes();
      }
      if (scratch > 0) into[parts++] = {scratch_.get(), scratch};
    }
    const size_t asked = direct + scratch;
    msghdr message{};
    message.msg_iov = into.data();
    message.msg_iovlen = parts;
    const ssize_t got = recvmsg(c.fd.get(), &message, MSG_DONTWAIT);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) return CloseNow(c, CloseReason::kPeer, errno);
      c.read_ended = c.gone;  // nothing follows
      break;
    }
    if (got == 0) {
      // Its frames of this turn are delivered, and their replies sent if they come before the next
      // turn; then it is over.
      c.read_ended = true;
      MarkReady(c);
      break;
    }
    const size_t received = static_cast<size_t>(got);
    c.last_active_ms = now_ms_;
    stats_.bytes_in += received;
    turn_bytes_ += received;
    share -= std::min<uint64_t>(share, received);
    Sink sink(*this, c);
    if (direct > 0) c.reader.Received(std::min(direct, received), sink);
    if (received > direct) {
      std::span<const std::byte> bytes(scratch_.get(), received - direct);
      if (!Feed(c, &bytes)) {
        if (c.closed) return;
        if (!bytes.empty()) c.carry.Assign(bytes);
        carried_bytes_ += bytes.size();
      }
    }
    // Less than asked for: the socket is empty, and epoll says when it is not.
    if (received < asked || share == 0) break;
  }
  WatchFrame(c);
  SetLowWater(c);
  UpdateInterest(c);
}

// A large body is read when there is much of it: fewer calls and wake-ups, and what is copied out
// of the socket, checked and written to a file in one turn stays in the processor's cache.
void TransportImpl::SetLowWater(Connection& c) {
  if (c.closed) return;
  const size_t missing = c.reader.MissingBody().size();
  int wanted = 1;
  if (missing >= kLargeBodyBytes) {
    large_bodies_ = true;
    wanted = static_cast<int>(std::min<size_t>(missing, kLargeTurnBytes));
  }
  if (wanted == c.low_water) return;
  if (setsockopt(c.fd.get(), SOL_SOCKET, SO_RCVLOWAT, &wanted, sizeof wanted) == 0) {
    c.low_water = wanted;
  }
}

// Goes on with a connection that had to wait, or that was told to.
void TransportImpl::ReadOn(Connection& c) {
  if (c.closing) return;
  if (c.wait == Connection::Wait::kBudget || c.paused) return;  // its time will come
  if (c.wait != Connection::Wait::kGranted) c.wait = Connection::Wait::kNone;
  // Even without bytes: the size of the next frame may be known already.
  std::span<const std::byte> bytes = c.carry.bytes();
  const size_t before = bytes.size();
  Feed(c, &bytes);
  if (c.closed) return;
  carried_bytes_ -= before - bytes.size();
  c.carry.DropAllBut(bytes.size());
  WatchFrame(c);
  UpdateInterest(c);
}

bool TransportImpl::Feed(Connection& c, std::span<const std::byte>* bytes) {
  Sink sink(*this, c);
  switch (c.reader.Feed(bytes, options_.max_frame_bytes, sink)) {
    case FrameReader::State::kMore:
      return true;
    case FrameReader::State::kWaiting:
      return false;
    case FrameReader::State::kTooLarge:
      CloseNow(c, CloseReason::kFrameTooLarge, static_cast<int32_t>(c.reader.length()));
      return false;
    case FrameReader::State::kInvalid:
      CloseNow(c, CloseReason::kFrameInvalid, static_cast<int32_t>(c.reader.length()));
      return false;
    case FrameReader::State::kFailed:
      CloseNow(c, CloseReason::kIoError, ENOMEM);
      return false;
  }
  return false;
}

// A size or a body that is not complete has a deadline from now on.
void TransportImpl::WatchFrame(Connection& c) {
  if (c.closed || c.body_deadline_ms != 0) return;
  if (!c.reader.in_body() && !c.reader.in_size()) return;
  c.body_deadline_ms = now_ms_ + options_.body_progress_timeout_ms;
  c.body_mark = c.reader.received();
  ScheduleTimer(c);
}

// Gives back all that was taken for frames that will not be delivered any more.
void TransportImpl::DropInput(Connection& c) {
  if (c.reader.in_body()) {
    const FramePlace& place = c.reader.place();
    const FrameMemory::Released released = memory_.Release(place.arena, place.position);
    c.reader = FrameReader();
    c.held_bytes -= released.charge;
    stats_.frame_bytes_held -= released.charge;
    budget_.Return(released.charge, released.owner.lane);
    SetLowWater(c);
  }
  if (c.wait == Connection::Wait::kBudget) budget_.Forget(c.ticket);
  if (c.wait == Connection::Wait::kGranted) budget_.Return(c.grant.bytes, c.grant.lane);
  c.wait = Connection::Wait::kNone;
  carried_bytes_ -= c.carry.size();
  c.carry.DropAllBut(0);
  ServeGrants();
}

void TransportImpl::Discard(Connection& c) {
  for (uint64_t share = kReadTurnBytes; share > 0;) {
    const ssize_t got = recv(c.fd.get(), scratch_.get(), kScratchBytes, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (got <= 0) return CloseNow(c, c.close_reason, 0);
    share -= std::min<uint64_t>(share, static_cast<uint64_t>(got));
  }
}

void TransportImpl::ReleaseFrame(uint32_t arena, uint32_t position) {
  const FrameMemory::Released released = memory_.Release(arena, position);
  stats_.frame_bytes_held -= released.charge;
  budget_.Return(released.charge, released.owner.lane);
  if (Connection* c = connections_.Find(released.owner.connection); c != nullptr) {
    c->held_bytes -= released.charge;
    GotRoom(*c);
  }
  ServeGrants();
  EndCall();
}

void TransportImpl::ServeGrants() {
  while (const std::optional<FrameBudget::Grant> grant = budget_.NextGrant()) {
    Connection* c = connections_.Find(grant->connection);
    if (c == nullptr) {
      budget_.Return(grant->bytes, grant->lane);
      continue;
    }
    c->wait = Connection::Wait::kGranted;
    c->grant = *grant;
    MarkReady(*c);
  }
}

// Frames were released or replies sent.
void TransportImpl::GotRoom(Connection& c) {
  if (c.wait == Connection::Wait::kInflight) {
    MarkReady(c);
  } else {
    UpdateInterest(c);
  }
}

void TransportImpl::Pause(uint64_t connection) {
  Connection* c = connections_.Find(connection);
  if (c == nullptr || c->paused) return;
  c->paused = true;
  UpdateInterest(*c);
  EndCall();
}

void TransportImpl::Resume(uint64_t connection) {
  Connection* c = connections_.Find(connection);
  if (c == nullptr || !c->paused) return;
  now_ms_ = NowMs();
  c->paused = false;
  c->last_active_ms = now_ms_;
  c->body_deadline_ms = 0;  // the time it was paused is not the peer's
  WatchFrame(*c);
  MarkReady(*c);
  EndCall();
}

}  // namespace millrace
