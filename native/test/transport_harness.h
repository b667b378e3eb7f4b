#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/disk.h"
#include "core/base/unique_fd.h"
#include "core/io/transport.h"
#include "core/log/segment_file.h"

namespace millrace::test {

// A frame as it goes over the wire.
inline std::string Framed(const std::string& body) {
  const uint32_t size = static_cast<uint32_t>(body.size());
  std::string frame;
  for (int shift = 24; shift >= 0; shift -= 8) frame += static_cast<char>(size >> shift & 0xff);
  return frame + body;
}

// Bytes that differ at every position for a long way.
inline std::string Pattern(size_t length, uint32_t seed = 1) {
  std::string bytes(length, '\0');
  for (char& b : bytes) {
    seed = seed * 1664525 + 1013904223;
    b = static_cast<char>(seed >> 24);
  }
  return bytes;
}

// Sockets and what a transport polls with; files are left out, other tests' threads may be at them.
inline size_t OpenDescriptors() {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (target.rfind("socket:", 0) == 0 || target.rfind("anon_inode:", 0) == 0) ++count;
  }
  return count;
}

// The client's end of a connection: a non-blocking socket, and what came in so far.
class Peer {
 public:
  explicit Peer(uint16_t port, int receive_buffer = 0) {
    fd_ = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(fd_.valid());
    if (receive_buffer > 0) {
      setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    REQUIRE(connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(fcntl(fd_.get(), F_SETFL, O_NONBLOCK) == 0);
  }

  int fd() const { return fd_.get(); }
  void Queue(const std::string& bytes) { unsent_ += bytes; }
  void Send(const std::string& bytes) {
    Queue(bytes);
    Write();
  }
  // Sends what the socket takes.
  void Write() {
    while (!unsent_.empty()) {
      const ssize_t n = send(fd_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
      if (n < 0) return;
      unsent_.erase(0, static_cast<size_t>(n));
    }
  }
  bool all_sent() const { return unsent_.empty(); }
  // All that was sent is in the other end's socket, read or not.
  bool all_arrived() const {
    int unacknowledged = -1;
    return unsent_.empty() && ioctl(fd_.get(), SIOCOUTQ, &unacknowledged) == 0 &&
           unacknowledged == 0;
  }
  // Receives what is there, up to `limit`.
  void Read(size_t limit = SIZE_MAX) {
    char buffer[65536];
    while (limit > 0 && !ended) {
      const ssize_t n = recv(fd_.get(), buffer, std::min(limit, sizeof buffer), 0);
      if (n > 0) {
        received.append(buffer, static_cast<size_t>(n));
        limit -= static_cast<size_t>(n);
      } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        ended = true;
        error = n < 0 ? errno : 0;
      } else {
        return;
      }
    }
  }
  void HalfClose() { shutdown(fd_.get(), SHUT_WR); }
  void Close() { fd_.Reset(); }
  void Reset() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    fd_.Reset();
  }

  std::string received;
  bool ended = false;
  int error = 0;  // that ended it; 0: the server closed in good order

 private:
  UniqueFd fd_;
  std::string unsent_;
};

struct HeldFrame {
  uint64_t connection;
  uint32_t arena;
  uint32_t position;
  std::string bytes;
};

// A transport and the loop that drives it, with everything that came out of Poll.
class Server {
 public:
  explicit Server(TransportOptions options = {}) {
    signal(SIGPIPE, SIG_IGN);  // as Node does
    Result<std::unique_ptr<Transport>> made = Transport::Create(options);
    REQUIRE(made.ok());
    transport_ = std::move(*made);
    Result<uint32_t> listener = transport_->Listen("127.0.0.1", 0, 512);
    REQUIRE(listener.ok());
    port = transport_->listener_port(*listener);
    REQUIRE(port != 0);
  }

  Transport& operator*() { return *transport_; }
  Transport* operator->() { return transport_.get(); }

  void Turn(int timeout_ms = 0) {
    Event into[64];
    size_t count;
    do {
      count = transport_->Poll({into, events_per_poll}, timeout_ms);
      for (size_t i = 0; i < count; ++i) Take(into[i]);
      timeout_ms = 0;
    } while (count == events_per_poll);
  }

  // Polls until `done` says so; a test that waits for longer than anybody would has failed.
  template <typename Done>
  void Until(Done done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done()) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      Turn(1);
    }
  }

  uint64_t Accepted() {
    const size_t before = opened.size();
    Until([&] { return opened.size() > before; });
    return opened.back();
  }

  void Release(const HeldFrame& frame) { transport_->ReleaseFrame(frame.arena, frame.position); }
  void ReleaseAll() {
    for (const HeldFrame& frame : frames) Release(frame);
    frames.clear();
  }
  void Reply(uint64_t connection, const std::string& bytes) {
    ReplyPart part{.connection = connection,
                   .bytes = reinterpret_cast<const std::byte*>(bytes.data()),
                   .length = static_cast<uint32_t>(bytes.size()),
                   .region = {}};
    transport_->Submit({&part, 1});
  }
  void ReplyRegion(uint64_t connection, FileRegion region) {
    ReplyPart part{.connection = connection, .region = std::move(region)};
    transport_->Submit({&part, 1});
  }
  bool closed_for(uint64_t connection, CloseReason reason) const {
    const auto found = closed.find(connection);
    return found != closed.end() && found->second.a == static_cast<int64_t>(reason);
  }

  uint16_t port = 0;
  size_t events_per_poll = 64;
  bool release_frames = false;  // at once; their bytes are kept
  std::vector<uint64_t> opened;
  std::deque<HeldFrame> frames;
  std::map<uint64_t, Event> closed;
  std::vector<uint64_t> drained;
  std::vector<uint64_t> congested;
  std::vector<uint64_t> gone;
  std::map<RefuseReason, int64_t> refused;
  std::string refused_peer;  // of the last report

 private:
  void Take(const Event& event) {
    // Nothing follows a connection's end.
    CHECK(closed.count(event.connection) == 0);
    switch (event.kind) {
      case EventKind::kOpened:
        opened.push_back(event.connection);
        break;
      case EventKind::kFrame: {
        const std::span<std::byte> arena = transport_->arena(static_cast<uint32_t>(event.a));
        REQUIRE(event.b + event.c <= static_cast<int64_t>(arena.size()));
        frames.push_back({event.connection, static_cast<uint32_t>(event.a),
                          static_cast<uint32_t>(event.b),
                          std::string(reinterpret_cast<const char*>(arena.data()) + event.b,
                                      static_cast<size_t>(event.c))});
        if (release_frames) Release(frames.back());
        break;
      }
      case EventKind::kClosed:
        closed[event.connection] = event;
        break;
      case EventKind::kDrained:
        drained.push_back(event.connection);
        break;
      case EventKind::kCongested:
        congested.push_back(event.connection);
        break;
      case EventKind::kGone:
        gone.push_back(event.connection);
        break;
      case EventKind::kRefused:
        refused[static_cast<RefuseReason>(event.a)] += event.b;
        refused_peer = transport_->peer_address(event.connection);
        break;
    }
  }

  std::unique_ptr<Transport> transport_;
};

// A file to make regions of.
class RegionFile {
 public:
  explicit RegionFile(const std::string& content) : cache_(4) {
    char path[] = "/tmp/millrace-region-XXXXXX";
    const UniqueFd fd(mkstemp(path));
    REQUIRE(fd.valid());
    path_ = path;
    REQUIRE(write(fd.get(), content.data(), content.size()) ==
            static_cast<ssize_t>(content.size()));
    segment_ = std::make_shared<SegmentFile>(cache_, PosixDisk(), path_);
    Result<std::shared_ptr<File>> file = segment_->file().Acquire();
    REQUIRE(file.ok());
    file_ = *file;
  }
  ~RegionFile() { unlink(path_.c_str()); }

  FileRegion Region(uint64_t position, uint64_t length) {
    return FileRegion(segment_, file_, position, length);
  }
  int fd() const { return file_->descriptor(); }
  void Invalidate() { segment_->Cut(0); }
  void DropFromPageCache() {
    REQUIRE(fdatasync(fd()) == 0);
    REQUIRE(posix_fadvise(fd(), 0, 0, POSIX_FADV_DONTNEED) == 0);
  }

 private:
  OpenFiles cache_;
  std::string path_;
  std::shared_ptr<SegmentFile> segment_;
  std::shared_ptr<File> file_;
};

}  // namespace millrace::test
