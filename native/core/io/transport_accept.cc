#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "core/io/transport_impl.h"
#include "core/io/transport_limits.h"

namespace millrace {

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

void TransportImpl::AcceptWaiting(size_t index) {
  if (index >= listening_.size()) return;
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    const ListeningSocket listening = listening_[index];
    if (listening.fd < 0 || !accepting_) return;
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
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  Connection* c = stats_.connections < options_.max_connections
                      ? connections_.Add(std::move(fd), peer)
                      : nullptr;
  if (c == nullptr) {
    ++stats_.rejected;
    return;
  }
  epoll_event event{};
  event.events = c->interest = EPOLLIN;
  event.data.u64 = c->id;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, c->fd.get(), &event) != 0) {
    ++stats_.rejected;
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
