#include "core/log/flush_pool.h"

#include <doctest/doctest.h>
#include <poll.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/thread.h"
#include "test/support/fake_log.h"

namespace millrace {
namespace {

using test::FakeLog;

bool Readable(int fd, int timeout_ms = 0) {
  pollfd waiting{fd, POLLIN, 0};
  return ::poll(&waiting, 1, timeout_ms) == 1;
}

std::vector<FlushCompletion> DrainAll(FlushPool& pool) {
  std::vector<FlushCompletion> all;
  std::array<FlushCompletion, 3> some;
  for (size_t count = pool.Drain(some); count > 0; count = pool.Drain(some)) {
    all.insert(all.end(), some.begin(), some.begin() + static_cast<ptrdiff_t>(count));
  }
  return all;
}

// A pool without threads on virtual time, and logs that note what is done to them.
struct Fixture {
  std::vector<std::string> events;
  std::map<uint64_t, std::unique_ptr<FakeLog>> logs;
  std::unique_ptr<FlushPool> pool;

  explicit Fixture(FlushPoolOptions options = {}) {
    options.threads = 0;
    pool = *FlushPool::Create(options);
  }
  FakeLog& Add(uint64_t id) {
    auto log = std::make_unique<FakeLog>();
    log->on_flush = [this, id] { events.push_back("sync " + std::to_string(id)); };
    log->on_write_back = [this, id] { events.push_back("start " + std::to_string(id)); };
    pool->Add(id, log.get());
    return *(logs[id] = std::move(log));
  }
  void Append(uint64_t id, uint32_t bytes = 100) {
    logs[id]->end.fetch_add(1);
    pool->Dirty(id, bytes);
  }
  std::vector<std::string> Run(int64_t now_ms) {
    events.clear();
    pool->RunOnce(now_ms);
    return events;
  }
};

using Events = std::vector<std::string>;

TEST_CASE("nothing dirty, nothing synced") {
  Fixture fixture;
  fixture.Add(1);
  CHECK(fixture.Run(1000).empty());
  CHECK(fixture.pool->stats().passes == 0);
}

TEST_CASE("a log with an age of its own is synced within it, and the others within theirs") {
  Fixture fixture({.max_age_ms = 100});
  fixture.Add(1);
  fixture.Add(2);
  fixture.Add(3);
  fixture.pool->SetMaxAge(2, 20);
  fixture.pool->SetMaxAge(3, 5000);  // the pool's own bound is the lower one
  fixture.Run(1000);
  fixture.Append(1);
  fixture.Append(2);
  fixture.Append(3);
  CHECK(fixture.Run(1019).empty());
  CHECK(fixture.Run(1020) == Events{"sync 2"});
  fixture.Append(2);
  CHECK(fixture.Run(1040) == Events{"sync 2"});
  CHECK(fixture.Run(1099).empty());
  CHECK(fixture.Run(1100) == Events{"start 1", "start 3", "sync 1", "sync 3"});
  fixture.pool->SetMaxAge(2, 0);
  fixture.Append(2);
  CHECK(fixture.Run(1100) == Events{"sync 2"});
}

TEST_CASE("a shorter age wakes the thread that sleeps for a longer one") {
  std::mutex mutex;
  std::condition_variable changed;
  bool synced = false;
  FakeLog slow, hasty;
  hasty.on_flush = [&] {
    std::lock_guard lock(mutex);
    synced = true;
    changed.notify_all();
  };
  auto pool = *FlushPool::Create({.threads = 2, .max_age_ms = 3'600'000});
  pool->Add(1, &slow);
  pool->Add(2, &hasty);
  pool->SetMaxAge(2, 1);
  slow.end = 1;
  pool->Dirty(1, 100);
  hasty.end = 1;
  pool->Dirty(2, 100);
  std::unique_lock lock(mutex);
  CHECK(changed.wait_for(lock, std::chrono::seconds(60), [&] { return synced; }));
  CHECK(slow.flushes == 0);
}

TEST_CASE(
    "gathered waits begin together, once whoever asks is through, but for logs that are gone") {
  Fixture fixture({.max_age_ms = 3'600'000});
  for (uint64_t id : {1, 2, 3}) {
    fixture.Add(id);
    fixture.Append(id);
  }
  fixture.pool->Gather();
  for (uint64_t id : {1, 2, 3}) fixture.pool->Wait(id);
  CHECK(fixture.Run(0).empty());
  fixture.pool->Remove(2);
  fixture.pool->WaitGathered();
  CHECK(fixture.Run(0) == Events{"start 1", "start 3", "sync 1", "sync 3"});
  fixture.Append(1);
  fixture.pool->Wait(1);
  CHECK(fixture.Run(0) == Events{"sync 1"});
  fixture.pool->Gather();
  fixture.pool->WaitGathered();
  CHECK(fixture.Run(0).empty());
}

TEST_CASE("dirty bytes are synced when they come of age, once") {
  Fixture fixture({.max_age_ms = 100});
  fixture.Add(1);
  fixture.Run(1000);
  fixture.Append(1);
  CHECK(fixture.Run(1099).empty());
  fixture.Append(1);  // does not begin the wait anew
  CHECK(fixture.Run(1100) == Events{"sync 1"});
  CHECK(fixture.Run(5000).empty());
  fixture.Append(1);
  CHECK(fixture.Run(5099).empty());
  CHECK(fixture.Run(5100) == Events{"sync 1"});
}

TEST_CASE(
    "each log has an age of its own, and those due together start write-back before the first "
    "sync") {
  Fixture fixture({.max_age_ms = 100});
  for (uint64_t id : {1, 2, 3}) fixture.Add(id);
  fixture.Run(0);
  fixture.Append(1);
  fixture.Run(50);
  fixture.Append(2);
  fixture.Run(60);
  fixture.Append(3);
  CHECK(fixture.Run(100) == Events{"sync 1"});
  CHECK(fixture.Run(170) == Events{"start 2", "start 3", "sync 2", "sync 3"});
  CHECK(fixture.pool->stats().passes == 2);
  CHECK(fixture.pool->stats().syncs == 3);
}

TEST_CASE("a waiter does not wait for age, and goes before logs that are only old or large") {
  Fixture fixture({.max_age_ms = 100, .max_unflushed_bytes = 1000});
  for (uint64_t id : {1, 2, 3}) fixture.Add(id);
  fixture.Run(0);
  fixture.Append(1);
  fixture.Run(99);
  fixture.Append(2, 1000);
  fixture.Append(3);
  fixture.pool->Wait(3);
  CHECK(fixture.Run(100) == Events{"start 1", "start 2", "sync 3", "sync 1", "sync 2"});
}

TEST_CASE("bytes beyond the bound are synced at once, counted from the last sync") {
  Fixture fixture({.max_age_ms = 1'000'000, .max_unflushed_bytes = 1000});
  fixture.Add(1);
  fixture.Append(1, 999);
  CHECK(fixture.Run(1).empty());
  fixture.Append(1, 1);
  CHECK(fixture.Run(2) == Events{"sync 1"});
  fixture.Append(1, 999);
  CHECK(fixture.Run(3).empty());
}

TEST_CASE("completions carry the durable offset, coalesce per log and wake once until drained") {
  Fixture fixture;
  fixture.Add(1);
  fixture.Add(2);
  int fd = fixture.pool->wake_descriptor();
  CHECK(!Readable(fd));
  for (int i = 0; i < 3; ++i) {
    fixture.Append(1);
    fixture.pool->Wait(1);
    fixture.Run(i);
  }
  fixture.Append(2);
  fixture.pool->Wait(2);
  fixture.Run(4);
  CHECK(Readable(fd));
  std::array<FlushCompletion, 1> one;
  REQUIRE(fixture.pool->Drain(one) == 1);
  CHECK(one[0].log_id == 1);
  CHECK(one[0].durable_offset == 3);
  CHECK(one[0].code == Code::kOk);
  CHECK(Readable(fd));  // one is left
  REQUIRE(fixture.pool->Drain(one) == 1);
  CHECK(one[0].log_id == 2);
  CHECK(one[0].durable_offset == 1);
  CHECK(!Readable(fd));
  CHECK(fixture.pool->Drain(one) == 0);
}

TEST_CASE(
    "who waits for what is durable already is answered, an age that brought nothing is not news") {
  Fixture fixture({.max_age_ms = 10});
  fixture.Add(1);
  fixture.pool->Wait(1);
  fixture.Run(0);
  CHECK(DrainAll(*fixture.pool).size() == 1);
  fixture.pool->Dirty(1, 0);  // and nothing was appended
  CHECK(fixture.Run(20) == Events{"sync 1"});
  CHECK(DrainAll(*fixture.pool).empty());
}

TEST_CASE(
    "a failed sync is told once, ends syncing that log, and every later waiter gets the same "
    "answer") {
  Fixture fixture({.max_age_ms = 10});
  FakeLog& log = fixture.Add(1);
  fixture.Add(2);
  fixture.Append(1);
  fixture.pool->Wait(1);
  log.failure = Status::FromErrno(EIO);
  CHECK(fixture.Run(0) == Events{"sync 1"});
  auto completions = DrainAll(*fixture.pool);
  REQUIRE(completions.size() == 1);
  CHECK(completions[0].code == Code::kIoError);
  CHECK(completions[0].system_error == EIO);
  CHECK(completions[0].durable_offset == 0);
  log.failure = Status::Ok();
  fixture.Append(1);
  CHECK(fixture.Run(1000).empty());
  fixture.pool->Wait(1);
  completions = DrainAll(*fixture.pool);
  REQUIRE(completions.size() == 1);
  CHECK(completions[0].code == Code::kIoError);
  CHECK(fixture.pool->stats().failures == 1);
  fixture.Append(2);
  fixture.pool->Wait(2);
  CHECK(fixture.Run(1001) == Events{"sync 2"});
}

TEST_CASE("a removed log is neither synced nor reported, and its id can be used again") {
  Fixture fixture;
  fixture.Add(1);
  fixture.Append(1);
  fixture.pool->Wait(1);
  fixture.Run(0);
  fixture.Append(1);
  fixture.pool->Wait(1);
  fixture.pool->Remove(1);
  fixture.pool->Remove(1);
  fixture.pool->Dirty(1, 5);
  fixture.pool->Wait(1);
  CHECK(fixture.Run(1'000'000).empty());
  CHECK(DrainAll(*fixture.pool).empty());
  CHECK(!Readable(fixture.pool->wake_descriptor()));
  fixture.Add(1);
  fixture.Append(1);
  fixture.pool->Wait(1);
  CHECK(fixture.Run(1'000'001) == Events{"sync 1"});
  CHECK(DrainAll(*fixture.pool).size() == 1);
}

TEST_CASE("a completion tells the durable offset of the moment it is drained") {
  Fixture fixture;
  FakeLog& log = fixture.Add(1);
  fixture.Append(1);
  fixture.pool->Wait(1);
  fixture.Run(0);
  log.durable = 0;  // truncated meanwhile
  CHECK(DrainAll(*fixture.pool)[0].durable_offset == 0);
}

std::atomic<int64_t> slow_clock{0};

TEST_CASE("a device slower than the age bound stretches it, and waiters do not suffer") {
  slow_clock = 0;
  Fixture fixture({.max_age_ms = 100, .now_ms = [] { return slow_clock.load(); }});
  FakeLog& slow = fixture.Add(1);
  fixture.Add(2);
  slow.on_flush = [&] { slow_clock += 700; };
  fixture.Append(1);
  slow_clock = 100;
  fixture.Run(100);
  CHECK(slow.flushes == 1);
  CHECK(fixture.pool->stats().max_pass_ms == 700);
  CHECK(fixture.pool->stats().age_bound_ms == 700);
  fixture.Append(1);  // at 800
  slow_clock = 1499;
  fixture.Run(1499);
  CHECK(slow.flushes == 1);
  fixture.Append(2);
  fixture.pool->Wait(2);
  CHECK(fixture.Run(1499) == Events{"sync 2"});
  CHECK(fixture.pool->stats().age_bound_ms ==
        700);  // one quick waiter says nothing about the device
  slow.on_flush = [&] { slow_clock += 5; };
  slow_clock = 1500;
  fixture.Run(1500);
  CHECK(slow.flushes == 2);
  CHECK(fixture.pool->stats().age_bound_ms == 100);
}

// With threads.

void AwaitDurable(FlushPool& pool, const FakeLog& log, Offset offset) {
  while (log.durable < offset) {
    REQUIRE(Readable(pool.wake_descriptor(), 10'000));
    DrainAll(pool);
  }
}

struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  int arrived = 0;
  int allowed = 0;

  void Pass() {  // by the flush thread
    std::unique_lock<std::mutex> lock(mutex);
    ++arrived;
    changed.notify_all();
    changed.wait(lock, [&] { return allowed >= arrived; });
  }
  void AwaitArrivals(int count) {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return arrived >= count; });
  }
  void Allow(int count) {
    std::lock_guard<std::mutex> lock(mutex);
    allowed = count;
    changed.notify_all();
  }
};

TEST_CASE("what arrives while a sync runs goes down together with the next one") {
  FlushPoolOptions options;
  options.threads = 2;
  options.max_age_ms = 1'000'000;  // so that only the waiters can bring the second sync
  auto pool = *FlushPool::Create(options);
  FakeLog log;
  Gate gate;
  log.on_flush = [&] { gate.Pass(); };
  pool->Add(7, &log);
  log.end = 1;
  pool->Dirty(7, 10);
  pool->Wait(7);
  gate.AwaitArrivals(1);
  for (int i = 0; i < 50; ++i) {
    ++log.end;
    pool->Dirty(7, 10);
    pool->Wait(7);
  }
  gate.Allow(1000);
  AwaitDurable(*pool, log, 51);
  pool->Remove(7);
  CHECK(log.flushes == 2);
  CHECK(log.most_at_once == 1);
}

TEST_CASE("removing waits for a running sync of that log and not for others") {
  FlushPoolOptions options;
  options.threads = 2;
  auto pool = *FlushPool::Create(options);
  FakeLog one, two;
  Gate first, second;
  one.on_flush = [&] { first.Pass(); };
  two.on_flush = [&] { second.Pass(); };
  pool->Add(1, &one);
  pool->Add(2, &two);
  pool->Wait(1);
  pool->Wait(2);
  first.AwaitArrivals(1);
  second.AwaitArrivals(1);
  first.Allow(1);
  pool->Remove(1);  // while 2 is still syncing
  CHECK(one.flushes == 1);
  CHECK(one.running == 0);
  second.Allow(1);
  pool->Remove(2);
  CHECK(two.running == 0);
}

TEST_CASE("age alone gets bytes to the disk without anybody calling") {
  FlushPoolOptions options;
  options.threads = 1;
  options.max_age_ms = 5;
  auto pool = *FlushPool::Create(options);
  FakeLog log;
  pool->Add(1, &log);
  for (int round = 1; round <= 3; ++round) {
    log.end = round;
    pool->Dirty(1, 10);
    AwaitDurable(*pool, log, round);
  }
  pool->Remove(1);
}

TEST_CASE("destruction waits for running syncs") {
  FlushPoolOptions options;
  options.threads = 2;
  auto pool = *FlushPool::Create(options);
  FakeLog busy;
  Gate gate;
  Gate about_to_destroy;
  busy.on_flush = [&] { gate.Pass(); };
  pool->Add(1, &busy);
  pool->Wait(1);
  gate.AwaitArrivals(1);
  about_to_destroy.Allow(1);
  auto opener = Thread::Start("opener", [&] {
    about_to_destroy.AwaitArrivals(1);
    gate.Allow(1);
  });
  REQUIRE(opener.ok());
  about_to_destroy.Pass();
  pool.reset();
  CHECK(busy.running == 0);
  CHECK(busy.flushes == 1);
}

TEST_CASE(
    "many logs, appends, waiters and removals on several threads: all that waited is answered") {
  FlushPoolOptions options;
  options.threads = 3;
  options.max_age_ms = 1;
  options.max_unflushed_bytes = 500;
  auto pool = *FlushPool::Create(options);
  constexpr uint64_t kLogs = 8;
  constexpr int kRounds = 400;
  std::vector<std::unique_ptr<FakeLog>> logs;
  for (uint64_t id = 0; id < kLogs; ++id) {
    logs.push_back(std::make_unique<FakeLog>());
    pool->Add(id, logs.back().get());
  }
  std::vector<Offset> awaited(kLogs, 0);
  std::vector<Offset> told(kLogs, 0);
  auto drain = [&] {
    for (const FlushCompletion& completion : DrainAll(*pool)) {
      REQUIRE(completion.code == Code::kOk);
      REQUIRE(completion.durable_offset >= told[completion.log_id]);
      told[completion.log_id] = completion.durable_offset;
    }
  };
  for (int round = 0; round < kRounds; ++round) {
    uint64_t id = static_cast<uint64_t>(round * 7 + round / 3) % kLogs;
    ++logs[id]->end;
    pool->Dirty(id, 100);
    if (round % 3 == 0) {
      pool->Wait(id);
      awaited[id] = logs[id]->end;
    }
    if (round % 50 == 49) {
      pool->Remove(id);
      REQUIRE(logs[id]->running == 0);
      pool->Add(id, logs[id].get());
      pool->Wait(id);
    }
    if (round % 5 == 0) drain();
  }
  for (uint64_t id = 0; id < kLogs; ++id) {
    while (told[id] < awaited[id]) {
      REQUIRE(Readable(pool->wake_descriptor(), 10'000));
      drain();
    }
    pool->Remove(id);
    CHECK(logs[id]->most_at_once == 1);
  }
}

TEST_CASE("options that make no sense are refused") {
  FlushPoolOptions options;
  options.threads = -1;
  CHECK(FlushPool::Create(options).status().code() == Code::kInvalidArgument);
  options.threads = 0;
  options.max_age_ms = -1;
  CHECK(FlushPool::Create(options).status().code() == Code::kInvalidArgument);
}

}  // namespace
}  // namespace millrace
