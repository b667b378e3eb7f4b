#include "core/log/flush_pool.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/thread.h"
#include "core/base/unique_fd.h"
#include "core/log/flush_schedule.h"

namespace millrace {
namespace {

// From so many logs on that are not settled they are written back one by one and their file system
// is synced once: a sync of one file commits the journal and empties the device's cache, which
// takes 0.15 to 1 ms. Below, what others have written to the file system must not be waited for.
constexpr size_t kTogether = 12;

int64_t SteadyNowMs() {
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

// Sleeping threads wait in two places, so that a waiter wakes a thread that has nothing else to do:
// at most one, the timekeeper, sleeps until the oldest dirty bytes come of age; the others sleep
// until they are called.
class FlushPoolImplementation final : public FlushPool {
 public:
  using Entry = FlushSchedule::Entry;
  using EntryPtr = FlushSchedule::EntryPtr;
  using State = FlushSchedule::State;
  using Lock = std::unique_lock<std::mutex>;

  FlushPoolImplementation(const FlushPoolOptions& options, UniqueFd wake)
      : wake_(std::move(wake)),
        now_ms_(options.now_ms),
        awake_ms_(options.awake_ms),
        schedule_(options) {
    if (now_ms_ == nullptr && options.threads > 0) now_ms_ = &SteadyNowMs;
    if (awake_ms_ == 0) return;
    if (auto awake = AwakeProcessors::Open(options.awake_device); awake.ok())
      awake_.emplace(std::move(*awake));
  }

  ~FlushPoolImplementation() override {
    {
      Lock lock(mutex_);
      stopping_ = true;
    }
    idle_.notify_all();
    timer_.notify_all();
    threads_.clear();  // joins
  }

  Status StartThreads(int count) {
    for (int i = 0; i < count; ++i) {
      Result<Thread> thread = Thread::Start("millrace-flush", [this] { Work(); });
      if (!thread.ok()) return thread.status();
      threads_.push_back(std::move(*thread));
    }
    return Status::Ok();
  }

  void Add(uint64_t log_id, Log* log) override {
    Lock lock(mutex_);
    schedule_.Add(log_id, log);
  }

  void SetMaxAge(uint64_t log_id, int64_t max_age_ms) override {
    Lock lock(mutex_);
    if (EntryPtr entry = schedule_.Find(log_id)) schedule_.SetMaxAge(entry, max_age_ms);
  }

  void Remove(uint64_t log_id) override {
    Lock lock(mutex_);
    EntryPtr entry = schedule_.Remove(log_id, NowMs());
    if (entry == nullptr) return;
    released_.wait(lock, [&] { return entry->state == State::kIdle; });
    entry->completed = false;  // Drain steps over it
  }

  void Dirty(uint64_t log_id, uint32_t bytes) override {
    Lock lock(mutex_);
    EntryPtr entry = schedule_.Find(log_id);
    if (entry == nullptr) return;
    switch (schedule_.Dirty(entry, bytes, NowMs())) {
      case FlushSchedule::Wants::kNothing:
        break;
      case FlushSchedule::Wants::kTimekeeper:
        KeepTime();
        break;
      case FlushSchedule::Wants::kSoonerTimekeeper:
        if (timekeeper_) {
          timer_.notify_one();  // it may sleep until a later deadline
        } else {
          KeepTime();
        }
        break;
      case FlushSchedule::Wants::kThread:
        CallThread();
        break;
    }
  }

  void Wait(uint64_t log_id) override {
    if (gathering_) {
      gathered_.push_back(log_id);
      return;
    }
    Lock lock(mutex_);
    if (WaitFor(log_id)) CallThread();
  }

  void Gather() override { gathering_ = true; }

  void WaitGathered() override {
    gathering_ = false;
    if (gathered_.empty()) return;
    {
      Lock lock(mutex_);
      bool due = false;
      for (uint64_t log_id : gathered_) due |= WaitFor(log_id);
      if (due) CallThread();
    }
    gathered_.clear();
  }

  size_t Drain(std::span<FlushCompletion> into) override {
    Lock lock(mutex_);
    size_t count = 0;
    while (!completions_.empty() && count < into.size()) {
      EntryPtr entry = std::move(completions_.front());
      completions_.pop_front();
      if (!std::exchange(entry->completed, false)) continue;
      // Read at this moment, not remembered: the log may have been truncated since that sync.
      into[count++] = {entry->id, entry->log->durable_offset(), entry->status.code(),
                       entry->status.system_error()};
    }
    if (completions_.empty() && std::exchange(announced_, false)) {
      uint64_t value;
      // The eventfd is non-blocking.
      // NOLINTNEXTLINE(clang-analyzer-unix.BlockInCriticalSection)
      (void)!::read(wake_.get(), &value, sizeof value);
    }
    return count;
  }

  int wake_descriptor() const override { return wake_.get(); }

  void RunOnce(int64_t now_ms) override {
    Lock lock(mutex_);
    last_run_ms_ = now_ms;
    BeginPass(lock, schedule_.TakeWaiters(NowMs()));
    BeginPass(lock, schedule_.TakeBackground(NowMs()));
    while (EntryPtr entry = schedule_.NextUrgent()) SyncOne(lock, entry);
    while (EntryPtr entry = schedule_.NextBackground()) SyncOne(lock, entry);
    DozeIfDue();
  }

  FlushPoolStats stats() const override {
    Lock lock(mutex_);
    return schedule_.stats();
  }

 private:
  int64_t NowMs() const { return now_ms_ != nullptr ? now_ms_() : last_run_ms_; }

  void Work() {
    Lock lock(mutex_);
    while (!stopping_) {
      if (EntryPtr entry = schedule_.NextUrgent()) {
        SyncOne(lock, entry);
      } else if (BeginPass(lock, schedule_.TakeWaiters(NowMs()))) {
        continue;
      } else if (EntryPtr aged = schedule_.NextBackground()) {
        SyncOne(lock, aged);
      } else if (!BeginPass(lock, schedule_.TakeBackground(NowMs()))) {
        Sleep(lock);
      }
    }
  }

  // Returns when there may be something to do. A call that comes before the thread sleeps is not
  // lost: it changed the schedule under the same mutex, and the schedule was just found empty.
  void Sleep(Lock& lock) {
    DozeIfDue();
    std::optional<int64_t> deadline = timekeeper_ ? std::nullopt : NextDeadline();
    if (deadline.has_value()) {
      timekeeper_ = true;
      timer_.wait_for(lock, std::chrono::milliseconds(std::max<int64_t>(*deadline - NowMs(), 0)));
      timekeeper_ = false;
    } else {
      ++idle_count_;
      idle_.wait(lock);
      --idle_count_;
      if (called_ > 0) --called_;
    }
  }

  // Returns whether a thread has to look at the schedule. A log that was removed meanwhile is none.
  bool WaitFor(uint64_t log_id) {
    EntryPtr entry = schedule_.Find(log_id);
    if (entry == nullptr) return false;
    if (entry->failed) {
      Complete(entry);
      return false;
    }
    const bool work = schedule_.Wait(entry);
    StayAwake();
    return work;
  }

  // Somebody has to look at the schedule. A thread that was called and is still on its way will;
  // when all are busy, the first to finish looks by itself.
  void CallThread() {
    if (called_ == 0) CallAnotherThread();
  }

  void CallAnotherThread() {
    if (idle_count_ > called_) {
      ++called_;
      idle_.notify_one();
    } else if (timekeeper_) {
      timer_.notify_one();
    }
  }

  bool BeginPass(Lock& lock, const std::vector<EntryPtr>& taken) {
    if (taken.empty()) return false;
    if (taken.size() == 1) {  // the sync that follows at once does as much as its write-back
      Queue(taken[0]);
      return true;
    }
    lock.unlock();
    std::vector<EntryPtr> settled;  // these share one flush of the device
    std::vector<EntryPtr> others;
    for (const EntryPtr& entry : taken) {
      entry->log->StartWriteBack();
      const FileSystem* file_system = entry->log->file_system();
      const bool shares = file_system != nullptr && file_system->shares_flushes();
      (shares && entry->log->settled() ? settled : others).push_back(entry);
    }
    lock.lock();
    if (others.size() >= kTogether) {
      SyncTogether(lock, taken, Means::kFileSystem);
      return true;
    }
    if (settled.size() == 1) others.push_back(std::move(settled[0]));
    // Commits of the journal are for other threads, if there are any.
    for (const EntryPtr& entry : others) Queue(entry);
    const size_t mine = settled.size() > 1 ? 0 : 1;
    for (size_t i = mine; i < others.size() && i < threads_.size(); ++i) CallAnotherThread();
    if (mine == 0) SyncTogether(lock, settled, Means::kFlush);
    return true;
  }

  void Queue(const EntryPtr& entry) {
    schedule_.Queue(entry, NowMs());
    if (entry->removed) released_.notify_all();
  }

  void SyncOne(Lock& lock, const EntryPtr& entry) {
    KeepTime();
    lock.unlock();
    Result<DurablePoint> result = entry->log->Flush();
    lock.lock();
    Synced(entry, result);
  }

  // How logs that were written back become durable together.
  enum class Means {
    kFileSystem,  // their file systems are synced
    kFlush,       // the sync of one of them empties the device's cache, which does for all
  };

  // Write-back of all of them has been started.
  void SyncTogether(Lock& lock, const std::vector<EntryPtr>& taken, Means means) {
    std::vector<EntryPtr> begun;
    for (const EntryPtr& entry : taken) {
      if (schedule_.Begin(entry, NowMs())) {
        begun.push_back(entry);
      } else {
        released_.notify_all();
      }
    }
    KeepTime();
    lock.unlock();
    std::vector<bool> flush_does;
    flush_does.reserve(begun.size());
    for (const EntryPtr& entry : begun) flush_does.push_back(entry->log->BeginFlush());
    std::map<FileSystem*, bool> synced;
    if (means == Means::kFileSystem) {
      for (const EntryPtr& entry : begun) {
        FileSystem* file_system = entry->log->file_system();
        auto [known, first] = synced.try_emplace(file_system, false);
        if (first && file_system != nullptr) known->second = file_system->Sync().ok();
      }
    }
    std::vector<Result<DurablePoint>> results;
    results.reserve(begun.size());
    for (size_t i = 0; i < begun.size(); ++i) {
      bool& done = synced[begun[i]->log->file_system()];
      if (means == Means::kFileSystem) {
        results.push_back(begun[i]->log->EndFlush(done));
        continue;
      }
      // The first that needs it syncs its own file, after all were written back.
      results.push_back(begun[i]->log->EndFlush(done && flush_does[i]));
      done |= flush_does[i] && results[i].ok();
    }
    lock.lock();
    for (size_t i = 0; i < begun.size(); ++i) Synced(begun[i], results[i]);
  }

  void Synced(const EntryPtr& entry, const Result<DurablePoint>& result) {
    // Stored by this sync, or by one before: nobody else syncs the log meanwhile.
    Offset durable = result.ok() ? result->offset : entry->log->durable_offset();
    schedule_.Done(entry, result.ok(), NowMs());
    bool news = entry->answers || !result.ok() || durable != entry->durable;
    entry->durable = durable;
    entry->status = result.ok() ? Status::Ok() : result.status();
    if (entry->removed) {
      released_.notify_all();
    } else if (news) {
      Complete(entry);
    }
  }

  // Sees to it that somebody minds what comes of age while the calling thread does not. One who
  // does already woke up for bytes at least as old.
  void KeepTime() {
    if (!timekeeper_ && NextDeadline().has_value()) CallThread();
  }

  std::optional<int64_t> NextDeadline() {
    const std::optional<int64_t> deadline = schedule_.NextDeadline();
    if (!awake_.has_value() || !awake_->held()) return deadline;
    return std::min(deadline.value_or(INT64_MAX), awake_until_ms_);
  }

  void StayAwake() {
    if (!awake_.has_value()) return;
    awake_until_ms_ = NowMs() + awake_ms_;
    if (awake_->held()) return;
    awake_->Hold();
    if (timekeeper_) timer_.notify_one();  // it may sleep until a later deadline
  }

  void DozeIfDue() {
    if (awake_.has_value() && NowMs() >= awake_until_ms_) awake_->LetGo();
  }

  void Complete(const EntryPtr& entry) {
    if (std::exchange(entry->completed, true)) return;
    completions_.push_back(entry);
    if (std::exchange(announced_, true)) return;
    uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
  }

  const UniqueFd wake_;
  int64_t (*now_ms_)();  // constant after construction; null: last_run_ms_
  const int64_t awake_ms_;
  std::vector<Thread> threads_;  // constant after StartThreads, until the destructor

  // Of the decision thread alone.
  bool gathering_ = false;
  std::vector<uint64_t> gathered_;

  mutable std::mutex mutex_;  // guards all below; never held while a log waits for the disk
  std::condition_variable idle_;
  std::condition_variable timer_;
  std::condition_variable released_;  // an entry that is being removed became idle
  FlushSchedule schedule_;
  std::deque<EntryPtr> completions_;
  std::optional<AwakeProcessors> awake_;  // nothing where they may halt
  int64_t awake_until_ms_ = 0;
  int64_t last_run_ms_ = 0;
  size_t idle_count_ = 0;    // threads in idle_.wait that have not come out yet
  size_t called_ = 0;        // how many of them were called
  bool timekeeper_ = false;  // one thread sleeps until the next deadline
  bool announced_ = false;   // the eventfd is readable
  bool stopping_ = false;
};

}  // namespace

Result<std::unique_ptr<FlushPool>> FlushPool::Create(const FlushPoolOptions& options) {
  if (options.threads < 0 || options.max_age_ms < 0) return Status(Code::kInvalidArgument);
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return Status::FromErrno(errno);
  auto pool = std::make_unique<FlushPoolImplementation>(options, std::move(wake));
  if (Status status = pool->StartThreads(options.threads); !status.ok()) return status;
  return std::unique_ptr<FlushPool>(std::move(pool));
}

}  // namespace millrace
