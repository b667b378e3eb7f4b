#include "socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "program.h"

namespace millrace::loadgen {
namespace {

sockaddr_in AddressOf(const Endpoint& endpoint) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  if (inet_pton(AF_INET, endpoint.host.c_str(), &address.sin_addr) != 1) {
    Fatal("'%s' is not an IPv4 address", endpoint.host.c_str());
  }
  return address;
}

// Answers of the broker that set-up waits for: creating a topic with many partitions may take a
// while.
constexpr timeval kAnswerLimit{60, 0};

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) close(fd_);
}

Endpoint ParseEndpoint(std::string_view text) {
  Endpoint endpoint;
  size_t colon = text.rfind(':');
  if (colon != std::string_view::npos) {
    endpoint.host =
        text.substr(0, colon) == "localhost" ? "127.0.0.1" : std::string(text.substr(0, colon));
    const char* end = text.data() + text.size();
    auto parsed = std::from_chars(text.data() + colon + 1, end, endpoint.port);
    if (parsed.ec == std::errc() && parsed.ptr == end) return endpoint;
  }
  Fatal("'%.*s' is not HOST:PORT", static_cast<int>(text.size()), text.data());
}

Descriptor Connect(const Endpoint& target) {
  sockaddr_in address = AddressOf(target);
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) FatalErrno("socket");
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    Fatal("cannot connect to %s:%u: %s", target.host.c_str(), target.port, std::strerror(errno));
  }
  SetNoDelay(socket.get());
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerLimit, sizeof kAnswerLimit);
  return socket;
}

Descriptor Listen(Endpoint& endpoint) {
  sockaddr_in address = AddressOf(endpoint);
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) FatalErrno("socket");
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(socket.get(), generic, length) != 0 || listen(socket.get(), SOMAXCONN) != 0)
    FatalErrno("listen");
  if (getsockname(socket.get(), generic, &length) != 0) FatalErrno("getsockname");
  endpoint.port = ntohs(address.sin_port);
  return socket;
}

void SetNonBlocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) FatalErrno("fcntl");
}

void SetNoDelay(int fd) {
  int on = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) FatalErrno("TCP_NODELAY");
}

void SendAll(int fd, Bytes bytes) {
  while (!bytes.empty()) {
    ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) FatalErrno("send");
    bytes = bytes.subspan(static_cast<size_t>(sent));
  }
}

void ReceiveAll(int fd, char* to, size_t size) {
  while (size > 0) {
    ssize_t received = recv(fd, to, size, 0);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
      Fatal("the broker did not answer in 60 s");
    if (received < 0) FatalErrno("recv");
    if (received == 0) Fatal("the broker closed the connection");
    to += received;
    size -= static_cast<size_t>(received);
  }
}

}  // namespace millrace::loadgen
