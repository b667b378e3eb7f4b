#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/log/open_files.h"

namespace millrace {

// What the logs of a process share. It outlives them.
class LogServices {
 public:
  enum class Background {
    kThread,  // tasks of a kind run one after the other on a thread of their own, started with the
              // first of them
    kInline,  // tasks run within the call, so that a simulated disk sees the same calls in the same
              // order every time
  };

  LogServices(size_t open_files, Background background)
      : files_(open_files), background_(background) {}
  ~LogServices();  // runs what was queued
  LogServices(const LogServices&) = delete;
  LogServices& operator=(const LogServices&) = delete;

  // The one for the real disk; lives as long as the process.
  static LogServices& Process();

  OpenFiles& files() { return files_; }
  // The file system below `directory`, opened when the first of those asks for it that hold it now,
  // so that errors since then are told; null where there is none. Any thread.
  std::shared_ptr<FileSystem> FileSystemOf(Disk& disk, const std::string& directory);
  // Logs refuse appends that would leave less than `bytes` free on their disk; 0: they take all
  // there is. Any thread.
  void KeepFree(uint64_t bytes) { kept_free_.store(bytes, std::memory_order_relaxed); }
  uint64_t kept_free() const { return kept_free_.load(std::memory_order_relaxed); }
  // Work that nobody waits for and that may wait for the disk: preparing the next segment, closing
  // and removing files. Any thread.
  void Run(std::function<void()> task);
  // Work that somebody will have to do himself if it comes too late, and that does not wait for the
  // disk: making pages ready. Any thread.
  void RunAhead(std::function<void()> task);
  // Work that sends to the disk what was written, and waits while the disk has enough to do: what
  // Run does for the same log must not wait for it. Any thread.
  void RunWriteBack(std::function<void()> task);
  // Returns once everything that was queued before has run. Any thread but the background's own.
  void Drain();
  // Takes a file whose name is gone, and gives its blocks back in steps once nobody else holds it:
  // a large file at once would keep the file system's journal, or a device that is told what it may
  // forget, and whoever waits for them, for long. Tasks go first. Any thread.
  void Retire(std::shared_ptr<File> file);
  // Files that were retired and are not closed yet.
  size_t retiring() const;

 private:
  using Lock = std::unique_lock<std::mutex>;

  struct Retired {
    std::shared_ptr<File> file;
    uint64_t bytes;  // left to give back
  };
  // Tasks in their order, and the thread that runs them.
  struct Lane {
    std::deque<std::function<void()>> tasks;
    bool running = false;  // one of them
    std::thread thread;    // started under mutex_, joined by the destructor
    bool quiet() const { return tasks.empty() && !running; }
  };

  void Queue(Lane& lane, std::function<void()> task);
  void StartThread(Lane& lane);
  void Work(Lane& lane);
  void RunTask(Lane& lane, Lock& lock);
  void ShrinkRetired(Lock& lock);
  void PauseRetiring(Lock& lock, std::chrono::microseconds pause);

  OpenFiles files_;
  std::atomic<uint64_t> kept_free_{0};
  const Background background_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  Lane tasks_;  // and retired files
  Lane ahead_;
  Lane write_back_;
  std::deque<Retired> retired_;
  uint64_t retired_bytes_ = 0;                                     // of all of them
  std::map<std::string, std::weak_ptr<FileSystem>> file_systems_;  // by directory
  bool stopping_ = false;
};

}  // namespace millrace
