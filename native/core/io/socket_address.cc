#include "core/io/socket_address.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace millrace {

SocketAddress SocketAddress::FromSystem(const sockaddr_storage& storage) {
  SocketAddress address;
  if (storage.ss_family == AF_INET) {
    std::memcpy(&address.ipv4_, &storage, sizeof address.ipv4_);
  } else if (storage.ss_family == AF_INET6) {
    std::memcpy(&address.ipv6_, &storage, sizeof address.ipv6_);
  }
  return address;
}

Result<std::vector<SocketAddress>> SocketAddress::Resolve(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const std::string service = std::to_string(port);
  const int error =
      getaddrinfo(host.empty() ? nullptr : host.c_str(), service.c_str(), &hints, &list);
  if (error == EAI_SYSTEM) return Status::FromErrno(errno);
  if (error == EAI_MEMORY) return Status(Code::kNoMemory);
  if (error != 0) return Status(Code::kNotFound);
  std::vector<SocketAddress> addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    sockaddr_storage storage{};
    if (entry->ai_addrlen > sizeof storage) continue;
    std::memcpy(&storage, entry->ai_addr, entry->ai_addrlen);
    const SocketAddress address = FromSystem(storage);
    if (address.family() == AF_UNSPEC) continue;
    const bool known = std::any_of(addresses.begin(), addresses.end(), [&](const SocketAddress& a) {
      return a.ToString() == address.ToString();
    });
    if (!known) addresses.push_back(address);
  }
  freeaddrinfo(list);
  if (addresses.empty()) return Status(Code::kNotFound);
  return addresses;
}

socklen_t SocketAddress::size() const { return family() == AF_INET6 ? sizeof ipv6_ : sizeof ipv4_; }

uint16_t SocketAddress::port() const {
  return ntohs(family() == AF_INET6 ? ipv6_.sin6_port : ipv4_.sin_port);
}

void SocketAddress::set_port(uint16_t port) {
  (family() == AF_INET6 ? ipv6_.sin6_port : ipv4_.sin_port) = htons(port);
}

bool SocketAddress::is_any_ipv6() const {
  return family() == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&ipv6_.sin6_addr);
}

bool SocketAddress::is_loopback() const {
  if (family() == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&ipv6_.sin6_addr);
  return family() == AF_INET && ntohl(ipv4_.sin_addr.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
}

SocketAddress::IpBytes SocketAddress::Ip() const {
  IpBytes bytes{};
  if (family() == AF_INET) {
    bytes[10] = bytes[11] = 0xff;
    std::memcpy(&bytes[12], &ipv4_.sin_addr, sizeof ipv4_.sin_addr);
  } else if (family() == AF_INET6) {
    std::memcpy(bytes.data(), &ipv6_.sin6_addr, bytes.size());
  }
  return bytes;
}

std::string SocketAddress::Host() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &ipv4_.sin_addr, text.data(), text.size());
  } else if (family() == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&ipv6_.sin6_addr)) {
    // A peer of a listener on "::"; to people it is an IPv4 address.
    inet_ntop(AF_INET, &ipv6_.sin6_addr.s6_addr[12], text.data(), text.size());
  } else if (family() == AF_INET6) {
    inet_ntop(AF_INET6, &ipv6_.sin6_addr, text.data(), text.size());
  }
  return text.data();
}

std::string SocketAddress::ToString() const {
  if (family() == AF_UNSPEC) return {};
  const std::string host = Host();
  const bool brackets = host.find(':') != std::string::npos;
  return (brackets ? "[" + host + "]" : host) + ":" + std::to_string(port());
}

}  // namespace millrace
