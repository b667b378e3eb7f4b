#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "wire.h"

namespace millrace::loadgen {

// Bytes on their way to a non-blocking socket, in order: small ones are copied, large ones lent by
// their owner until they are sent. Many small requests leave in one system call, and a megabyte of
// records is never copied here.
class SendQueue {
 public:
  void Copy(Bytes bytes);
  // `bytes` must stay as they are until empty() has been true once.
  void Lend(Bytes bytes);

  // Sends what the socket takes now. False when the connection is broken.
  bool Flush(int fd);
  bool empty() const { return next_ == pieces_.size(); }

 private:
  // Copied bytes lie in copied_, which may move as it grows, hence a position; lent bytes have
  // their address.
  struct Piece {
    const char* lent;
    size_t position;
    size_t size;
  };
  void Drop(size_t sent);

  std::string copied_;
  std::vector<Piece> pieces_;
  size_t next_ =
      0;  // the first piece that is not sent yet; its own start moves as parts of it leave
};

}  // namespace millrace::loadgen
