#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "core/io/transport_impl.h"
#include "core/io/transport_limits.h"

namespace millrace {
namespace {

// Whether the frame that waits for memory, if one does, has arrived to its end.
bool IsWhole(const Connection& c) {
  if (c.wait == Connection::Wait::kNone || c.wait == Connection::Wait::kNextTurn) return true;
  int unread = 0;
  if (ioctl(c.fd.get(), FIONREAD, &unread) != 0) return false;
  return uint64_t{c.carry.size()} + static_cast<uint64_t>(unread) >= c.reader.length();
}

}  // namespace

// A peer that closes beside a reply it has not read resets the connection; so does the end of one
// that a reply reaches later. Sending is over then, but what the kernel took in before stays
// readable, up to the end or the error, and is taken: behind what it wrote without acks a producer
// does nothing but close. The replies go at once; frames keep to the bounds they always have, and
// whoever is still not read to the end at the deadline, since it has to wait for us, is closed.
void TransportImpl::PeerGone(Connection& c, int error) {
  // Of one that is closing the input was dropped before; a frame that never gets whole waits in
  // vain.
  if (c.closing || !IsWhole(c)) return CloseNow(c, CloseReason::kPeer, error);
  // The kernel would report it in every wait, wanted or not.
  epoll_ctl(EpollOf(c), EPOLL_CTL_DEL, c.fd.get(), nullptr);
  c.gone = true;
  c.gone_error = error;
  c.gone_deadline_ms = now_ms_ + options_.body_progress_timeout_ms;
  ScheduleTimer(c);
  c.output = OutputQueue();
  c.socket_full = c.notify_drained = c.congested = false;
  CountUnsent(c);
  events_.Push({.kind = EventKind::kGone, .connection = c.id});
  MarkReady(c);
}

// Its share of a turn, unless the turn has read enough.
void TransportImpl::ReadOnAlthoughGone(Connection& c) {
  if (!WantsInput(c)) return;
  if (turn_bytes_ >= kTurnBytes) return MarkReady(c);
  ReadSocket(c);
}

}  // namespace millrace
