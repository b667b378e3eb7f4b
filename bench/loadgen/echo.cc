#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <memory>
#include <vector>

#include "event_loop.h"
#include "modes.h"
#include "program.h"
#include "send_queue.h"

namespace millrace::loadgen {
namespace {

// The least that any server could do with these requests: it copies each frame out of the kernel,
// forgets it, and answers with the asked number of zeros. What a broker reaches of its rate is the
// broker's share; the rest belongs to loopback TCP and to the generator.
class EchoServer {
 public:
  explicit EchoServer(const Options& options)
      : endpoint_(options.target),
        listener_(Listen(endpoint_)),
        reply_(static_cast<size_t>(options.reply_bytes)) {}

  int Run();

 private:
  struct Peer {
    Descriptor socket;
    SendQueue out;
    std::string head;      // of the current request, until it is whole
    size_t body_left = 0;  // of the current request, still to be read
    bool waits_for_room = false;
  };
  static constexpr uint64_t kListener = UINT64_MAX - 1;
  static constexpr uint64_t kInput = UINT64_MAX - 2;

  void Accept();
  bool Receive(Peer& peer);
  void Consume(Peer& peer, Bytes bytes);
  bool Flush(int fd, Peer& peer);

  Endpoint endpoint_;
  Descriptor listener_;
  std::vector<char> reply_;
  EventLoop loop_;
  std::map<int, Peer> peers_;
  std::vector<char> buffer_ = std::vector<char>(256 << 10);
};

int EchoServer::Run() {
  std::printf("echo on %s:%u\n", endpoint_.host.c_str(), endpoint_.port);
  std::fflush(stdout);
  loop_.Add(listener_.get(), kListener);
  loop_.Add(STDIN_FILENO, kInput);
  for (;;) {
    for (const epoll_event& event : loop_.Wait(NowNs() + kNsPerSecond)) {
      if (event.data.u64 == kListener) {
        Accept();
        continue;
      }
      if (event.data.u64 == kInput) {
        // Whoever started the server holds its input: it ends when they do, however that happens.
        char ignored[64];
        if (read(STDIN_FILENO, ignored, sizeof ignored) <= 0) return 0;
        continue;
      }
      int fd = static_cast<int>(event.data.u64);
      auto peer = peers_.find(fd);
      if (peer == peers_.end()) continue;
      bool readable = (event.events & ~static_cast<uint32_t>(EPOLLOUT)) != 0;
      if ((readable && !Receive(peer->second)) || !Flush(fd, peer->second)) peers_.erase(peer);
    }
  }
}

void EchoServer::Accept() {
  for (;;) {
    Descriptor socket(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.valid()) return;
    int fd = socket.get();
    SetNoDelay(fd);
    loop_.Add(fd, static_cast<uint64_t>(fd));
    peers_[fd].socket = std::move(socket);
  }
}

bool EchoServer::Receive(Peer& peer) {
  ssize_t size = recv(peer.socket.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size == 0) return false;
  Consume(peer, Bytes(buffer_.data(), static_cast<size_t>(size)));
  return true;
}

void EchoServer::Consume(Peer& peer, Bytes bytes) {
  while (!bytes.empty()) {
    bool in_head = peer.head.size() < kRequestHeadBytes;
    size_t part =
        std::min(in_head ? kRequestHeadBytes - peer.head.size() : peer.body_left, bytes.size());
    if (in_head) {
      peer.head.append(bytes.data(), part);
      if (peer.head.size() == kRequestHeadBytes) {
        constexpr size_t kCountedHead = kRequestHeadBytes - kSizeBytes;
        peer.body_left = std::max<size_t>(LoadBigEndian<uint32_t>(peer.head.data()), kCountedHead) -
                         kCountedHead;
      }
    } else {
      peer.body_left -= part;
    }
    bytes = bytes.subspan(part);
    if (peer.head.size() < kRequestHeadBytes || peer.body_left > 0) continue;
    char head[kResponseHeadBytes];
    StoreBigEndian(head, static_cast<int32_t>(reply_.size() + kResponseHeadBytes - kSizeBytes));
    std::copy_n(peer.head.data() + 8, 4, head + kSizeBytes);
    peer.out.Copy(head);
    constexpr size_t kCopyBytes = 16 << 10;
    if (reply_.size() <= kCopyBytes) {
      peer.out.Copy(reply_);
    } else {
      peer.out.Lend(reply_);
    }
    peer.head.clear();
  }
}

bool EchoServer::Flush(int fd, Peer& peer) {
  if (!peer.out.Flush(fd)) return false;
  if (peer.waits_for_room == !peer.out.empty()) return true;
  peer.waits_for_room = !peer.out.empty();
  loop_.Change(fd, static_cast<uint64_t>(fd), peer.waits_for_room ? EPOLLIN | EPOLLOUT : EPOLLIN);
  return true;
}

}  // namespace

int RunEcho(const Options& options) { return EchoServer(options).Run(); }

}  // namespace millrace::loadgen
