#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/status.h"

namespace millrace {

// An IPv4 or IPv6 address with its port; small enough to keep one per connection.
class SocketAddress {
 public:
  SocketAddress() { any_.sa_family = AF_UNSPEC; }
  static SocketAddress FromSystem(const sockaddr_storage& storage);
  // A numeric address or a name, which is resolved (and may wait for a name server). "" is every
  // address of this host. In the resolver's order, without repetition.
  static Result<std::vector<SocketAddress>> Resolve(const std::string& host, uint16_t port);

  const sockaddr* data() const { return &any_; }
  socklen_t size() const;
  int family() const { return any_.sa_family; }
  uint16_t port() const;
  void set_port(uint16_t port);
  bool is_any_ipv6() const;
  bool is_loopback() const;  // 127.0.0.0/8, ::1
  using IpBytes = std::array<uint8_t, 16>;
  IpBytes Ip() const;            // without the port; IPv4 in its form of IPv6
  std::string Host() const;      // "127.0.0.1", "::1"
  std::string ToString() const;  // "127.0.0.1:9092", "[::1]:9092"

 private:
  union {
    sockaddr any_;
    sockaddr_in ipv4_;
    sockaddr_in6 ipv6_;
  };
};

}  // namespace millrace
