#include <algorithm>
#include <memory>
#include <vector>

#include "admin.h"
#include "event_loop.h"
#include "fetch_connection.h"
#include "modes.h"
#include "program.h"
#include "window.h"

namespace millrace::loadgen {
namespace {

class FetchRun {
 public:
  explicit FetchRun(const Options& options)
      : options_(options),
        window_(options.broker_pid),
        channels_(static_cast<size_t>(options.connections)) {}

  int Run();

 private:
  struct Channel {
    FetchConnection connection;
    std::vector<FetchPosition> positions;
  };

  void Assign();
  void Loop();
  void Ask(Channel& channel, int64_t now);
  void Answered(Channel& channel, int64_t now);
  void MoveOn(Channel& channel, const FetchScanner::Partition& partition);
  bool AtEnd() const;
  int Finish();

  const Options& options_;
  EventLoop loop_;
  Window window_;
  std::vector<Channel> channels_;
  std::vector<Admin::Range> ranges_;
  std::vector<int64_t> ends_reached_;  // by partition: how often it was read to its end
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
  ends_reached_.resize(ranges_.size());
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
    channels_[i].connection.Open(options_.target, loop_, i);
    Ask(channels_[i], started_at);
    channels_[i].connection.Flush();
  }
  for (int64_t now = started_at; now < closes_at; now = NowNs()) {
    if (!window_.is_opened() && now >= opens_at) window_.Open(now);
    for (const epoll_event& event : loop_.Wait(window_.is_opened() ? closes_at : opens_at)) {
      Channel& channel = channels_[event.data.u64];
      bool readable = (event.events & ~static_cast<uint32_t>(EPOLLOUT)) != 0;
      if (readable && channel.connection.Receive(buffer_)) {
        int64_t answered_at = NowNs();
        Answered(channel, answered_at);
        Ask(channel, answered_at);
      }
      channel.connection.Flush();
    }
    if (options_.once && AtEnd()) break;
  }
  window_.Close(NowNs());
}

void FetchRun::Ask(Channel& channel, int64_t now) {
  FetchLimits limits;
  limits.max_bytes = options_.max_bytes;
  limits.partition_max_bytes = options_.partition_max_bytes;
  // A response may be too small for all partitions: each in turn comes first.
  std::rotate(channel.positions.begin(), channel.positions.begin() + 1, channel.positions.end());
  using Depth = FetchScanner::Depth;
  bool verify = options_.verify_every > 0 && answers_ % options_.verify_every == 0;
  Depth depth = options_.raw ? Depth::kFrameOnly : verify ? Depth::kVerify : Depth::kHeaders;
  channel.connection.Ask(options_.topic, limits, channel.positions, depth, now);
}

void FetchRun::Answered(Channel& channel, int64_t now) {
  const FetchScanner& scanner = channel.connection.answer();
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
    latency_.Record(now - channel.connection.asked_at());
  }
}

void FetchRun::MoveOn(Channel& channel, const FetchScanner::Partition& partition) {
  if (partition.error != 0) ++errors_[partition.error];
  if (partition.next_offset < 0) return;
  for (FetchPosition& position : channel.positions) {
    if (position.partition != partition.index) continue;
    const Admin::Range& range = ranges_[static_cast<size_t>(partition.index)];
    if (partition.next_offset <= position.offset)
      Fatal("a fetch returned only batches before its offset");
    bool ended = partition.next_offset >= range.next;
    position.offset = ended ? range.first : partition.next_offset;
    if (ended) ++ends_reached_[static_cast<size_t>(partition.index)];
  }
}

bool FetchRun::AtEnd() const {
  return std::all_of(ends_reached_.begin(), ends_reached_.end(), [](int64_t n) { return n > 0; });
}

int FetchRun::Finish() {
  int64_t verified = 0;
  int64_t corrupt = 0;
  for (const Channel& channel : channels_) {
    verified += channel.connection.answer().verified_batches();
    corrupt += channel.connection.answer().corrupt_batches();
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
