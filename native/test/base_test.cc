#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <memory>

#include "core/base/bytes.h"
#include "core/base/status.h"
#include "core/base/thread.h"
#include "core/base/unique_fd.h"

namespace millrace {
namespace {

TEST_CASE("errno becomes the code a caller can act on, and is kept") {
  struct {
    int system_error;
    Code code;
  } cases[] = {{ENOSPC, Code::kNoSpace},
               {EDQUOT, Code::kNoSpace},
               {EMFILE, Code::kTooManyFiles},
               {ENFILE, Code::kTooManyFiles},
               {ENOENT, Code::kNotFound},
               {EEXIST, Code::kExists},
               {ENOTEMPTY, Code::kExists},
               {ENOMEM, Code::kNoMemory},
               {EADDRINUSE, Code::kAddressInUse},
               {EINVAL, Code::kInvalidArgument},
               {EIO, Code::kIoError},
               {EACCES, Code::kIoError},
               {EROFS, Code::kIoError}};
  for (const auto& [system_error, code] : cases) {
    Status status = Status::FromErrno(system_error);
    CHECK(!status.ok());
    CHECK(status.code() == code);
    CHECK(status.system_error() == system_error);
  }
  CHECK(Status::Ok().ok());
}

TEST_CASE("a result holds a value that can be moved out, or a status") {
  Result<std::unique_ptr<int>> value(std::make_unique<int>(7));
  REQUIRE(value.ok());
  CHECK(value.status().ok());
  std::unique_ptr<int> taken = *std::move(value);
  CHECK(*taken == 7);
  Result<int> failed(Status(Code::kClosed));
  CHECK(!failed.ok());
  CHECK(failed.status().code() == Code::kClosed);
}

TEST_CASE("big-endian fields are read and written at any alignment") {
  std::byte bytes[16] = {};
  StoreBigEndian<int64_t>(bytes + 1, 0x0102030405060708);
  CHECK(bytes[1] == std::byte{1});
  CHECK(bytes[8] == std::byte{8});
  CHECK(LoadBigEndian<int64_t>(bytes + 1) == 0x0102030405060708);
  CHECK(LoadBigEndian<uint32_t>(bytes + 1) == 0x01020304u);
  StoreBigEndian<int16_t>(bytes + 3, -2);
  CHECK(LoadBigEndian<int16_t>(bytes + 3) == -2);
  StoreBigEndian<int8_t>(bytes, -5);
  CHECK(LoadBigEndian<int8_t>(bytes) == -5);
}

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

TEST_CASE("a descriptor is closed exactly once, by its last owner") {
  int raw = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  REQUIRE(raw >= 0);
  UniqueFd first(raw);
  UniqueFd second(std::move(first));
  CHECK(!first.valid());
  CHECK(second.get() == raw);
  CHECK(IsOpen(raw));
  first = std::move(second);
  CHECK(IsOpen(raw));
  first.Reset();
  CHECK(!IsOpen(raw));
  UniqueFd third(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  int kept = third.Release();
  third.Reset();
  CHECK(IsOpen(kept));
  ::close(kept);
}

TEST_CASE("a thread runs once, gets no signals but faults, and leaves its starter's mask alone") {
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  std::atomic<int> runs{0};
  bool terminate_blocked = false;
  bool bus_blocked = true;
  Result<Thread> thread = Thread::Start("test", [&] {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    terminate_blocked = sigismember(&mask, SIGTERM) == 1;
    bus_blocked = sigismember(&mask, SIGBUS) == 1;
    runs.fetch_add(1);
  });
  REQUIRE(thread.ok());
  Thread moved = *std::move(thread);
  moved.Join();
  moved.Join();
  CHECK(runs.load() == 1);
  CHECK(terminate_blocked);
  CHECK(!bus_blocked);
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  CHECK(sigismember(&after, SIGTERM) == sigismember(&before, SIGTERM));
}

}  // namespace
}  // namespace millrace
