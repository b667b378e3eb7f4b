#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

#include "core/base/disk.h"
#include "test/support/temporary_directory.h"

namespace millrace {
namespace {

using test::TemporaryDirectory;

std::span<const std::byte> BytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string ReadAll(File& file) {
  std::string text(*file.Size(), '?');
  Result<size_t> got = file.ReadAt(0, std::as_writable_bytes(std::span(text)));
  REQUIRE(got.ok());
  REQUIRE(*got == text.size());
  return text;
}

std::shared_ptr<File> Create(const std::string& path) {
  auto file = PosixDisk().Open(path, OpenMode::kCreateNew);
  REQUIRE(file.ok());
  return *file;
}

TEST_CASE("the real disk creates, writes, reads and truncates") {
  TemporaryDirectory directory;
  auto file = Create(directory / "a");
  CHECK(file->WriteAt(0, BytesOf("hello")).ok());
  CHECK(file->WriteAt(7, BytesOf("world")).ok());
  CHECK(ReadAll(*file) == std::string("hello\0\0world", 12));
  std::byte into[100];
  CHECK(*file->ReadAt(10, into) == 2);
  CHECK(*file->ReadAt(12, into) == 0);
  CHECK(*file->ReadAt(1000, into) == 0);
  CHECK(file->Truncate(3).ok());
  CHECK(ReadAll(*file) == "hel");
  CHECK(file->Sync().ok());
  file->StartWriteBack(0, 3);
  CHECK((::fcntl(file->descriptor(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("open modes say what must, may and must not be there") {
  TemporaryDirectory directory;
  Disk& disk = PosixDisk();
  CHECK(disk.Open(directory / "a", OpenMode::kRead).status().code() == Code::kNotFound);
  CHECK(disk.Open(directory / "a", OpenMode::kReadWrite).status().code() == Code::kNotFound);
  CHECK(disk.Open(directory / "a", OpenMode::kCreateOrOpen).ok());
  CHECK(disk.Open(directory / "a", OpenMode::kCreateNew).status().code() == Code::kExists);
  CHECK(disk.Open(directory / "a", OpenMode::kCreateOrOpen).ok());
  auto reader = disk.Open(directory / "a", OpenMode::kRead);
  REQUIRE(reader.ok());
  CHECK(!(*reader)->WriteAt(0, BytesOf("x")).ok());
}

TEST_CASE("allocated bytes are backed by blocks and read as zeros, and what was there stays") {
  TemporaryDirectory directory;
  auto file = Create(directory / "a");
  REQUIRE(file->WriteAt(0, BytesOf("data")).ok());
  REQUIRE(file->Allocate(0, 64 * 1024).ok());
  CHECK(*file->Size() == 64 * 1024);
  struct stat facts;
  REQUIRE(::stat((directory / "a").c_str(), &facts) == 0);
  CHECK(facts.st_blocks * 512 >= 64 * 1024);
  std::string text = ReadAll(*file);
  CHECK(text.substr(0, 4) == "data");
  CHECK(std::all_of(text.begin() + 4, text.end(), [](char c) { return c == 0; }));
  CHECK(file->Allocate(1000, 1000).ok());
  CHECK(*file->Size() == 64 * 1024);
}

// Sets a resource limit for as long as it lives.
class Limit {
 public:
  Limit(int resource, rlim_t value) : resource_(resource) {
    REQUIRE(::getrlimit(resource_, &before_) == 0);
    rlimit limit{value, before_.rlim_max};
    REQUIRE(::setrlimit(resource_, &limit) == 0);
  }
  ~Limit() { ::setrlimit(resource_, &before_); }

 private:
  int resource_;
  rlimit before_;
};

TEST_CASE("an allocation that fails leaves the size as it was") {
  TemporaryDirectory directory;
  auto file = Create(directory / "a");
  REQUIRE(file->WriteAt(0, BytesOf("data")).ok());
  auto before = ::signal(SIGXFSZ, SIG_IGN);
  {
    Limit limit(RLIMIT_FSIZE, 8192);
    CHECK(!file->Allocate(0, 1 << 20).ok());
  }
  ::signal(SIGXFSZ, before);
  CHECK(*file->Size() == 4);
}

// UBSan looks at an object through a pipe before it believes its type, and here it gets none.
__attribute__((no_sanitize("vptr"))) std::vector<Code> CodesWithoutDescriptors(
    Disk& disk, const TemporaryDirectory& directory) {
  int next = ::dup(0);
  ::close(next);
  Limit limit(RLIMIT_NOFILE, static_cast<rlim_t>(next));
  return {disk.Open(directory / "a", OpenMode::kRead).status().code(),
          disk.List(directory.path()).status().code(), disk.SyncDirectory(directory.path()).code()};
}

TEST_CASE("running out of descriptors is told apart, and passes") {
  TemporaryDirectory directory;
  Create(directory / "a");
  CHECK(CodesWithoutDescriptors(PosixDisk(), directory) ==
        std::vector<Code>(3, Code::kTooManyFiles));
  CHECK(PosixDisk().Open(directory / "a", OpenMode::kRead).ok());
}

TEST_CASE("directories are made, listed, renamed, synced and removed") {
  TemporaryDirectory directory;
  Disk& disk = PosixDisk();
  CHECK(disk.MakeDirectory(directory / "d").ok());
  CHECK(disk.MakeDirectory(directory / "d").code() == Code::kExists);
  CHECK(disk.MakeDirectory(directory / "no/d").code() == Code::kNotFound);
  Create(directory / "d/a");
  Create(directory / "d/b");
  auto names = disk.List(directory / "d");
  REQUIRE(names.ok());
  std::sort(names->begin(), names->end());
  CHECK(*names == std::vector<std::string>{"a", "b"});
  CHECK(disk.List(directory / "none").status().code() == Code::kNotFound);
  CHECK(disk.Rename(directory / "d/a", directory / "d/b").ok());
  CHECK(disk.List(directory / "d")->size() == 1);
  CHECK(disk.RemoveDirectory(directory / "d").code() == Code::kExists);
  CHECK(disk.Unlink(directory / "d/b").ok());
  CHECK(disk.Unlink(directory / "d/b").code() == Code::kNotFound);
  CHECK(disk.SyncDirectory(directory / "d").ok());
  CHECK(disk.RemoveDirectory(directory / "d").ok());
  CHECK(disk.SyncDirectory(directory / "d").code() == Code::kNotFound);
  auto free = disk.FreeBytes(directory.path());
  REQUIRE(free.ok());
  CHECK(*free > 0);
}

TEST_CASE("a mapping shows writes to the file and outlives it") {
  TemporaryDirectory directory;
  auto file = Create(directory / "a");
  REQUIRE(file->Allocate(0, 8192).ok());
  auto mapping = file->Map(8192, false);
  auto writable = file->Map(4096, true);
  REQUIRE(mapping.ok());
  REQUIRE(writable.ok());
  CHECK((*mapping)->size() == 8192);
  REQUIRE(file->WriteAt(4096, BytesOf("later")).ok());
  CHECK(std::memcmp((*mapping)->data() + 4096, "later", 5) == 0);
  std::memcpy((*writable)->data(), "by hand", 7);
  CHECK(ReadAll(*file).substr(0, 7) == "by hand");
  file.reset();
  CHECK(std::memcmp((*mapping)->data(), "by hand", 7) == 0);
  CHECK(!(*mapping)->damaged());
}

// Of a page of this process, as /proc/self/pagemap has it: whether the page table has an entry.
bool InPageTable(const void* address) {
  constexpr uint64_t kPresent = uint64_t{1} << 63;
  const int pages = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  REQUIRE(pages >= 0);
  uint64_t entry = 0;
  const auto at = static_cast<off_t>(reinterpret_cast<uintptr_t>(address) / 4096 * sizeof entry);
  CHECK(::pread(pages, &entry, sizeof entry, at) == sizeof entry);
  ::close(pages);
  return (entry & kPresent) != 0;
}

TEST_CASE("pages that are released keep their bytes, and are written as before") {
  TemporaryDirectory directory;
  auto file = Create(directory / "a");
  REQUIRE(file->Allocate(0, 12288).ok());
  auto mapping = file->Map(12288, true);
  REQUIRE(mapping.ok());
  std::byte* const bytes = (*mapping)->data();
  for (int page = 0; page < 3; ++page) std::memcpy(bytes + page * 4096, "stored", 6);
  (*mapping)->Release(0, 8192);
  CHECK(!InPageTable(bytes));
  CHECK(!InPageTable(bytes + 4096));
  CHECK(InPageTable(bytes + 8192));
  CHECK(ReadAll(*file).substr(4096, 6) == "stored");
  std::memcpy(bytes + 6, " twice", 6);
  CHECK(ReadAll(*file).substr(0, 12) == "stored twice");
  REQUIRE(file->SyncMapped(**mapping, 0, 12288).ok());
  CHECK(!(*mapping)->damaged());
}

}  // namespace
}  // namespace millrace
