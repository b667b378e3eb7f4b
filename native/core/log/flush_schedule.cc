#include "core/log/flush_schedule.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace millrace {

FlushSchedule::FlushSchedule(const FlushPoolOptions& options)
    : max_age_ms_(options.max_age_ms),
      max_unflushed_bytes_(std::max<uint64_t>(options.max_unflushed_bytes, 1)) {
  stats_.age_bound_ms = max_age_ms_;
}

void FlushSchedule::Add(uint64_t id, Log* log) {
  auto [found, inserted] = entries_.try_emplace(id, std::make_shared<Entry>());
  if (!inserted) std::abort();
  found->second->id = id;
  found->second->log = log;
  found->second->max_age_ms = max_age_ms_;
}

void FlushSchedule::SetMaxAge(const EntryPtr& entry, int64_t max_age_ms) {
  entry->max_age_ms = std::clamp<int64_t>(max_age_ms, 0, max_age_ms_);
}

FlushSchedule::EntryPtr FlushSchedule::Remove(uint64_t id, int64_t now_ms) {
  auto found = entries_.find(id);
  if (found == entries_.end()) return nullptr;
  EntryPtr entry = std::move(found->second);
  entries_.erase(found);
  entry->removed = true;
  entry->waited = false;
  entry->dirty_since_ms.reset();
  if (entry->state == State::kQueued) LeavePass(entry.get(), now_ms);
  return entry;
}

FlushSchedule::EntryPtr FlushSchedule::Find(uint64_t id) const {
  auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second;
}

FlushSchedule::Wants FlushSchedule::Dirty(const EntryPtr& entry, uint32_t bytes, int64_t now_ms) {
  if (entry->failed) return Wants::kNothing;
  bool was_large = entry->unflushed_bytes >= max_unflushed_bytes_;
  entry->unflushed_bytes += bytes;
  Wants wants = Wants::kNothing;
  if (!entry->dirty_since_ms.has_value()) {
    wants = StartAging(entry, now_ms);
  }
  bool is_large = entry->unflushed_bytes >= max_unflushed_bytes_;
  if (!is_large || was_large || entry->state != State::kIdle) return wants;
  due_.push_back(entry);
  return Wants::kThread;
}

bool FlushSchedule::Wait(const EntryPtr& entry) {
  if (std::exchange(entry->waited, true)) return false;
  switch (entry->state) {
    case State::kIdle:
      waiting_.push_back(entry);
      return true;
    case State::kQueued:
      // Its sync has not begun, so it will cover this waiter: only its place changes.
      if (!std::exchange(entry->urgent, true)) urgent_.push_back(entry);
      return false;
    case State::kStarting:
    case State::kSyncing:
      return false;  // seen when it is queued, or when it is done
  }
  return false;
}

FlushSchedule::Wants FlushSchedule::StartAging(const EntryPtr& entry, int64_t now_ms) {
  const std::optional<int64_t> first = NextDeadline();
  entry->dirty_since_ms = now_ms;
  Aging aging{entry, ++entry->dirty_epoch, now_ms};
  if (entry->max_age_ms == max_age_ms_) {
    aging_.push_back(std::move(aging));
    return first.has_value() ? Wants::kNothing : Wants::kTimekeeper;
  }
  // A bound that is stretched is stretched for all.
  const int64_t age = stats_.age_bound_ms > max_age_ms_ ? stats_.age_bound_ms : entry->max_age_ms;
  hasty_.emplace(now_ms + age, std::move(aging));
  return !first.has_value() || now_ms + age < *first ? Wants::kSoonerTimekeeper : Wants::kNothing;
}

// Aging entries that were synced since, or are about to be, no longer set a deadline.
bool FlushSchedule::Stale(const Aging& aging) {
  const Entry& entry = *aging.entry;
  return entry.removed || !entry.dirty_since_ms.has_value() || entry.dirty_epoch != aging.epoch;
}

void FlushSchedule::DropStale() {
  while (!aging_.empty() && Stale(aging_.front())) aging_.pop_front();
  while (!hasty_.empty() && Stale(hasty_.begin()->second)) hasty_.erase(hasty_.begin());
}

std::optional<int64_t> FlushSchedule::NextDeadline() {
  DropStale();
  std::optional<int64_t> deadline;
  if (!aging_.empty()) deadline = aging_.front().since_ms + stats_.age_bound_ms;
  if (!hasty_.empty()) deadline = std::min(deadline.value_or(INT64_MAX), hasty_.begin()->first);
  return deadline;
}

FlushSchedule::EntryPtr FlushSchedule::PopDue(int64_t now_ms) {
  DropStale();
  EntryPtr due;
  if (!hasty_.empty() && hasty_.begin()->first <= now_ms) {
    due = std::move(hasty_.begin()->second.entry);
    hasty_.erase(hasty_.begin());
  } else if (!aging_.empty() && aging_.front().since_ms + stats_.age_bound_ms <= now_ms) {
    due = std::move(aging_.front().entry);
    aging_.pop_front();
  }
  return due;
}

void FlushSchedule::Take(const EntryPtr& entry, const std::shared_ptr<Pass>& pass,
                         std::vector<EntryPtr>* taken) {
  entry->state = State::kStarting;
  entry->pass = pass;
  ++pass->left;
  taken->push_back(entry);
}

std::vector<FlushSchedule::EntryPtr> FlushSchedule::TakeWaiters(int64_t now_ms) {
  std::vector<EntryPtr> taken;
  if (waiting_.empty()) return taken;
  auto pass = std::make_shared<Pass>(Pass{now_ms, 0, false});
  for (const EntryPtr& entry : waiting_) {
    if (entry->state == State::kIdle && entry->waited) Take(entry, pass, &taken);
  }
  waiting_.clear();
  if (!taken.empty()) ++stats_.passes;
  return taken;
}

std::vector<FlushSchedule::EntryPtr> FlushSchedule::TakeBackground(int64_t now_ms) {
  std::vector<EntryPtr> taken;
  auto pass = std::make_shared<Pass>(Pass{now_ms, 0, true});
  while (EntryPtr entry = PopDue(now_ms)) {
    if (entry->state == State::kIdle) {
      Take(entry, pass, &taken);
    } else if (entry->state == State::kSyncing) {
      entry->overdue = true;  // dirty again since that sync began
    }
  }
  for (const EntryPtr& entry : due_) {
    bool due = entry->overdue || entry->unflushed_bytes >= max_unflushed_bytes_;
    if (entry->state == State::kIdle && due && !entry->removed) Take(entry, pass, &taken);
  }
  due_.clear();
  if (!taken.empty()) ++stats_.passes;
  return taken;
}

void FlushSchedule::Queue(const EntryPtr& entry, int64_t now_ms) {
  if (entry->removed) {
    LeavePass(entry.get(), now_ms);
    return;
  }
  entry->state = State::kQueued;
  entry->urgent = entry->waited;
  (entry->urgent ? urgent_ : background_).push_back(entry);
}

bool FlushSchedule::Begin(const EntryPtr& entry, int64_t now_ms) {
  if (entry->removed) {
    LeavePass(entry.get(), now_ms);
    return false;
  }
  Claim(entry.get());
  return true;
}

// From here on, appends and waiters belong to the next sync: this one reads the log's end after
// this moment.
void FlushSchedule::Claim(Entry* entry) {
  entry->state = State::kSyncing;
  entry->answers = std::exchange(entry->waited, false);
  entry->overdue = false;
  entry->unflushed_bytes = 0;
  entry->dirty_since_ms.reset();
}

FlushSchedule::EntryPtr FlushSchedule::Next(std::deque<EntryPtr>* queue, bool urgent) {
  while (!queue->empty()) {
    EntryPtr entry = std::move(queue->front());
    queue->pop_front();
    if (entry->state != State::kQueued || entry->urgent != urgent) continue;
    Claim(entry.get());
    return entry;
  }
  return nullptr;
}

void FlushSchedule::LeavePass(Entry* entry, int64_t now_ms) {
  entry->state = State::kIdle;
  std::shared_ptr<Pass> pass = std::move(entry->pass);
  if (--pass->left > 0) return;
  int64_t pass_ms = now_ms - pass->began_ms;
  stats_.max_pass_ms = std::max(stats_.max_pass_ms, pass_ms);
  // A device that cannot keep the bound is not asked more often than it can answer.
  if (pass->background) stats_.age_bound_ms = std::max(max_age_ms_, pass_ms);
}

void FlushSchedule::Done(const EntryPtr& entry, bool ok, int64_t now_ms) {
  ++stats_.syncs;
  if (!ok) {
    ++stats_.failures;
    entry->failed = true;
    entry->waited = false;  // who came meanwhile gets the same answer
    entry->dirty_since_ms.reset();
  }
  LeavePass(entry.get(), now_ms);
  if (entry->removed || entry->failed) return;
  if (entry->waited) {
    waiting_.push_back(entry);
  } else if (entry->overdue || entry->unflushed_bytes >= max_unflushed_bytes_) {
    due_.push_back(entry);
  }
}

}  // namespace millrace
