#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "admin.h"
#include "event_loop.h"
#include "fetch_scanner.h"
#include "modes.h"
#include "program.h"
#include "send_queue.h"
#include "window.h"

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

class FetchRun {
 public:
  explicit FetchRun(const Options& options)
      : options_(options),
        window_(options.broker_pid),
        channels_(static_cast<size_t>(options.connections)) {}

  int Run();

 private:
  struct Channel {
    Descriptor socket;
    SendQueue out;
    FetchScanner scanner;
    std::vector<FetchPosition> positions;
    int64_t sent_at = 0;
    int32_t correlation_id = 0;
    bool waits_for_room = false;
    int wake_bytes = 1;
  };

  void Assign();
  void Loop();
  void Ask(Channel& channel, int64_t now);
  void Receive(Channel& channel);
  ssize_t ReceiveSome(Channel& channel);
  void WakeAt(Channel& channel, size_t bytes);
  void Answered(Channel& channel, int64_t now);
  void MoveOn(Channel& channel, const FetchScanner::Partition& partition);
  void Flush(size_t index);
  int Finish();

  const Options& options_;
  EventLoop loop_;
  Window window_;
  std::vector<Channel> channels_;
  std::vector<Admin::Range> ranges_;
  std::vector<char> buffer_ = std::vector<char>(128 << 10);
  int64_t answers_ = 0;

  // Of the window.
  int64_t requests_ = 0;
  int64_t bytes_ = 0;
  int64_t wire_bytes_ = 0;
  int64_t records_ = 0;
  int64_t empty_ = 0;
  Histogram latency_;
  ErrorCounts errors_;
};

int FetchRun::Run() {
  std::unique_ptr<Admin> admin;
  if (options_.raw) {
    ranges_.resize(static_cast<size_t>(options_.partitions));
  } else {
    admin = std::make_unique<Admin>(options_.target);
    ranges_ = admin->Offsets(options_.topic, admin->PartitionCount(options_.topic));
    for (const Admin::Range& range : ranges_) {
      if (range.first >= range.next)
        Fatal("a partition of %s holds nothing to fetch", options_.topic.c_str());
    }
  }
  Assign();
  Loop();
  if (admin != nullptr && !options_.keep_topic) admin->DeleteTopic(options_.topic);
  return Finish();
}

// Spreads the partitions over the connections, as a group's members have them; where there are more
// connections than partitions, several read the same one.
void FetchRun::Assign() {
  for (size_t i = 0; i < std::max(ranges_.size(), channels_.size()); ++i) {
    size_t partition = i % ranges_.size();
    FetchPosition start{static_cast<int32_t>(partition), ranges_[partition].first};
    channels_[i % channels_.size()].positions.push_back(start);
  }
}

void FetchRun::Loop() {
  int64_t started_at = NowNs();
  int64_t opens_at = started_at + static_cast<int64_t>(options_.warmup_seconds * 1e9);
  int64_t closes_at = opens_at + static_cast<int64_t>(options_.seconds * 1e9);
  for (size_t i = 0; i < channels_.size(); ++i) {
    channels_[i].socket = Connect(options_.target);
    loop_.Add(channels_[i].socket.get(), i);
    Ask(channels_[i], started_at);
    Flush(i);
  }
  for (int64_t now = started_at; now < closes_at; now = NowNs()) {
    if (!window_.is_opened() && now >= opens_at) window_.Open(now);
    for (const epoll_event& event : loop_.Wait(window_.is_opened() ? closes_at : opens_at)) {
      auto index = static_cast<size_t>(event.data.u64);
      if ((event.events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) Receive(channels_[index]);
      Flush(index);
    }
  }
  window_.Close(NowNs());
}

void FetchRun::Ask(Channel& channel, int64_t now) {
  FetchLimits limits;
  limits.max_bytes = options_.max_bytes;
  limits.partition_max_bytes = options_.partition_max_bytes;
  // A response may be too small for all partitions: each in turn comes first.
  std::rotate(channel.positions.begin(), channel.positions.begin() + 1, channel.positions.end());
  std::string rest = FetchRest(options_.topic, limits, channel.positions);
  char head[kRequestHeadBytes];
  StoreRequestHead(head, Api::kFetch, ++channel.correlation_id, rest.size());
  channel.out.Copy(head);
  channel.out.Copy(rest);
  channel.sent_at = now;

  using Depth = FetchScanner::Depth;
  bool verify = options_.verify_every > 0 && answers_ % options_.verify_every == 0;
  channel.scanner.Begin(options_.raw ? Depth::kFrameOnly
                        : verify     ? Depth::kVerify
                                     : Depth::kHeaders);
}

void FetchRun::Receive(Channel& channel) {
  for (size_t received = 0; received < kTurnBytes;) {
    ssize_t size = ReceiveSome(channel);
    if (size == 0 || (size < 0 && errno == ECONNRESET)) Fatal("the broker closed a connection");
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno != EAGAIN) FatalErrno("recv");
    if (size < 0) break;
    received += static_cast<size_t>(size);
    if (!channel.scanner.done()) continue;
    WakeAt(channel, 1);
    Answered(channel, NowNs());
    return;
  }
  WakeAt(channel, std::min(channel.scanner.left(), kWakeBytes));
}

void FetchRun::WakeAt(Channel& channel, size_t bytes) {
  int wanted = static_cast<int>(bytes);
  if (wanted == channel.wake_bytes) return;
  channel.wake_bytes = wanted;
  int fd = channel.socket.get();
  if (setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &wanted, sizeof wanted) != 0)
    FatalErrno("SO_RCVLOWAT");
}

// With MSG_TRUNC, TCP drops the bytes in the kernel: what nobody looks at is not copied either.
ssize_t FetchRun::ReceiveSome(Channel& channel) {
  int fd = channel.socket.get();
  size_t skippable = channel.scanner.skippable();
  if (skippable >= kLeastSkip) {
    ssize_t size = recv(fd, nullptr, skippable, MSG_DONTWAIT | MSG_TRUNC);
    if (size > 0) channel.scanner.Skip(static_cast<size_t>(size));
    return size;
  }
  ssize_t size = recv(fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (size > 0 && !channel.scanner.Consume(Bytes(buffer_.data(), static_cast<size_t>(size)))) {
    Fatal("cannot read a fetch response");
  }
  return size;
}

void FetchRun::Answered(Channel& channel, int64_t now) {
  const FetchScanner& scanner = channel.scanner;
  if (scanner.correlation_id() != channel.correlation_id) Fatal("the broker answered out of order");
  ++answers_;
  if (scanner.error() != 0) ++errors_[scanner.error()];
  bool counts = window_.Contains(now);
  int64_t bytes = 0;
  for (const FetchScanner::Partition& partition : scanner.partitions()) {
    MoveOn(channel, partition);
    bytes += partition.batch_bytes;
    if (counts) records_ += partition.records;
  }
  if (counts) {
    ++requests_;
    bytes_ += bytes;
    wire_bytes_ += scanner.frame_bytes();
    if (bytes == 0) ++empty_;
    latency_.Record(now - channel.sent_at);
  }
  Ask(channel, now);
}

void FetchRun::MoveOn(Channel& channel, const FetchScanner::Partition& partition) {
  if (partition.error != 0) ++errors_[partition.error];
  if (partition.next_offset < 0) return;
  for (FetchPosition& position : channel.positions) {
    if (position.partition != partition.index) continue;
    const Admin::Range& range = ranges_[static_cast<size_t>(partition.index)];
    if (partition.next_offset <= position.offset)
      Fatal("a fetch returned only batches before its offset");
    position.offset = partition.next_offset < range.next ? partition.next_offset : range.first;
  }
}

void FetchRun::Flush(size_t index) {
  Channel& channel = channels_[index];
  if (!channel.out.Flush(channel.socket.get())) Fatal("the broker closed a connection");
  if (channel.waits_for_room == !channel.out.empty()) return;
  channel.waits_for_room = !channel.out.empty();
  loop_.Change(channel.socket.get(), index, channel.waits_for_room ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

int FetchRun::Finish() {
  int64_t verified = 0;
  int64_t corrupt = 0;
  for (const Channel& channel : channels_) {
    verified += channel.scanner.verified_batches();
    corrupt += channel.scanner.corrupt_batches();
  }
  Report report;
  report.Text("mode", "fetch");
  window_.AddTo(report);
  report.Count("requests", requests_)
      .Count("records", records_)
      .Count("bytes", options_.raw ? wire_bytes_ : bytes_);
  report.Count("wireBytes", wire_bytes_).Count("emptyResponses", options_.raw ? 0 : empty_);
  report.Latency("fetchMicros", latency_).Errors("errors", errors_);
  report.Count("verifiedBatches", verified).Count("corruptBatches", corrupt);
  bool ok = errors_.empty() && corrupt == 0 && requests_ > 0 && (options_.raw || empty_ == 0);
  report.Flag("ok", ok).Print();
  return ok ? 0 : 1;
}

}  // namespace

int RunFetch(const Options& options) { return FetchRun(options).Run(); }

}  // namespace millrace::loadgen
