#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "core/base/status.h"
#include "core/io/output_queue.h"

namespace millrace {

// A connection's output on its way through the senders: while it is, nobody else writes to the
// socket.
struct SendJob {
  uint64_t connection = 0;
  int socket = -1;  // stays open until the job has come back
  OutputQueue output;
  // What happened, once it has come back. `sent` adds up all turns.
  WriteResult result;
};

// Threads that send large and cold regions, so that the loop neither copies megabytes nor waits for
// a disk. Jobs take turns: a slice each, then back to the end of the line. A job whose next slice
// is not in the page cache moves to the cold line, whose threads may wait for the disk; it stays
// there until it comes back.
//
// Threads: Lend and Collect are the loop's. A job belongs to the loop, or to a line or thread in
// here, never to both; it changes hands under mutex_.
class SenderPool {
 public:
  // Writes to the eventfd `wake_descriptor` when jobs have come back.
  static Result<std::unique_ptr<SenderPool>> Create(uint32_t threads, uint32_t cold_threads,
                                                    int wake_descriptor);
  ~SenderPool();  // waits for running slices; jobs in line are dropped

  void Lend(std::unique_ptr<SendJob> job, bool cold);
  // A job for what is in the page cache is about to be lent.
  void Rouse() { hot_.filled.notify_one(); }
  // A turn of the loop had something to tell; see ColdPace.
  void NoteTraffic() { traffic_.fetch_add(1, std::memory_order_relaxed); }
  // The jobs that have come back since the last call.
  std::vector<std::unique_ptr<SendJob>> Collect();

 private:
  struct Line {
    std::deque<std::unique_ptr<SendJob>> jobs;
    std::condition_variable filled;
  };
  struct ThreadStart {
    SenderPool* pool;
    bool cold;
  };

  explicit SenderPool(int wake_descriptor) : wake_descriptor_(wake_descriptor) {}
  Status Start(uint32_t count, bool cold);
  static void* Main(void* start);
  void Run(bool cold);

  const int wake_descriptor_;
  std::atomic<uint64_t> traffic_{0};  // counted by the loop, looked at by cold threads
  std::mutex mutex_;                  // guards everything below but threads_
  Line hot_;
  Line cold_;
  std::vector<std::unique_ptr<SendJob>> done_;
  bool stopping_ = false;
  std::vector<pthread_t> threads_;  // loop thread
};

}  // namespace millrace
