#include "fetch_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "program.h"

namespace millrace::loadgen {
namespace {

// Skipping less than this in the kernel saves less than the extra system call costs.
constexpr size_t kLeastSkip = 64 << 10;
// A connection wakes this program only when so much of an answer, or its end, has come. Otherwise
// the kernel does it for every few segments, which took two thirds of the generator's time and, on
// the same cores, half of the broker's rate.
constexpr size_t kWakeBytes = 1 << 20;
// How much of one connection's answer is read before the others get their turn.
constexpr size_t kTurnBytes = 2 << 20;

}  // namespace

void FetchConnection::Open(const Endpoint& target, EventLoop& loop, uint64_t tag) {
  socket_ = Connect(target);
  loop_ = &loop;
  tag_ = tag;
  loop.Add(socket_.get(), tag);
}

void FetchConnection::Ask(std::string_view topic, const FetchLimits& limits,
                          std::span<const FetchPosition> positions, FetchScanner::Depth depth,
                          int64_t now) {
  std::string rest = FetchRest(topic, limits, positions);
  char head[kRequestHeadBytes];
  StoreRequestHead(head, Api::kFetch, ++correlation_id_, rest.size());
  out_.Copy(head);
  out_.Copy(rest);
  asked_at_ = now;
  scanner_.Begin(depth);
}

bool FetchConnection::Receive(std::span<char> buffer) {
  for (size_t received = 0; received < kTurnBytes;) {
    ssize_t size = ReceiveSome(buffer);
    if (size == 0 || (size < 0 && errno == ECONNRESET)) Fatal("the broker closed a connection");
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno != EAGAIN) FatalErrno("recv");
    if (size < 0) break;
    received += static_cast<size_t>(size);
    if (!scanner_.done()) continue;
    WakeAt(1);
    if (scanner_.correlation_id() != correlation_id_) Fatal("the broker answered out of order");
    return true;
  }
  WakeAt(std::min(scanner_.left(), kWakeBytes));
  return false;
}

void FetchConnection::WakeAt(size_t bytes) {
  int wanted = static_cast<int>(bytes);
  if (wanted == wake_bytes_) return;
  wake_bytes_ = wanted;
  if (setsockopt(socket_.get(), SOL_SOCKET, SO_RCVLOWAT, &wanted, sizeof wanted) != 0)
    FatalErrno("SO_RCVLOWAT");
}

// With MSG_TRUNC, TCP drops the bytes in the kernel: what nobody looks at is not copied either.
ssize_t FetchConnection::ReceiveSome(std::span<char> buffer) {
  size_t skippable = scanner_.skippable();
  if (skippable >= kLeastSkip) {
    ssize_t size = recv(socket_.get(), nullptr, skippable, MSG_DONTWAIT | MSG_TRUNC);
    if (size > 0) scanner_.Skip(static_cast<size_t>(size));
    return size;
  }
  ssize_t size = recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size > 0 && !scanner_.Consume(Bytes(buffer.data(), static_cast<size_t>(size)))) {
    Fatal("cannot read a fetch response");
  }
  return size;
}

void FetchConnection::Flush() {
  if (!out_.Flush(socket_.get())) Fatal("the broker closed a connection");
  if (waits_for_room_ == !out_.empty()) return;
  waits_for_room_ = !out_.empty();
  loop_->Change(socket_.get(), tag_, waits_for_room_ ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

}  // namespace millrace::loadgen
