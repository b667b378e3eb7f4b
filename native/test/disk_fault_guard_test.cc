#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <vector>

#include "core/base/disk.h"
#include "core/base/fault_guard.h"
#include "core/base/thread.h"
#include "test/support/temporary_directory.h"

namespace millrace {
namespace {

using test::TemporaryDirectory;

constexpr size_t kPage = 4096;

std::byte Touch(const std::byte* at) { return *const_cast<const volatile std::byte*>(at); }

std::shared_ptr<File> FileOfOnes(const std::string& path, size_t bytes) {
  auto file = PosixDisk().Open(path, OpenMode::kCreateNew);
  REQUIRE(file.ok());
  REQUIRE((*file)->WriteAt(0, std::vector<std::byte>(bytes, std::byte{1})).ok());
  return *file;
}

TEST_CASE(
    "a file cut under a mapping reads as zeros and marks that mapping, not the process's end") {
  TemporaryDirectory directory;
  auto file = FileOfOnes(directory / "a", 4 * kPage);
  auto other_file = FileOfOnes(directory / "b", 4 * kPage);
  auto mapping = file->Map(4 * kPage, false);
  auto same_file = file->Map(4 * kPage, false);
  auto other = other_file->Map(4 * kPage, false);
  REQUIRE(mapping.ok());
  REQUIRE(same_file.ok());
  REQUIRE(other.ok());
  REQUIRE(file->Truncate(kPage).ok());

  CHECK(Touch((*mapping)->data()) == std::byte{1});
  CHECK(!(*mapping)->damaged());
  CHECK(Touch((*mapping)->data() + 3 * kPage + 17) == std::byte{0});
  CHECK((*mapping)->damaged());
  CHECK(!(*same_file)->damaged());  // it has not been touched there
  CHECK(Touch((*other)->data() + 3 * kPage) == std::byte{1});
  CHECK(!(*other)->damaged());

  // A copy across the edge gets through too.
  std::vector<std::byte> copy(4 * kPage);
  std::memcpy(copy.data(), (*same_file)->data(), copy.size());
  CHECK(copy[0] == std::byte{1});
  CHECK(copy[2 * kPage] == std::byte{0});
  CHECK((*same_file)->damaged());
}

TEST_CASE("a writable mapping can be written on after its file was cut") {
  TemporaryDirectory directory;
  auto file = FileOfOnes(directory / "a", 2 * kPage);
  auto mapping = file->Map(2 * kPage, true);
  REQUIRE(mapping.ok());
  REQUIRE(file->Truncate(0).ok());
  std::memset((*mapping)->data() + kPage, 7, kPage);
  CHECK((*mapping)->damaged());
  CHECK(Touch((*mapping)->data() + kPage) == std::byte{7});
}

TEST_CASE("a mapping made where a damaged one was starts undamaged") {
  TemporaryDirectory directory;
  auto file = FileOfOnes(directory / "a", kPage);
  for (int i = 0; i < 3; ++i) {
    auto whole = FileOfOnes(directory / ("b" + std::to_string(i)), kPage);
    auto mapping = whole->Map(kPage, false);
    REQUIRE(mapping.ok());
    CHECK(!(*mapping)->damaged());
    REQUIRE(whole->Truncate(0).ok());
    CHECK(Touch((*mapping)->data()) == std::byte{0});
    CHECK((*mapping)->damaged());
  }
}

TEST_CASE("mappings come and go on other threads while one faults") {
  TemporaryDirectory directory;
  auto file = FileOfOnes(directory / "a", 64 * kPage);
  auto stable = FileOfOnes(directory / "b", 8 * kPage);
  std::atomic<bool> stop{false};
  auto churn = Thread::Start("churn", [&] {
    while (!stop.load()) {
      auto one = stable->Map(kPage, false);
      auto two = stable->Map(8 * kPage, false);
      if (!one.ok() || !two.ok() || (*one)->damaged() || (*two)->damaged()) stop.store(true);
    }
  });
  REQUIRE(churn.ok());
  auto mapping = file->Map(64 * kPage, false);
  REQUIRE(mapping.ok());
  REQUIRE(file->Truncate(0).ok());
  int zeros = 0;
  for (size_t page = 0; page < 64; ++page)
    zeros += Touch((*mapping)->data() + page * kPage) == std::byte{0};
  CHECK(zeros == 64);
  CHECK((*mapping)->damaged());
  CHECK(!stop.exchange(true));
}

// Under a sanitizer, the previous handler is its own, which reports and exits in its own way.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

int StatusOfChild(void (*body)()) {
  pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

void FaultOutside() {
  int fd = ::memfd_create("cut", MFD_CLOEXEC);
  void* address = ::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, fd, 0);
  Touch(static_cast<std::byte*>(address));
}

TEST_CASE("faults elsewhere and signals that were sent still end the process") {
  // Registers nothing that covers the fault; the handler is in place from the tests above or from
  // here.
  static std::byte page[2 * kPage];
  GuardedRange unrelated(page, kPage, false);
  struct sigaction installed;
  ::sigaction(SIGBUS, nullptr, &installed);
  REQUIRE((installed.sa_flags & SA_SIGINFO) != 0);
  int status = StatusOfChild(&FaultOutside);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGBUS);
  status = StatusOfChild([] { ::raise(SIGBUS); });
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGBUS);
}

#endif

}  // namespace
}  // namespace millrace
