// While somebody waits for a flush, and shortly after, the processors are kept awake.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/awake_processors.h"
#include "core/base/unique_fd.h"
#include "core/log/flush_pool.h"
#include "test/support/fake_log.h"
#include "test/support/temporary_directory.h"

namespace millrace {
namespace {

using test::FakeLog;

constexpr int kTimeoutMs = 10'000;

// Stands for the kernel's device: what was asked for can be read, in order.
class Device {
 public:
  Device() : path_(directory_.path() + "/device") {
    REQUIRE(::mkfifo(path_.c_str(), 0600) == 0);
    fd_ = UniqueFd(::open(path_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    REQUIRE(fd_.valid());
  }
  const char* path() const { return path_.c_str(); }
  std::vector<int32_t> Asked() {
    std::vector<int32_t> asked;
    int32_t value;
    while (::read(fd_.get(), &value, sizeof value) == sizeof value) asked.push_back(value);
    return asked;
  }
  int32_t Next() {
    pollfd waiting{fd_.get(), POLLIN, 0};
    REQUIRE(::poll(&waiting, 1, kTimeoutMs) == 1);
    int32_t value = 1;
    REQUIRE(::read(fd_.get(), &value, sizeof value) == sizeof value);
    return value;
  }

 private:
  test::TemporaryDirectory directory_;
  std::string path_;
  UniqueFd fd_;
};

using Values = std::vector<int32_t>;

FlushPoolOptions Options(const Device& device, int threads) {
  FlushPoolOptions options;
  options.threads = threads;
  options.max_age_ms = 3'600'000;
  options.awake_ms = 2;
  options.awake_device = device.path();
  return options;
}

}  // namespace

TEST_CASE("processors are asked for once, and let go of when nobody has come for so long") {
  Device device;
  FakeLog log;
  auto pool = *FlushPool::Create(Options(device, 0));
  pool->Add(1, &log);
  pool->Dirty(1, 100);
  pool->RunOnce(100);
  CHECK(device.Asked().empty());  // who only writes does not wait

  pool->Wait(1);
  CHECK(device.Asked() == Values{0});
  pool->RunOnce(101);
  pool->Wait(1);
  pool->RunOnce(102);
  CHECK(device.Asked().empty());
  pool->RunOnce(103);  // two after the second wait
  CHECK(device.Asked() == Values{-1});
  pool->RunOnce(104);
  CHECK(device.Asked().empty());

  pool->Wait(1);
  CHECK(device.Asked() == Values{0});
  pool->Remove(1);
}

TEST_CASE("threads that have nothing else to do let the processors go") {
  Device device;
  FakeLog log, other;
  auto pool = *FlushPool::Create(Options(device, 2));
  pool->Add(1, &log);
  pool->Add(2, &other);
  pool->Dirty(2, 100);  // one of them sleeps until this comes of age, much later
  for (int round = 0; round < 3; ++round) {
    pool->Wait(1);
    CHECK(device.Next() == 0);
    CHECK(device.Next() == -1);
  }
  pool->Remove(1);
  pool->Remove(2);
}

TEST_CASE("where they cannot be asked for, logs are flushed as ever") {
  FakeLog log;
  FlushPoolOptions options;
  options.threads = 0;
  options.awake_ms = 2;
  options.awake_device = "/nonexistent/device";
  auto pool = *FlushPool::Create(options);
  pool->Add(1, &log);
  pool->Dirty(1, 100);
  pool->Wait(1);
  pool->RunOnce(0);
  CHECK(pool->stats().syncs == 1);
  pool->Remove(1);
  CHECK_FALSE(AwakeProcessors::Open("/nonexistent/device").ok());
}

}  // namespace millrace
