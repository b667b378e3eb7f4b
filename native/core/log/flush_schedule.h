#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/log/flush_pool.h"

namespace millrace {

// Which logs a flush pool has to sync, and in which order. No threads, no clock, no I/O: the pool
// calls it under its mutex. The lists hold entries that may have moved on meanwhile; each list
// knows how to tell, so nothing is searched.
class FlushSchedule {
 public:
  enum class State {
    kIdle,      // in no pass
    kStarting,  // taken by a pass that is starting write-back
    kQueued,    // waits for a thread
    kSyncing,
  };

  // Some logs that were due at the same time.
  struct Pass {
    int64_t began_ms = 0;
    size_t left = 0;          // entries not yet synced or removed
    bool background = false;  // has logs that were due by age or bytes
  };

  struct Entry {
    uint64_t id = 0;
    Log* log = nullptr;
    State state = State::kIdle;
    std::shared_ptr<Pass> pass;  // while not idle
    bool removed = false;
    bool waited = false;           // somebody waits for bytes that no running sync covers
    bool urgent = false;           // queued among the urgent
    bool answers = false;          // the running sync answers somebody who waits
    bool failed = false;           // for good; not synced again
    uint64_t unflushed_bytes = 0;  // appended since the last sync began
    int64_t max_age_ms = 0;        // at most the pool's
    std::optional<int64_t> dirty_since_ms;
    uint64_t dirty_epoch = 0;  // counts the times it became dirty
    bool overdue = false;      // came of age while it was being synced
    // What the pool has to tell, or has told, about it.
    bool completed = false;  // in the list of completions
    Offset durable = -1;
    Status status;
  };
  using EntryPtr = std::shared_ptr<Entry>;

  explicit FlushSchedule(const FlushPoolOptions& options);

  void Add(uint64_t id, Log* log);
  EntryPtr Remove(uint64_t id,
                  int64_t now_ms);  // null when unknown; it may still be starting or syncing
  EntryPtr Find(uint64_t id) const;

  void SetMaxAge(const EntryPtr& entry, int64_t max_age_ms);

  // What a call changed for threads that sleep: nothing, there is a deadline to keep, there is one
  // before those that were, or there is work.
  enum class Wants { kNothing, kTimekeeper, kSoonerTimekeeper, kThread };
  Wants Dirty(const EntryPtr& entry, uint32_t bytes, int64_t now_ms);
  bool Wait(const EntryPtr& entry);  // true when there is work

  // When the oldest dirty bytes come of age; nothing while nothing is dirty.
  std::optional<int64_t> NextDeadline();

  // Takes what is due into a new pass: waiters, or what is due by age and bytes.
  std::vector<EntryPtr> TakeWaiters(int64_t now_ms);
  std::vector<EntryPtr> TakeBackground(int64_t now_ms);
  // Write-back of a taken entry has been started.
  void Queue(const EntryPtr& entry, int64_t now_ms);
  // Instead of queueing it: it is being synced from now on. False when it was removed.
  bool Begin(const EntryPtr& entry, int64_t now_ms);
  // The next entry to sync, which is then kSyncing; null when that queue is empty.
  EntryPtr NextUrgent() { return Next(&urgent_, true); }
  EntryPtr NextBackground() { return Next(&background_, false); }
  // The sync of `entry` is over; one that failed was its last.
  void Done(const EntryPtr& entry, bool ok, int64_t now_ms);

  const FlushPoolStats& stats() const { return stats_; }

 private:
  struct Aging {
    EntryPtr entry;
    uint64_t epoch;
    int64_t since_ms;
  };

  static bool Stale(const Aging& aging);
  Wants StartAging(const EntryPtr& entry, int64_t now_ms);
  EntryPtr PopDue(int64_t now_ms);
  EntryPtr Next(std::deque<EntryPtr>* queue, bool urgent);
  static void Claim(Entry* entry);
  void Take(const EntryPtr& entry, const std::shared_ptr<Pass>& pass, std::vector<EntryPtr>* taken);
  void LeavePass(Entry* entry, int64_t now_ms);
  void DropStale();
  void UpdateBound(int64_t pass_ms);

  const int64_t max_age_ms_;
  const uint64_t max_unflushed_bytes_;
  std::unordered_map<uint64_t, EntryPtr> entries_;
  std::deque<EntryPtr> waiting_;  // idle and waited for; stale where neither
  std::deque<EntryPtr> due_;      // idle and due by bytes, or overdue
  std::deque<Aging> aging_;  // in the order in which they became dirty; stale where synced since
  // The same for logs that wait less than others, by deadline.
  std::multimap<int64_t, Aging> hasty_;
  std::deque<EntryPtr> urgent_;  // queued; stale where not, or where queued in the other
  std::deque<EntryPtr> background_;
  FlushPoolStats stats_;
};

}  // namespace millrace
