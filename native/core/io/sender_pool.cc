#include "core/io/sender_pool.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <thread>
#include <utility>

#include "core/base/thread_priority.h"
#include "core/io/cold_pace.h"

namespace millrace {
namespace {

constexpr uint64_t kSliceBytes = 1u << 20;
// Between two calls of this size a thread that answers clients gets the processor.
constexpr uint64_t kColdSliceBytes = 128u << 10;

}  // namespace

Result<std::unique_ptr<SenderPool>> SenderPool::Create(uint32_t threads, uint32_t cold_threads,
                                                       int wake_descriptor) {
  if (threads == 0 || cold_threads == 0) return Status(Code::kInvalidArgument);
  std::unique_ptr<SenderPool> pool(new SenderPool(wake_descriptor));
  if (Status status = pool->Start(threads, false); !status.ok()) return status;
  if (Status status = pool->Start(cold_threads, true); !status.ok()) return status;
  return pool;
}

Status SenderPool::Start(uint32_t count, bool cold) {
  // The process' signals are for threads that expect them. A SIGPIPE of a sendfile in here stays
  // pending for ever, which is as good as ignored.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = 0;
  for (uint32_t i = 0; i < count && error == 0; ++i) {
    auto start = std::make_unique<ThreadStart>(ThreadStart{this, cold});
    pthread_t thread;
    error = pthread_create(&thread, nullptr, &SenderPool::Main, start.get());
    if (error != 0) break;
    (void)start.release();  // Main owns it now
    threads_.push_back(thread);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return error == 0 ? Status::Ok() : Status::FromErrno(error);
}

SenderPool::~SenderPool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  hot_.filled.notify_all();
  cold_.filled.notify_all();
  for (pthread_t thread : threads_) pthread_join(thread, nullptr);
}

void SenderPool::Lend(std::unique_ptr<SendJob> job, bool cold) {
  Line& line = cold ? cold_ : hot_;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    line.jobs.push_back(std::move(job));
  }
  line.filled.notify_one();
}

std::vector<std::unique_ptr<SendJob>> SenderPool::Collect() {
  std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(done_, {});
}

void* SenderPool::Main(void* start) {
  std::unique_ptr<ThreadStart> owned(static_cast<ThreadStart*>(start));
  pthread_setname_np(pthread_self(), owned->cold ? "millrace-cold" : "millrace-send");
  if (owned->cold) TakeShortSlices();
  owned->pool->Run(owned->cold);
  return nullptr;
}

void SenderPool::Run(bool cold) {
  const WriteLimits limits{.bytes = cold ? kColdSliceBytes : kSliceBytes,
                           .inline_region_bytes = UINT64_MAX,
                           .wait_for_disk = cold};
  Line& line = cold ? cold_ : hot_;
  using Clock = std::chrono::steady_clock;
  ColdPace pace;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    line.filled.wait(lock, [&] { return stopping_ || !line.jobs.empty(); });
    if (stopping_) return;
    std::unique_ptr<SendJob> job = std::move(line.jobs.front());
    line.jobs.pop_front();
    lock.unlock();
    const WriteResult before = job->result;
    const Clock::time_point begin = cold ? Clock::now() : Clock::time_point();
    job->result = job->output.Write(job->socket, limits);
    if (cold) {
      const bool ended = job->result.stop == WriteStop::kEmpty;
      const uint64_t traffic = traffic_.load(std::memory_order_relaxed);
      const Clock::duration rest = pace.AfterSlice(Clock::now() - begin, ended, traffic);
      if (rest > Clock::duration{}) std::this_thread::sleep_for(rest);
    }
    job->result.sent += before.sent;
    job->result.sent_from_files += before.sent_from_files;
    lock.lock();
    switch (job->result.stop) {
      case WriteStop::kTurnOver:
        line.jobs.push_back(std::move(job));
        break;
      case WriteStop::kColdRegion:
        cold_.jobs.push_back(std::move(job));
        cold_.filled.notify_one();
        break;
      default: {
        done_.push_back(std::move(job));
        // One wake-up covers all that come back before the loop collects.
        if (done_.size() == 1) {
          const uint64_t one = 1;
          (void)!write(wake_descriptor_, &one, sizeof one);
        }
      }
    }
  }
}

}  // namespace millrace
