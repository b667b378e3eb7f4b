#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "core/io/transport_impl.h"
#include "core/io/transport_limits.h"

namespace millrace {
namespace {

bool IsPeerGone(int error) {
  return error == EPIPE || error == ECONNRESET || error == ETIMEDOUT || error == EHOSTUNREACH ||
         error == ENETUNREACH;
}

}  // namespace

void TransportImpl::Submit(std::span<ReplyPart> parts) {
  now_ms_ = NowMs();
  Connection* c = nullptr;
  // First everything is queued, then each connection is written to once, with all its parts.
  for (ReplyPart& part : parts) {
    if (c == nullptr || c->id != part.connection) c = connections_.Find(part.connection);
    if (c == nullptr || c->closing || c->gone) continue;
    if (part.bytes != nullptr) {
      c->output.AddBorrowed(part.bytes, part.length);
    } else {
      c->output.AddRegion(std::move(part.region));
    }
    if (part.last) ++stats_.replies;
    if (!c->touched) {
      c->touched = true;
      touched_.push_back(c);
    }
  }
  for (Connection* each : touched_) {
    each->touched = false;
    Flush(*each);
    if (each->closed) continue;
    if (each->unsent_bytes() > options_.connection_unsent_bytes) {
      CloseNow(*each, CloseReason::kUnsentLimit, 0);
      continue;
    }
    each->output.OwnBorrowed();
    CountUnsent(*each);
    if (each->unsent_bytes() > kCongestedBytes && !each->congested) {
      each->congested = each->notify_drained = true;
      events_.Push({.kind = EventKind::kCongested, .connection = each->id});
    }
  }
  touched_.clear();
  DropSlowReaders();
  EndCall();
}

void TransportImpl::Flush(Connection& c) {
  if (c.lent || c.socket_full || c.closed) return UpdateInterest(c);
  WriteResult result =
      c.output.Write(c.fd.get(), {.bytes = kWriteTurnBytes,
                                  .inline_region_bytes = options_.inline_region_bytes,
                                  .wait_for_disk = false});
  if (result.stop == WriteStop::kLargeRegion && begun_turn_ != turn_) BeginLarge(c, &result);
  stats_.bytes_out += result.sent;
  stats_.sendfile_bytes += result.sent_from_files;
  AfterWrite(c, result);
}

// A sender takes about as long to wake up as a first part takes to be sent, so the loop sends that
// meanwhile: one in a turn. What is not in the page cache it leaves as it is.
void TransportImpl::BeginLarge(Connection& c, WriteResult* result) {
  begun_turn_ = turn_;
  senders_->Rouse();
  const WriteResult begun = c.output.Write(
      c.fd.get(),
      {.bytes = kFirstPartBytes, .inline_region_bytes = UINT64_MAX, .wait_for_disk = false});
  result->sent += begun.sent;
  result->sent_from_files += begun.sent_from_files;
  result->error = begun.error;
  result->stop = begun.stop == WriteStop::kTurnOver ? WriteStop::kLargeRegion : begun.stop;
}

// Of a connection that is closed nothing is counted any more.
void TransportImpl::CountUnsent(Connection& c) {
  const uint64_t unsent = c.closed ? 0 : c.unsent_bytes();
  unsent_bytes_ += unsent - c.counted_unsent_bytes;
  c.counted_unsent_bytes = unsent;
}

// Rare, so it may look at all connections.
void TransportImpl::DropSlowReaders() {
  while (unsent_bytes_ > options_.total_unsent_bytes) {
    Connection* worst = nullptr;
    uint64_t worst_score = 0;
    for (uint32_t slot = 0; slot < connections_.slots(); ++slot) {
      Connection* c = connections_.At(slot);
      if (c == nullptr || c->closed) continue;
      const auto quiet_ms = static_cast<uint64_t>(now_ms_ - c->last_active_ms);
      const uint64_t score = c->counted_unsent_bytes * (quiet_ms + 1);
      if (score > worst_score) {
        worst = c;
        worst_score = score;
      }
    }
    if (worst == nullptr) return;
    CloseNow(*worst, CloseReason::kUnsentLimit, 0);
  }
}

void TransportImpl::AfterWrite(Connection& c, const WriteResult& result) {
  if (result.sent > 0) c.last_active_ms = now_ms_;
  switch (result.stop) {
    case WriteStop::kEmpty:
      break;
    case WriteStop::kSocketFull:
    case WriteStop::kTurnOver:
      c.socket_full = true;
      break;
    case WriteStop::kLargeRegion:
      Lend(c, false);
      break;
    case WriteStop::kColdRegion:
      Lend(c, true);
      break;
    case WriteStop::kRegionInvalid:
      c.output.TellFile(result);
      return CloseNow(c, CloseReason::kRegionInvalid, 0);
    case WriteStop::kError:
      c.output.TellFile(result);
      if (IsPeerGone(result.error)) return PeerGone(c, result.error);
      return CloseNow(c, CloseReason::kIoError, result.error);
  }
  CountUnsent(c);
  if (c.output_empty()) OutputDone(c);
  if (!c.closed) GotRoom(c);
}

void TransportImpl::Lend(Connection& c, bool cold) {
  c.output.OwnBorrowed();
  c.lent = true;
  c.lent_bytes = c.output.bytes();
  c.lent_region_bytes = c.output.region_bytes();
  auto job = std::make_unique<SendJob>();
  job->connection = c.id;
  job->socket = c.fd.get();
  job->output = std::move(c.output);
  senders_->Lend(std::move(job), cold);
}

void TransportImpl::CollectJobs() {
  for (std::unique_ptr<SendJob>& job : senders_->Collect()) {
    stats_.bytes_out += job->result.sent;
    stats_.sendfile_bytes += job->result.sent_from_files;
    Connection& c = *connections_.FindEvenClosed(job->connection);
    c.lent = false;
    c.lent_bytes = c.lent_region_bytes = 0;
    if (c.closed) {
      Forget(c);
      continue;
    }
    if (c.gone) {
      OutputDone(c);
      if (!c.closed) GotRoom(c);
      continue;
    }
    // What was submitted meanwhile comes behind what is left.
    job->output.Append(std::move(c.output));
    c.output = std::move(job->output);
    AfterWrite(c, job->result);
    if (!c.closed && !c.output.empty()) Flush(c);
  }
}

// Nothing is left to send. May close the connection.
void TransportImpl::OutputDone(Connection& c) {
  if (c.notify_drained) {
    c.notify_drained = c.congested = false;
    events_.Push({.kind = EventKind::kDrained, .connection = c.id});
  }
  if (c.closing) {
    StartLinger(c);
  } else if (!c.ready) {
    FinishIfDone(c);
  }
}

// Closing a socket whose input was not read to the end resets it, which takes from the peer what it
// has not read yet. So first our direction is closed, and the peer gets a moment to do the same.
void TransportImpl::StartLinger(Connection& c) {
  if (c.lingering) return;
  if (c.read_ended || shutdown(c.fd.get(), SHUT_WR) != 0) {
    return CloseNow(c, c.close_reason, 0);
  }
  c.lingering = true;
  c.linger_deadline_ms = now_ms_ + kLingerMs;
  ScheduleTimer(c);
  UpdateInterest(c);
}

void TransportImpl::NotifyDrained(uint64_t connection) {
  Connection* c = connections_.Find(connection);
  if (c == nullptr || c->gone) return;
  if (c->output_empty()) {
    events_.Push({.kind = EventKind::kDrained, .connection = c->id});
    EndCall();
  } else {
    c->notify_drained = true;
  }
}

}  // namespace millrace
