#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "wire.h"

namespace millrace::loadgen {

// Owns a descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct Endpoint {
  std::string host;  // an IPv4 address: a benchmark should not measure name resolution
  uint16_t port = 0;
};

// "127.0.0.1:9092"; anything else is fatal.
Endpoint ParseEndpoint(std::string_view text);

// A connected, blocking TCP socket without Nagle's delay. Fatal if nobody answers.
Descriptor Connect(const Endpoint& target);
// Listens on `endpoint`; port 0 is replaced by the one that was chosen.
Descriptor Listen(Endpoint& endpoint);

void SetNonBlocking(int fd);
void SetNoDelay(int fd);

// For blocking sockets: all or nothing, fatal when the peer closes.
void SendAll(int fd, Bytes bytes);
void ReceiveAll(int fd, char* to, size_t size);

}  // namespace millrace::loadgen
