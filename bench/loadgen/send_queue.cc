#include "send_queue.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

namespace millrace::loadgen {
namespace {

constexpr size_t kMostVectors = 64;

}  // namespace

void SendQueue::Copy(Bytes bytes) {
  if (!empty() && pieces_.back().lent == nullptr) {
    pieces_.back().size += bytes.size();
  } else {
    pieces_.push_back(Piece{nullptr, copied_.size(), bytes.size()});
  }
  copied_.append(bytes.data(), bytes.size());
}

void SendQueue::Lend(Bytes bytes) { pieces_.push_back(Piece{bytes.data(), 0, bytes.size()}); }

bool SendQueue::Flush(int fd) {
  while (!empty()) {
    iovec vectors[kMostVectors];
    size_t count = std::min(pieces_.size() - next_, kMostVectors);
    size_t wanted = 0;
    for (size_t i = 0; i < count; ++i) {
      const Piece& piece = pieces_[next_ + i];
      const char* start = piece.lent != nullptr ? piece.lent : copied_.data() + piece.position;
      vectors[i] = iovec{const_cast<char*>(start), piece.size};
      wanted += piece.size;
    }
    msghdr message{};
    message.msg_iov = vectors;
    message.msg_iovlen = count;
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    Drop(static_cast<size_t>(sent));
    // A short send means a full socket buffer: asking again now would only cost a call.
    if (static_cast<size_t>(sent) < wanted) return true;
  }
  return true;
}

void SendQueue::Drop(size_t sent) {
  for (; !empty(); ++next_) {
    Piece& piece = pieces_[next_];
    size_t part = std::min(sent, piece.size);
    sent -= part;
    piece.size -= part;
    if (piece.lent != nullptr) {
      piece.lent += part;
    } else {
      piece.position += part;
    }
    if (piece.size > 0) return;
  }
  pieces_.clear();
  copied_.clear();
  next_ = 0;
}

}  // namespace millrace::loadgen
