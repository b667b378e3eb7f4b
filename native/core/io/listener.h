#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/base/unique_fd.h"
#include "core/io/socket_address.h"

namespace millrace {

// The listening sockets of one address as the user gave it: a name like "localhost" may mean
// several. Loop thread only.
class Listener {
 public:
  static Result<Listener> Open(const std::string& host, uint16_t port, int backlog);

  const std::vector<UniqueFd>& sockets() const { return sockets_; }
  void Close() { sockets_.clear(); }
  // Of the first socket; they stay known after Close.
  uint16_t port() const { return address_.port(); }
  std::string host() const { return address_.Host(); }

 private:
  std::vector<UniqueFd> sockets_;  // all on the same port
  SocketAddress address_;
};

// Takes connections off listening sockets.
class Acceptor {
 public:
  Acceptor();

  enum class Answer {
    kAccepted,
    kNone,     // nobody waits
    kRefused,  // no descriptor was free: the connection was closed so that its client turns
               // elsewhere
    kFailed,   // descriptors or memory are short: not to be tried again at once
  };
  Answer Accept(int socket, UniqueFd* connection, SocketAddress* peer);

 private:
  void TakeReserve();

  // Given up for a moment when descriptors run out: without it a waiting connection could be
  // neither accepted nor refused, and its client would wait for ever.
  UniqueFd reserve_;
};

}  // namespace millrace
