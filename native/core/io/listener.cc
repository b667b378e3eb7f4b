#include "core/io/listener.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <optional>
#include <utility>

namespace millrace {
namespace {

constexpr int kPortAttempts = 16;

Result<UniqueFd> OpenSocket(const SocketAddress& address, int backlog) {
  UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return Status::FromErrno(errno);
  const int on = 1;
  if (setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
    return Status::FromErrno(errno);
  }
  if (address.family() == AF_INET6) {
    const int only_ipv6 = address.is_any_ipv6() ? 0 : 1;
    if (setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only_ipv6, sizeof only_ipv6) != 0) {
      return Status::FromErrno(errno);
    }
  }
  // Where the system's default is BBR, it paces what is sent over loopback as well, at a third of
  // what loopback carries. Connections inherit this, and keep the default if it is refused.
  if (address.is_loopback()) setsockopt(fd.get(), IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
  if (bind(fd.get(), address.data(), address.size()) != 0 || listen(fd.get(), backlog) != 0) {
    return Status::FromErrno(errno);
  }
  return fd;
}

// This host lacks the address or its family, although the resolver knows it ("localhost" without
// IPv6).
bool IsAbsent(const Status& status) {
  return status.system_error() == EADDRNOTAVAIL || status.system_error() == EAFNOSUPPORT;
}

Result<SocketAddress> BoundAddress(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return Status::FromErrno(errno);
  }
  return SocketAddress::FromSystem(storage);
}

}  // namespace

Result<Listener> Listener::Open(const std::string& host, uint16_t port, int backlog) {
  Result<std::vector<SocketAddress>> addresses = SocketAddress::Resolve(host, port);
  if (!addresses.ok()) return addresses.status();
  for (int attempt = 1;; ++attempt) {
    Listener listener;
    Status failure;
    for (SocketAddress address : *addresses) {
      // The first takes a free port where none was asked for, the others take the same.
      if (!listener.sockets_.empty()) {
        if (address.is_any_ipv6() || listener.address_.is_any_ipv6()) continue;  // serves both
        address.set_port(listener.port());
      }
      Result<UniqueFd> fd = OpenSocket(address, backlog);
      if (!fd.ok()) {
        if (failure.ok() || !IsAbsent(fd.status())) failure = fd.status();
        if (IsAbsent(fd.status())) continue;
        break;
      }
      Result<SocketAddress> bound = BoundAddress(fd->get());
      if (!bound.ok()) return bound.status();
      if (listener.sockets_.empty()) listener.address_ = *bound;
      listener.sockets_.push_back(std::move(*fd));
    }
    if (failure.ok() || (IsAbsent(failure) && !listener.sockets_.empty())) return listener;
    // Somebody has the free port on another of the addresses: ask for another one.
    const bool again = port == 0 && failure.code() == Code::kAddressInUse &&
                       !listener.sockets_.empty() && attempt < kPortAttempts;
    if (!again) return failure;
  }
}

Acceptor::Acceptor() { TakeReserve(); }

void Acceptor::TakeReserve() { reserve_.Reset(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

Acceptor::Answer Acceptor::Accept(int socket, UniqueFd* connection, SocketAddress* peer) {
  for (;;) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    UniqueFd fd(accept4(socket, reinterpret_cast<sockaddr*>(&storage), &size,
                        SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.valid()) {
      *connection = std::move(fd);
      *peer = SocketAddress::FromSystem(storage);
      return Answer::kAccepted;
    }
    switch (errno) {
      case EAGAIN:
        return Answer::kNone;
      case EMFILE:
      case ENFILE: {
        if (!reserve_.valid()) {
          TakeReserve();
          return Answer::kFailed;
        }
        reserve_.Reset();
        UniqueFd refused(accept4(socket, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        // The descriptor is taken before the backlog is looked at, so nobody may have been waiting.
        const Answer answer = refused.valid()   ? Answer::kRefused
                              : errno == EAGAIN ? Answer::kNone
                                                : Answer::kFailed;
        refused.Reset();
        TakeReserve();
        return answer;
      }
      case ENOMEM:
      case ENOBUFS:
        return Answer::kFailed;
      case EBADF:
      case EINVAL:
      case ENOTSOCK:
        return Answer::kNone;
      // EINTR, and what belongs to the connection that failed meanwhile: the next one, please.
      default:
        continue;
    }
  }
}

}  // namespace millrace
