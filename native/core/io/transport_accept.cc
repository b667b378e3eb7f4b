#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "core/io/transport_impl.h"
#include "core/io/transport_limits.h"

namespace millrace {
namespace {

// The kernel gives out the lowest number that is free, so a high one says that few are left.
bool LeavesDescriptorsForFiles(int fd) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return true;
  const uint64_t all = limit.rlim_cur;
  return static_cast<uint64_t>(fd) < all - std::min<uint64_t>(all / 8, kDescriptorReserve);
}

}  // namespace

Result<uint32_t> TransportImpl::Listen(const std::string& address, uint16_t port, int backlog) {
  Result<Listener> listener = Listener::Open(address, port, backlog);
  if (!listener.ok()) return listener.status();
  const uint32_t id = static_cast<uint32_t>(listeners_.size());
  for (const UniqueFd& socket : listener->sockets()) {
    epoll_event event{};
    event.events = accepting_ ? uint32_t{EPOLLIN} : 0u;
    event.data.u64 = kListenerTag | listening_.size();
    // On failure the sockets close with `listener`, and leave the epoll set with that.
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.get(), &event) != 0) {
      const Status failure = Status::FromErrno(errno);
      std::erase_if(listening_, [id](const ListeningSocket& s) { return s.listener == id; });
      return failure;
    }
    listening_.push_back({.fd = socket.get(), .listener = id});
  }
  listeners_.push_back(std::move(*listener));
  return id;
}

uint16_t TransportImpl::listener_port(uint32_t listener) const {
  if (listener >= listeners_.size()) std::abort();
  return listeners_[listener].port();
}

std::string TransportImpl::listener_address(uint32_t listener) const {
  if (listener >= listeners_.size()) std::abort();
  return listeners_[listener].host();
}

void TransportImpl::StopListening() {
  for (Listener& listener : listeners_) listener.Close();
  // Their places stay taken: an event that was reported already must not reach another socket.
  for (ListeningSocket& socket : listening_) socket.fd = -1;
}

Status TransportImpl::LimitConnections(uint32_t max_connections, uint32_t max_connections_per_ip) {
  if (max_connections < 1 || max_connections > ConnectionTable::kMaxConnections) {
    return Status(Code::kInvalidArgument);
  }
  max_connections_ = max_connections;
  max_connections_per_ip_ = max_connections_per_ip;
  ResumeAccepting();  // AcceptWaiting looks whether there is room
  return Status::Ok();
}

// Kafka's rules: above max.connections nobody is accepted until somebody goes, and above
// max.connections.per.ip a connection is closed as soon as it is accepted.
void TransportImpl::AcceptWaiting(size_t index) {
  if (index >= listening_.size()) return;
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    const ListeningSocket listening = listening_[index];
    if (listening.fd < 0 || !accepting_) return;
    if (stats_.connections >= max_connections_) {
      accepting_ = false;  // until Forget
      SetAcceptInterest(0);
      Refused(RefuseReason::kMaxConnections, SocketAddress());
      return;
    }
    UniqueFd fd;
    SocketAddress peer;
    switch (acceptor_.Accept(listening.fd, &fd, &peer)) {
      case Acceptor::Answer::kAccepted:
        Adopt(std::move(fd), peer, listening.listener);
        break;
      case Acceptor::Answer::kNone:
        return;
      case Acceptor::Answer::kRefused:
        ++stats_.rejected;
        ++stats_.accept_failures;
        Refused(RefuseReason::kNoDescriptor, SocketAddress());
        break;
      case Acceptor::Answer::kFailed:
        ++stats_.accept_failures;
        PauseAccepting();
        return;
    }
  }
}

void TransportImpl::Adopt(UniqueFd fd, const SocketAddress& peer, uint32_t listener) {
  ++stats_.accepted;
  if (!LeavesDescriptorsForFiles(fd.get())) {
    ++stats_.rejected;
    return Refused(RefuseReason::kNoDescriptor, peer);
  }
  if (!peers_.Add(peer, max_connections_per_ip_)) {
    ++stats_.rejected;
    return Refused(RefuseReason::kMaxConnectionsPerIp, peer);
  }
  const auto set = [&fd](int level, int option, int value) {
    setsockopt(fd.get(), level, option, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleSeconds);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveIntervalSeconds);
  set(IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
  Connection* c = connections_.Add(std::move(fd), peer);
  if (c == nullptr) {
    ++stats_.rejected;
    peers_.Remove(peer);
    return;
  }
  epoll_event event{};
  event.events = c->interest = EPOLLIN;
  event.data.u64 = c->id;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, c->fd.get(), &event) != 0) {
    ++stats_.rejected;
    peers_.Remove(peer);
    c->closed = true;
    c->fd.Reset();
    connections_.Remove(*c);
    return;
  }
  ++stats_.connections;
  c->last_active_ms = now_ms_;
  c->timer_ms = INT64_MAX;
  ScheduleTimer(*c);
  events_.Push({.kind = EventKind::kOpened, .connection = c->id, .a = listener});
}

// Reported as it begins, then once a second at most: whoever is refused tries again at once.
void TransportImpl::Refused(RefuseReason reason, const SocketAddress& peer) {
  const auto kind = static_cast<uint64_t>(reason);
  Refusals& refusals = refusals_[kind];
  ++refusals.count;
  if (now_ms_ < refusals.report_ms) return;
  // Connections' ids are larger than any slot.
  static_assert(ConnectionTable::kMaxConnections > std::tuple_size_v<decltype(refusals_)>);
  farewells_.insert_or_assign(kind, peer);
  events_.Push({.kind = EventKind::kRefused,
                .connection = kind,
                .a = static_cast<int64_t>(kind),
                .b = refusals.count});
  refusals = {.count = 0, .report_ms = now_ms_ + kRefusalReportMs};
}

// Until one of our descriptors is free again, or a while has passed: others may give back theirs.
void TransportImpl::PauseAccepting() {
  accepting_ = false;
  SetAcceptInterest(0);
  wheel_.Schedule(kAcceptTimer, now_ms_ + kAcceptPauseMs);
}

void TransportImpl::ResumeAccepting() {
  if (accepting_) return;
  accepting_ = true;
  wheel_.Cancel(kAcceptTimer);
  SetAcceptInterest(EPOLLIN);
}

void TransportImpl::SetAcceptInterest(uint32_t events) {
  for (size_t i = 0; i < listening_.size(); ++i) {
    if (listening_[i].fd < 0) continue;
    epoll_event event{};
    event.events = events;
    event.data.u64 = kListenerTag | i;
    epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listening_[i].fd, &event);
  }
}

}  // namespace millrace
