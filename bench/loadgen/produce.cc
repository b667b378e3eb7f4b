#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include "event_loop.h"
#include "frame_reader.h"
#include "modes.h"
#include "produce_plan.h"
#include "program.h"
#include "slices.h"
#include "tail_readers.h"
#include "window.h"

namespace millrace::loadgen {
namespace {

// A broker that fell behind a rate gets this long to catch up, so that how late it was is known.
constexpr int64_t kDrainLimitNs = 10 * kNsPerSecond;
constexpr int64_t kStoredLimitNs = 5 * kNsPerSecond;
// An open loop that is this many requests behind measures nothing but its own queue.
constexpr size_t kMostOutstanding = 1'000'000;

class ProduceRun {
 public:
  explicit ProduceRun(const Options& options)
      : options_(options),
        plan_(options),
        window_(options.broker_pid),
        channels_(ChannelCount(options)),
        readers_(static_cast<size_t>(options.readers)),
        slices_(options.seconds, options.slice_seconds) {}

  int Run();

 private:
  struct Sent {
    int64_t since = 0;  // when it left; in an open loop, when it was due
    size_t request = 0;
  };
  struct Channel {
    Descriptor socket;
    SendQueue out;
    FrameReader in;
    std::deque<Sent> in_flight;
    size_t next_request = 0;
    int32_t next_correlation_id = 0;
    bool waits_for_room = false;
  };

  static size_t ChannelCount(const Options& options) {
    return static_cast<size_t>(options.connections);
  }

  void ConnectAll();
  void Loop();
  void Advance(int64_t now);
  void SendDue(int64_t now);
  void Fill(Channel& channel, int64_t now);
  void Send(Channel& channel, int64_t since);
  void Receive(Channel& channel);
  void Answered(Channel& channel, Bytes frame, int64_t now);
  void Flush(size_t index);
  void Count(const ProducePlan::Request& request, int64_t stored);
  void Arrived(const Sent& sent, int64_t now);
  void CountUnanswered(int64_t now);
  int64_t StoredRecords(Admin& admin);
  int Finish(Admin* admin);
  int64_t At(double seconds) const;
  // When no more comes due.
  int64_t EndsAt() const;

  bool by_bytes() const { return options_.total_bytes > 0; }
  bool open_loop() const { return options_.rate > 0; }
  // acks=0: a request is done with when the socket has taken it, and its rate is what the broker
  // takes in. What it stored is compared at the end.
  bool unacknowledged() const { return options_.acks == 0; }
  bool Draining() const {
    return outstanding_ > 0 ||
           (readers_.count() > 0 && readers_.slowest_records() < acknowledged_records_);
  }

  const Options& options_;
  ProducePlan plan_;
  EventLoop loop_;
  Window window_;
  std::vector<Channel> channels_;
  TailReaders readers_;
  std::vector<char> buffer_ = std::vector<char>(256 << 10);

  bool sending_ = true;
  int64_t started_at_ = 0;
  int64_t drain_until_ = 0;
  int64_t due_ = 0;  // open loop: how many requests have come due
  size_t outstanding_ = 0;
  bool overloaded_ = false;
  int64_t sent_bytes_ = 0;

  // Of the whole run, to compare with what the broker stored.
  int64_t acknowledged_records_ = 0;
  ErrorCounts errors_;
  int64_t unanswered_ = 0;
  // Of the window.
  int64_t requests_ = 0;
  int64_t records_ = 0;
  int64_t bytes_ = 0;
  Histogram latency_;
  Histogram lateness_;
  Slices slices_;
};

int ProduceRun::Run() {
  std::unique_ptr<Admin> admin;
  if (!options_.raw) {
    admin = std::make_unique<Admin>(options_.target);
    admin->CreateTopic(options_.topic, options_.partitions, options_.topic_configs);
  }
  ConnectAll();
  readers_.Start(options_.target, options_.topic, options_.partitions, loop_, channels_.size(),
                 window_);
  Loop();
  return Finish(admin.get());
}

void ProduceRun::ConnectAll() {
  for (size_t i = 0; i < channels_.size(); ++i) {
    Channel& channel = channels_[i];
    channel.socket = Connect(options_.target);
    SetNonBlocking(channel.socket.get());
    channel.next_request = i % plan_.requests().size();
    loop_.Add(channel.socket.get(), i);
  }
}

void ProduceRun::Loop() {
  if (open_loop()) {
    // Timers may fire 50 us late by default, which would be counted as the broker's latency.
    prctl(PR_SET_TIMERSLACK, 1UL);
    constexpr double kShortestTickNs = 50'000;
    loop_.Tick(static_cast<int64_t>(std::max(kNsPerSecond / options_.rate, kShortestTickNs)));
  }
  started_at_ = NowNs();
  Advance(started_at_);
  if (!open_loop()) {
    for (Channel& channel : channels_) Fill(channel, started_at_);
  }
  for (size_t i = 0; i < channels_.size(); ++i) Flush(i);

  while (sending_ || (Draining() && NowNs() < drain_until_)) {
    constexpr int64_t kLongestWaitNs = 10'000'000;
    for (const epoll_event& event : loop_.Wait(NowNs() + kLongestWaitNs)) {
      if (event.data.u64 == EventLoop::kTick) continue;
      if (readers_.Owns(event.data.u64)) {
        readers_.OnEvent(event);
        continue;
      }
      auto index = static_cast<size_t>(event.data.u64);
      if ((event.events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) Receive(channels_[index]);
      if (unacknowledged()) Fill(channels_[index], NowNs());
      Flush(index);
    }
    int64_t now = NowNs();
    // Before the end is noticed: what came due before it counts, however late this is run.
    if (open_loop() && sending_) SendDue(std::min(now, EndsAt()));
    Advance(now);
  }
  int64_t now = NowNs();
  if (!window_.is_closed()) window_.Close(now);
  CountUnanswered(now);
}

int64_t ProduceRun::At(double seconds) const {
  return started_at_ + static_cast<int64_t>(seconds * 1e9);
}

int64_t ProduceRun::EndsAt() const {
  return by_bytes() ? std::numeric_limits<int64_t>::max()
                    : At(options_.warmup_seconds + options_.seconds);
}

// Opens and closes the window and ends the sending, as time or bytes demand.
void ProduceRun::Advance(int64_t now) {
  if (!window_.is_opened() && now >= At(options_.warmup_seconds)) window_.Open(now);
  if (!sending_) return;
  if (by_bytes() ? sent_bytes_ < options_.total_bytes : now < EndsAt()) return;
  sending_ = false;
  drain_until_ = now + kDrainLimitNs;
  // A run by bytes ends with its last answer.
  if (!by_bytes()) window_.Close(now);
}

void ProduceRun::SendDue(int64_t now) {
  auto due = static_cast<int64_t>(static_cast<double>(now - started_at_) * options_.rate / 1e9);
  for (; due_ < due; ++due_) {
    if (outstanding_ == kMostOutstanding) {
      overloaded_ = true;
      return;
    }
    int64_t since =
        started_at_ + static_cast<int64_t>(static_cast<double>(due_ + 1) * 1e9 / options_.rate);
    size_t index = static_cast<size_t>(due_) % channels_.size();
    Send(channels_[index], since);
    if (window_.Contains(since)) lateness_.Record(now - since);
    Flush(index);
  }
}

void ProduceRun::Fill(Channel& channel, int64_t now) {
  if (unacknowledged()) {
    for (int i = 0; sending_ && channel.out.empty() && i < options_.depth; ++i) Send(channel, now);
    return;
  }
  while (sending_ && channel.in_flight.size() < static_cast<size_t>(options_.depth))
    Send(channel, now);
}

void ProduceRun::Send(Channel& channel, int64_t since) {
  const ProducePlan::Request& request = plan_.requests()[channel.next_request];
  plan_.Send(channel.next_request, channel.next_correlation_id, since, channel.out);
  sent_bytes_ += static_cast<int64_t>(request.batch_bytes);
  ++channel.next_correlation_id;
  if (unacknowledged()) {
    acknowledged_records_ += request.record_count;
    if (window_.Contains(since)) Count(request, request.partition_count);
  } else {
    channel.in_flight.push_back(Sent{since, channel.next_request});
    ++outstanding_;
  }
  channel.next_request = (channel.next_request + 1) % plan_.requests().size();
  if (options_.total_bytes > 0 && sent_bytes_ >= options_.total_bytes) Advance(since);
}

void ProduceRun::Receive(Channel& channel) {
  ssize_t size = recv(channel.socket.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (size == 0 || (size < 0 && errno == ECONNRESET)) Fatal("the broker closed a connection");
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size < 0) FatalErrno("recv");
  int64_t now = NowNs();
  channel.in.Feed(Bytes(buffer_.data(), static_cast<size_t>(size)),
                  [&](Bytes frame) { Answered(channel, frame, now); });
  if (!open_loop()) Fill(channel, now);
}

void ProduceRun::Answered(Channel& channel, Bytes frame, int64_t now) {
  auto expected = channel.next_correlation_id - static_cast<int32_t>(channel.in_flight.size());
  if (channel.in_flight.empty() || LoadBigEndian<int32_t>(frame.data()) != expected) {
    Fatal("the broker answered out of order");
  }
  Sent sent = channel.in_flight.front();
  channel.in_flight.pop_front();
  --outstanding_;

  const ProducePlan::Request& request = plan_.requests()[sent.request];
  size_t failed = 0;
  if (!options_.raw && !ReadProduceResponse(frame.subspan(4), errors_, failed)) {
    Fatal("cannot read a produce response");
  }
  auto stored = static_cast<int64_t>(request.partition_count) - static_cast<int64_t>(failed);
  acknowledged_records_ += request.record_count / request.partition_count * stored;
  if (window_.Contains(open_loop() ? sent.since : now)) Arrived(sent, now);
  if (window_.Contains(now)) Count(request, stored);
}

// One request, of which `stored` partitions were stored, in the window's rates.
void ProduceRun::Count(const ProducePlan::Request& request, int64_t stored) {
  if (stored == request.partition_count) ++requests_;
  records_ += request.record_count / request.partition_count * stored;
  bytes_ += static_cast<int64_t>(request.batch_bytes) / request.partition_count * stored;
}

void ProduceRun::Arrived(const Sent& sent, int64_t now) {
  latency_.Record(now - sent.since);
  slices_.Record(sent.since - window_.opened_at(), now - sent.since);
}

void ProduceRun::Flush(size_t index) {
  Channel& channel = channels_[index];
  if (!channel.out.Flush(channel.socket.get())) Fatal("the broker closed a connection");
  // Without answers, room in the socket is what asks for more.
  bool wants_room = !channel.out.empty() || (unacknowledged() && sending_);
  if (channel.waits_for_room == wants_room) return;
  channel.waits_for_room = wants_room;
  loop_.Change(channel.socket.get(), index, channel.waits_for_room ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

// What was never answered is as slow as the wait for it, not absent: leaving it out would flatter
// the percentiles.
void ProduceRun::CountUnanswered(int64_t now) {
  unanswered_ = static_cast<int64_t>(outstanding_);
  for (const Channel& channel : channels_) {
    for (const Sent& sent : channel.in_flight) {
      if (window_.Contains(sent.since)) Arrived(sent, now);
    }
  }
}

// How many records consumers can read. acks=1 is answered before they may: the high watermark
// follows. acks=0 is not answered at all.
int64_t ProduceRun::StoredRecords(Admin& admin) {
  for (int64_t limit = NowNs() + kStoredLimitNs;;) {
    std::vector<Admin::Range> ranges = admin.Offsets(options_.topic, options_.partitions);
    auto add = [](int64_t sum, const Admin::Range& range) { return sum + range.next; };
    int64_t stored = std::accumulate(ranges.begin(), ranges.end(), int64_t{0}, add);
    if (stored >= acknowledged_records_ || NowNs() > limit) return stored;
    constexpr useconds_t kPollUs = 20'000;
    usleep(kPollUs);
  }
}

int ProduceRun::Finish(Admin* admin) {
  Report report;
  report.Text("mode", open_loop() ? "latency" : "produce");
  window_.AddTo(report);
  report.Count("requests", requests_).Count("records", records_).Count("bytes", bytes_);
  report.Count("requestBytes", static_cast<int64_t>(plan_.requests()[0].batch_bytes));
  report.Count("recordsPerRequest", plan_.requests()[0].record_count);
  report.Count("sentBytes", sent_bytes_);
  if (!unacknowledged()) report.Latency("ackMicros", latency_);
  if (open_loop()) report.Latency("lateMicros", lateness_).Flag("overloaded", overloaded_);
  if (options_.slice_seconds > 0) report.Slices("slices", slices_.all());
  bool ok = errors_.empty() && readers_.errors().empty();
  int64_t unread = 0;
  if (readers_.count() > 0) {
    unread = acknowledged_records_ - readers_.slowest_records();
    report.Latency("endToEndMicros", readers_.latency());
    report.Count("readBytes", readers_.window_bytes()).Count("unreadRecords", unread);
    report.Errors("readErrors", readers_.errors());
  }
  report.Errors("errors", errors_).Count("unanswered", unanswered_);
  // A rate that was too high is a result; a request that got no answer otherwise is a failure.
  bool kept_up = unanswered_ == 0 && unread <= 0 && !overloaded_;
  if (open_loop()) report.Flag("keptUp", kept_up);
  ok = ok && (kept_up || open_loop());
  if (admin != nullptr) {
    // Requests whose answer did not come may be stored or not; otherwise the counts agree exactly.
    int64_t stored = StoredRecords(*admin);
    report.Count("acknowledgedRecords", acknowledged_records_).Count("storedRecords", stored);
    ok = ok &&
         (stored == acknowledged_records_ || (unanswered_ > 0 && stored > acknowledged_records_));
    if (!options_.keep_topic) admin->DeleteTopic(options_.topic);
  }
  report.Flag("ok", ok).Print();
  return ok ? 0 : 1;
}

}  // namespace

int RunProduce(const Options& options) { return ProduceRun(options).Run(); }

}  // namespace millrace::loadgen
