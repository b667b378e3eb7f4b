#include "core/io/transport_impl.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/io/transport_limits.h"

namespace millrace {
namespace {

int64_t SteadyMs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

bool Sound(const TransportOptions& o) {
  const FrameMemory memory({.arena_bytes = o.arena_bytes,
                            .own_mapping_above_bytes = o.own_mapping_above_bytes,
                            .spare_bytes = 0});
  return o.max_frame_bytes >= FrameReader::kMinFrameBytes &&
         o.max_frame_bytes <= uint32_t{INT32_MAX} && o.max_connections >= 1 &&
         o.max_connections <= ConnectionTable::kMaxConnections &&
         o.own_mapping_above_bytes <= o.arena_bytes / 2 &&
         o.control_reserve_bytes <= o.frame_budget_bytes &&
         memory.Charge(o.max_frame_bytes) <= o.frame_budget_bytes - o.control_reserve_bytes &&
         o.sender_threads >= 1 && o.cold_sender_threads >= 1 && o.body_progress_timeout_ms >= 1;
}

bool AddToEpoll(int epoll, int fd, uint64_t data) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = data;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

Result<std::unique_ptr<Transport>> Transport::Create(const TransportOptions& options) {
  if (!Sound(options)) return Status(Code::kInvalidArgument);
  TransportOptions used = options;
  if (!used.now_ms) used.now_ms = &SteadyMs;
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return Status::FromErrno(errno);
  UniqueFd wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake.valid()) return Status::FromErrno(errno);
  UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!timer.valid()) return Status::FromErrno(errno);
  if (!AddToEpoll(epoll.get(), wake.get(), kWakeTag) ||
      !AddToEpoll(epoll.get(), timer.get(), kTimerTag)) {
    return Status::FromErrno(errno);
  }
  Result<PatientPoll> patient =
      PatientPoll::Create(epoll.get(), kPatientTag, kPatientTimerTag, used.patience_ms);
  if (!patient.ok()) return patient.status();
  Result<std::unique_ptr<SenderPool>> senders =
      SenderPool::Create(used.sender_threads, used.cold_sender_threads, wake.get());
  if (!senders.ok()) return senders.status();
  return std::unique_ptr<Transport>(
      std::make_unique<TransportImpl>(used, std::move(epoll), std::move(*patient), std::move(wake),
                                      std::move(timer), std::move(*senders)));
}

TransportImpl::TransportImpl(const TransportOptions& options, UniqueFd epoll, PatientPoll patient,
                             UniqueFd wake, UniqueFd timer, std::unique_ptr<SenderPool> senders)
    : options_(options),
      epoll_(std::move(epoll)),
      patient_(std::move(patient)),
      wake_(std::move(wake)),
      timer_(std::move(timer)),
      scratch_(new std::byte[kScratchBytes]),
      memory_({.arena_bytes = options.arena_bytes,
               .own_mapping_above_bytes = options.own_mapping_above_bytes,
               .spare_bytes = options.spare_mapping_bytes}),
      budget_(options.frame_budget_bytes, options.control_reserve_bytes),
      wheel_(options.now_ms()),
      now_ms_(options.now_ms()),
      max_connections_(options.max_connections),
      max_connections_per_ip_(options.max_connections_per_ip),
      senders_(std::move(senders)) {}

// The senders first: nobody may write to a socket that is being closed.
TransportImpl::~TransportImpl() { senders_.reset(); }

size_t TransportImpl::Poll(std::span<Event> into, int timeout_ms) {
  connections_.Bury();
  for (uint64_t id : said_farewell_) farewells_.erase(id);
  said_farewell_.clear();
  in_poll_ = true;
  ++turn_;
  now_ms_ = NowMs();
  if (events_.size() < into.size()) RunTurn(into.size(), timeout_ms);
  const size_t count = events_.Take(into);
  if (count > 0) senders_->NoteTraffic();
  for (const Event& event : into.first(count)) {
    if (event.kind == EventKind::kClosed || event.kind == EventKind::kRefused) {
      said_farewell_.push_back(event.connection);
    }
  }
  in_poll_ = false;
  EndCall();
  return count;
}

void TransportImpl::RunTurn(size_t room, int timeout_ms) {
  turn_bytes_ = 0;
  const bool large = std::exchange(large_bodies_, false);
  // One at a time, so that what is reported is handled before the turn ends.
  const size_t batch = large ? 1 : kEpollBatch;
  const uint64_t turn_limit = large ? kLargeTurnBytes : kTurnBytes;
  RunReady();
  // Level-triggered: a connection that had its share, or was left over, is simply reported again,
  // and epoll reports those it has not reported for longest first. All that is reported is handled.
  std::array<epoll_event, kEpollBatch> reported;
  for (;;) {
    const bool busy = !events_.empty() || !ready_.empty();
    const int count =
        epoll_wait(epoll_.get(), reported.data(), static_cast<int>(batch), busy ? 0 : timeout_ms);
    if (count <= 0) break;  // nothing in time, or a signal
    now_ms_ = NowMs();
    for (int i = 0; i < count; ++i) {
      HandleEvent(reported[static_cast<size_t>(i)].data.u64,
                  reported[static_cast<size_t>(i)].events);
    }
    timeout_ms = 0;
    const bool more = static_cast<size_t>(count) == batch;
    if (!more || events_.size() >= room || turn_bytes_ >= turn_limit) break;
  }
  RunTimers();
}

void TransportImpl::HandleEvent(uint64_t data, uint32_t events) {
  if (data == kWakeTag) {
    uint64_t count;
    (void)!read(wake_.get(), &count, sizeof count);
    wake_pending_ = false;
    CollectJobs();
  } else if (data == kTimerTag) {
    uint64_t count;
    (void)!read(timer_.get(), &count, sizeof count);
    armed_ms_ = -1;
  } else if (data == kPatientTag) {
    patient_.OnReady();
  } else if (data == kPatientTimerTag) {
    HandlePatient();
  } else if ((data & kListenerTag) != 0) {
    AcceptWaiting(static_cast<size_t>(data & ~kListenerTag));
  } else if (Connection* c = connections_.Find(data); c != nullptr) {
    HandleConnectionEvent(*c, events);
  }
}

void TransportImpl::HandlePatient() {
  std::array<epoll_event, kPatientBatch> ready;
  const size_t count = patient_.OnDue(ready);
  for (const epoll_event& event : std::span(ready).first(count)) {
    HandleEvent(event.data.u64, event.events);
  }
}

void TransportImpl::SetPatient(uint64_t connection, bool patient) {
  Connection* c = connections_.Find(connection);
  if (c == nullptr || c->closed || c->gone || c->patient == patient) return;
  epoll_event event{};
  event.events = c->interest;
  event.data.u64 = c->id;
  const int from = EpollOf(*c);
  c->patient = patient;
  // Both sets know it for a moment; on failure it stays where it is.
  if (epoll_ctl(EpollOf(*c), EPOLL_CTL_ADD, c->fd.get(), &event) != 0) {
    c->patient = !patient;
    return;
  }
  epoll_ctl(from, EPOLL_CTL_DEL, c->fd.get(), nullptr);
}

void TransportImpl::HandleConnectionEvent(Connection& c, uint32_t events) {
  if (c.gone) return;  // reported before it left the epoll set
  if ((events & EPOLLOUT) != 0 && c.socket_full) {
    c.socket_full = false;
    Flush(c);
    if (c.closed || c.gone) return;
  }
  if (c.lingering) {
    Discard(c);
  } else if (WantsInput(c)) {
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) ReadSocket(c);
  } else if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
    // Both directions are gone while nothing was wanted of it.
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c.fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    PeerGone(c, error);
  }
}

void TransportImpl::RunReady() {
  going_on_.swap(ready_);
  for (uint64_t id : going_on_) {
    Connection* c = connections_.Find(id);
    if (c == nullptr) continue;
    c->ready = false;
    ReadOn(*c);
    if (!c->closed && c->gone) ReadOnAlthoughGone(*c);
    if (!c->closed) FinishIfDone(*c);
  }
  going_on_.clear();
}

void TransportImpl::MarkReady(Connection& c) {
  if (c.ready) return;
  c.ready = true;
  ready_.push_back(c.id);
}

void TransportImpl::EndCall() {
  if (in_poll_) return;
  ArmTimer();
  if (wake_pending_ || (events_.empty() && ready_.empty())) return;
  const uint64_t one = 1;
  wake_pending_ = write(wake_.get(), &one, sizeof one) == sizeof one;
}

void TransportImpl::UpdateInterest(Connection& c) {
  if (c.closed) return;
  if (c.gone) {
    if (WantsInput(c)) MarkReady(c);
    return;
  }
  const uint32_t wanted = (c.lingering || WantsInput(c) ? uint32_t{EPOLLIN} : 0u) |
                          (c.socket_full ? uint32_t{EPOLLOUT} : 0u);
  if (wanted == c.interest) return;
  epoll_event event{};
  event.events = wanted;
  event.data.u64 = c.id;
  if (epoll_ctl(EpollOf(c), EPOLL_CTL_MOD, c.fd.get(), &event) == 0) {
    c.interest = wanted;
  } else {
    CloseNow(c, CloseReason::kIoError, errno);
  }
}

void TransportImpl::RunTimers() {
  wheel_.Advance(now_ms_, &due_);
  for (uint32_t timer : due_) {
    if (timer == kAcceptTimer) {
      ResumeAccepting();
    } else if (Connection* c = connections_.At(timer - 1); c != nullptr && !c->closed) {
      HandleTimer(*c);
    }
  }
  due_.clear();
}

// At the deadline of a frame that began.
bool TransportImpl::TooSlow(const Connection& c) const {
  if (c.reader.in_size()) return true;
  if (!c.reader.in_body()) return false;  // its size was whole in time; now it waits for us
  const uint32_t length = c.reader.length();
  const uint32_t expected = budget_.waiting() > 0
                                ? std::max(kContendedBodyBytes, length / kContendedBodySteps)
                                : std::max<uint32_t>(1, length / kBodySteps);
  return c.reader.received() - c.body_mark < expected;
}

void TransportImpl::HandleTimer(Connection& c) {
  c.timer_ms = INT64_MAX;
  if (c.lingering) {
    if (now_ms_ >= c.linger_deadline_ms) return CloseNow(c, c.close_reason, 0);
  } else if (c.gone) {
    if (now_ms_ >= c.gone_deadline_ms) return CloseNow(c, CloseReason::kPeer, c.gone_error);
  } else if (BodyIsDue(c)) {
    if (TooSlow(c)) return CloseNow(c, CloseReason::kStalledBody, 0);
    c.body_mark = c.reader.received();
    c.body_deadline_ms = c.reader.in_body() ? now_ms_ + options_.body_progress_timeout_ms : 0;
  }
  if (c.closed) return;
  // Whom we keep waiting ourselves, without owing us the reading of a reply, is not idle.
  const bool our_turn = c.output_empty() && !c.lingering && !WantsInput(c);
  if (our_turn) c.last_active_ms = now_ms_;
  if (options_.idle_timeout_ms > 0 && now_ms_ - c.last_active_ms >= options_.idle_timeout_ms) {
    return CloseNow(c, CloseReason::kIdle, 0);
  }
  ScheduleTimer(c);
}

// Whether the connection is to be judged by what came in since its deadline was set. What waits in
// the socket below its low-water mark counts, so it is read first.
bool TransportImpl::BodyIsDue(Connection& c) {
  const auto due = [&] {
    return c.body_deadline_ms != 0 && !c.paused && now_ms_ >= c.body_deadline_ms;
  };
  if (due() && c.low_water > 1 && WantsInput(c)) ReadSocket(c);
  return !c.closed && due();
}

void TransportImpl::ScheduleTimer(Connection& c) {
  int64_t at = INT64_MAX;
  if (options_.idle_timeout_ms > 0) at = c.last_active_ms + options_.idle_timeout_ms;
  if (c.lingering) at = std::min(at, c.linger_deadline_ms);
  if (c.gone) at = std::min(at, c.gone_deadline_ms);
  if (c.body_deadline_ms != 0 && !c.paused && !c.gone) at = std::min(at, c.body_deadline_ms);
  // An earlier one looks again when it fires, so activity need not move it.
  if (at >= c.timer_ms) return;
  c.timer_ms = at;
  wheel_.Schedule(ConnectionTable::SlotOf(c.id) + 1, at);
}

void TransportImpl::ArmTimer() {
  const int64_t next = wheel_.NextDueMs();
  if (next < 0 || (armed_ms_ >= 0 && armed_ms_ <= next)) return;
  const int64_t wait_ms = std::max<int64_t>(1, next - now_ms_);
  itimerspec spec{};
  spec.it_value.tv_sec = wait_ms / 1000;
  spec.it_value.tv_nsec = wait_ms % 1000 * 1'000'000;
  if (timerfd_settime(timer_.get(), 0, &spec, nullptr) == 0) armed_ms_ = next;
}

void TransportImpl::Close(uint64_t connection, bool after_replies) {
  Connection* c = connections_.Find(connection);
  if (c == nullptr) return;
  now_ms_ = NowMs();
  if (after_replies) {
    CloseAfterReplies(*c, CloseReason::kRequested);
  } else {
    CloseNow(*c, CloseReason::kRequested, 0);
  }
  EndCall();
}

void TransportImpl::Shutdown() {
  now_ms_ = NowMs();
  StopListening();
  for (uint32_t slot = 0; slot < connections_.slots(); ++slot) {
    Connection* c = connections_.At(slot);
    if (c != nullptr && !c->closed) CloseAfterReplies(*c, CloseReason::kShutdown);
  }
  EndCall();
}

void TransportImpl::CloseAfterReplies(Connection& c, CloseReason reason) {
  if (c.closing) return;
  c.closing = true;
  c.close_reason = reason;
  DropInput(c);
  if (c.output_empty()) {
    OutputDone(c);
  } else {
    UpdateInterest(c);
  }
}

void TransportImpl::CloseNow(Connection& c, CloseReason reason, int error) {
  if (c.closed) return;
  DropInput(c);
  c.closed = true;
  wheel_.Cancel(ConnectionTable::SlotOf(c.id) + 1);
  events_.Push({.kind = EventKind::kClosed,
                .connection = c.id,
                .a = static_cast<int64_t>(reason),
                .b = error});
  farewells_.emplace(c.id, c.peer);
  --stats_.connections;
  CountUnsent(c);
  peers_.Remove(c.peer);
  if (reason == CloseReason::kUnsentLimit || reason == CloseReason::kRegionInvalid ||
      reason == CloseReason::kStalledBody) {
    // A reset: the kernel need not keep what the peer does not read, and a reply that was cut short
    // cannot be taken for a whole one.
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(c.fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  if (c.lent) {
    epoll_ctl(EpollOf(c), EPOLL_CTL_DEL, c.fd.get(), nullptr);
    shutdown(c.fd.get(), SHUT_RDWR);
  } else {
    Forget(c);
  }
}

void TransportImpl::Forget(Connection& c) {
  c.fd.Reset();
  c.output = OutputQueue();
  connections_.Remove(c);
  ResumeAccepting();
}

// The peer has closed its direction: it gets what was submitted, no longer.
void TransportImpl::FinishIfDone(Connection& c) {
  if (c.read_ended && !c.closing && c.carry.empty() && c.wait == Connection::Wait::kNone &&
      c.output_empty()) {
    CloseNow(c, CloseReason::kPeer, c.gone_error);
  }
}

std::string TransportImpl::peer_address(uint64_t connection) const {
  if (const Connection* c = connections_.Find(connection); c != nullptr) return c->peer.ToString();
  const auto found = farewells_.find(connection);
  return found == farewells_.end() ? std::string() : found->second.ToString();
}

Transport::Stats TransportImpl::stats() const {
  Stats stats = stats_;
  stats.arena_bytes = memory_.resident_bytes();
  stats.parked = budget_.waiting();
  stats.carried_bytes = carried_bytes_;
  for (uint32_t slot = 0; slot < connections_.slots(); ++slot) {
    const Connection* c = connections_.At(slot);
    if (c != nullptr) stats.replies_queued_bytes += c->unsent_bytes();
  }
  return stats;
}

}  // namespace millrace
