#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "test/support/sim_disk.h"

namespace millrace::test {
namespace {

constexpr size_t kPage = 4096;
constexpr int kSeeds = 200;

std::span<const std::byte> BytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

std::shared_ptr<File> OpenFile(Disk& disk, const std::string& path,
                               OpenMode mode = OpenMode::kCreateOrOpen) {
  auto file = disk.Open(path, mode);
  REQUIRE(file.ok());
  return *file;
}

std::string ReadAll(Disk& disk, const std::string& path) {
  auto file = OpenFile(disk, path, OpenMode::kRead);
  std::string text(*file->Size(), '?');
  Result<size_t> got = file->ReadAt(0, std::as_writable_bytes(std::span(text)));
  REQUIRE(got.ok());
  REQUIRE(*got == text.size());
  return text;
}

bool Exists(Disk& disk, const std::string& path) { return disk.Open(path, OpenMode::kRead).ok(); }

std::string Page(char fill) { return std::string(kPage, fill); }

// A durable file /f of `pages` pages of 'o'.
std::shared_ptr<File> DurableFile(SimDisk& disk, size_t pages) {
  auto file = OpenFile(disk, "/f");
  REQUIRE(file->WriteAt(0, BytesOf(std::string(pages * kPage, 'o'))).ok());
  REQUIRE(file->Sync().ok());
  REQUIRE(disk.SyncDirectory("/").ok());
  return file;
}

TEST_CASE("the simulated disk behaves like a disk while nothing fails") {
  SimDisk disk;
  REQUIRE(disk.MakeDirectory("/d").ok());
  CHECK(disk.MakeDirectory("/d").code() == Code::kExists);
  CHECK(disk.Open("/d/a", OpenMode::kRead).status().code() == Code::kNotFound);
  CHECK(disk.Open("/no/a", OpenMode::kCreateNew).status().code() == Code::kNotFound);
  auto file = OpenFile(disk, "/d/a", OpenMode::kCreateNew);
  CHECK(disk.Open("/d/a", OpenMode::kCreateNew).status().code() == Code::kExists);
  CHECK(file->WriteAt(3, BytesOf("abc")).ok());
  CHECK(ReadAll(disk, "d//./a") == std::string("\0\0\0abc", 6));
  CHECK(file->Allocate(0, 10000).ok());
  CHECK(*file->Size() == 10000);
  CHECK(file->Truncate(4).ok());
  CHECK(ReadAll(disk, "/d/a") == std::string("\0\0\0a", 4));
  CHECK(file->Truncate(6).ok());
  CHECK(ReadAll(disk, "/d/a") == std::string("\0\0\0a\0\0", 6));
  CHECK(file->descriptor() == -1);
  CHECK(!OpenFile(disk, "/d/a", OpenMode::kRead)->WriteAt(0, BytesOf("x")).ok());

  OpenFile(disk, "/d/b");
  CHECK(disk.List("/d")->size() == 2);
  CHECK(disk.Rename("/d/a", "/d/b").ok());
  CHECK(*disk.List("/d") == std::vector<std::string>{"b"});
  CHECK(ReadAll(disk, "/d/b").size() == 6);
  CHECK(disk.RemoveDirectory("/d").code() == Code::kExists);
  CHECK(disk.Rename("/d", "/e").ok());
  CHECK(disk.Unlink("/e/b").ok());
  CHECK(disk.Unlink("/e/b").code() == Code::kNotFound);
  CHECK(file->WriteAt(0, BytesOf("still there")).ok());  // as on Linux
  CHECK(disk.RemoveDirectory("/e").ok());
  CHECK(disk.List("/")->empty());
}

TEST_CASE(
    "mappings of a simulated file are real: shared, stable, and damaged where the file ends") {
  SimDisk disk;
  auto file = OpenFile(disk, "/f");
  REQUIRE(file->Allocate(0, 2 * kPage).ok());
  auto reading = file->Map(2 * kPage, false);
  auto writing = file->Map(2 * kPage, true);
  REQUIRE(reading.ok());
  REQUIRE(writing.ok());
  REQUIRE(file->WriteAt(5, BytesOf("hello")).ok());
  CHECK(std::memcmp((*reading)->data() + 5, "hello", 5) == 0);
  std::memcpy((*writing)->data() + kPage, "mapped", 6);
  CHECK(ReadAll(disk, "/f").substr(kPage, 6) == "mapped");
  REQUIRE(file->Truncate(kPage).ok());
  CHECK(static_cast<const volatile std::byte*>((*reading)->data())[kPage] == std::byte{0});
  CHECK((*reading)->damaged());
}

TEST_CASE(
    "after power loss each unsynced page is old, new or torn at sectors, and synced ones stay") {
  SimDisk disk;
  auto file = DurableFile(disk, 3);
  REQUIRE(file->WriteAt(0, BytesOf(Page('s'))).ok());
  REQUIRE(file->Sync().ok());
  REQUIRE(file->WriteAt(kPage, BytesOf(Page('n'))).ok());
  REQUIRE(file->WriteAt(2 * kPage, BytesOf(Page('n'))).ok());
  int old_pages = 0, new_pages = 0, torn_pages = 0, holed_pages = 0, mixed = 0;
  for (int seed = 0; seed < kSeeds; ++seed) {
    std::string text = ReadAll(*disk.Reboot(seed), "/f");
    REQUIRE(text.size() == 3 * kPage);
    REQUIRE(text.substr(0, kPage) == Page('s'));
    std::set<std::string> kinds;
    for (size_t page = 1; page < 3; ++page) {
      std::string content = text.substr(page * kPage, kPage);
      size_t fresh = static_cast<size_t>(std::count(content.begin(), content.end(), 'n'));
      for (size_t sector = 0; sector < kPage; sector += 512)
        REQUIRE(content.substr(sector, 512) == std::string(512, content[sector]));
      holed_pages += content != std::string(fresh, 'n') + std::string(kPage - fresh, 'o');
      old_pages += fresh == 0;
      new_pages += fresh == kPage;
      torn_pages += fresh > 0 && fresh < kPage;
      kinds.insert(content);
    }
    mixed += kinds.size() > 1;
  }
  CHECK(old_pages > 50);
  CHECK(new_pages > 50);
  CHECK(torn_pages > 50);
  CHECK(holed_pages > 10);
  CHECK(mixed > 50);  // pages are lost in any order, not only from the end
}

TEST_CASE("of the directory changes that are not durable any subset can be kept") {
  SimDisk disk;
  OpenFile(disk, "/a");
  OpenFile(disk, "/b");
  REQUIRE(disk.Rename("/a", "/c").ok());
  CHECK(disk.pending_names() == 3);
  CHECK(disk.Reboot(1, 0)->List("/")->empty());
  CHECK(*disk.Reboot(1, 0b010)->List("/") == std::vector<std::string>{"b"});
  CHECK(*disk.Reboot(1, 0b001)->List("/") == std::vector<std::string>{"a"});
  CHECK(*disk.Reboot(1, 0b101)->List("/") == std::vector<std::string>{"c"});
  // A rename of what was never created leads nowhere.
  CHECK(disk.Reboot(1, 0b100)->List("/")->empty());
  REQUIRE(disk.SyncDirectory("/").ok());
  CHECK(disk.pending_names() == 0);
  CHECK(*disk.Reboot(1, 0)->List("/") == std::vector<std::string>{"b", "c"});
}

TEST_CASE("an outage fails every later call of its kinds until it is healed") {
  SimDisk disk;
  auto file = OpenFile(disk, "/f");
  disk.FailFrom(disk.call_count() + 2, ENOSPC, kCallsThatTakeSpace);
  CHECK(file->WriteAt(0, BytesOf("one")).ok());
  CHECK(file->WriteAt(0, BytesOf("two")).code() == Code::kNoSpace);
  CHECK(file->Size().ok());
  CHECK(disk.Rename("/f", "/g").code() == Code::kNoSpace);
  disk.Heal();
  CHECK(disk.Rename("/f", "/g").ok());
}

TEST_CASE("a read that is made short gets a prefix, once") {
  SimDisk disk;
  auto file = DurableFile(disk, 1);
  std::vector<std::byte> bytes(100);
  disk.ShortenRead(disk.call_count() + 1);
  CHECK(*file->ReadAt(0, bytes) < 100);
  CHECK(*file->ReadAt(0, bytes) == 100);
}

TEST_CASE("a file's unsynced size is the old one, the new one or between") {
  SimDisk disk;
  auto file = DurableFile(disk, 1);
  std::set<size_t> sizes;
  SUBCASE("growing") {
    REQUIRE(file->Allocate(0, 3 * kPage).ok());
    for (int seed = 0; seed < kSeeds; ++seed) {
      std::string text = ReadAll(*disk.Reboot(seed), "/f");
      REQUIRE(text.substr(0, kPage) == Page('o'));
      REQUIRE(text.substr(kPage) == std::string(text.size() - kPage, '\0'));
      sizes.insert(text.size());
    }
    CHECK(*sizes.begin() == kPage);
    CHECK(*sizes.rbegin() == 3 * kPage);
  }
  SUBCASE("shrinking") {
    REQUIRE(file->Truncate(100).ok());
    for (int seed = 0; seed < kSeeds; ++seed) {
      std::string text = ReadAll(*disk.Reboot(seed), "/f");
      REQUIRE(std::count(text.begin(), text.end(), 'o') >= 100);
      sizes.insert(text.size());
    }
    CHECK(*sizes.begin() == 100);
    CHECK(*sizes.rbegin() == kPage);
  }
  CHECK(sizes.size() > 10);
}

TEST_CASE("bytes cut by an unsynced truncation can come back under what was written after it") {
  SimDisk disk;
  auto file = DurableFile(disk, 2);
  REQUIRE(file->Truncate(kPage).ok());
  REQUIRE(file->Allocate(kPage, 2 * kPage).ok());
  int back = 0;
  for (int seed = 0; seed < kSeeds; ++seed) back += ReadAll(*disk.Reboot(seed), "/f").back() == 'o';
  CHECK(back > 20);
  REQUIRE(file->Sync().ok());
  for (int seed = 0; seed < kSeeds; ++seed)
    REQUIRE(ReadAll(*disk.Reboot(seed), "/f")[2 * kPage - 1] == '\0');
}

TEST_CASE(
    "what is written through a mapping is lost or kept like any other page, and synced with the "
    "file") {
  SimDisk disk;
  auto file = DurableFile(disk, 1);
  auto mapping = file->Map(kPage, true);
  REQUIRE(mapping.ok());
  std::memset((*mapping)->data(), 'm', kPage);
  std::set<char> first;
  for (int seed = 0; seed < kSeeds; ++seed) first.insert(ReadAll(*disk.Reboot(seed), "/f").front());
  CHECK(first == std::set<char>{'m', 'o'});
  REQUIRE(file->Sync().ok());
  for (int seed = 0; seed < kSeeds; ++seed) REQUIRE(ReadAll(*disk.Reboot(seed), "/f") == Page('m'));
  disk.CrashAfter(disk.call_count() + 1);
  CHECK(!file->Sync().ok());
  std::memset((*mapping)->data(), 'z', kPage);  // by a process that is dead already
  for (int seed = 0; seed < kSeeds; ++seed) REQUIRE(ReadAll(*disk.Reboot(seed), "/f") == Page('m'));
  REQUIRE(ReadAll(*disk.KillProcess(), "/f") == Page('m'));
}

TEST_CASE(
    "a name is forgotten or kept until its directory is synced, whatever was done to the file") {
  SimDisk disk;
  auto file = OpenFile(disk, "/f");
  REQUIRE(file->WriteAt(0, BytesOf("synced")).ok());
  REQUIRE(file->Sync().ok());
  int kept = 0;
  for (int seed = 0; seed < kSeeds; ++seed) {
    auto after = disk.Reboot(seed);
    if (!Exists(*after, "/f")) continue;
    ++kept;
    REQUIRE(ReadAll(*after, "/f") == "synced");
  }
  CHECK(kept > 20);
  CHECK(kept < kSeeds - 20);
  REQUIRE(disk.SyncDirectory("/").ok());
  for (int seed = 0; seed < kSeeds; ++seed) REQUIRE(ReadAll(*disk.Reboot(seed), "/f") == "synced");
  REQUIRE(disk.Unlink("/f").ok());
  kept = 0;
  for (int seed = 0; seed < kSeeds; ++seed) {
    auto after = disk.Reboot(seed);
    if (!Exists(*after, "/f")) continue;
    ++kept;
    REQUIRE(ReadAll(*after, "/f") == "synced");
  }
  CHECK(kept > 20);
  CHECK(kept < kSeeds - 20);
  REQUIRE(disk.SyncDirectory("/").ok());
  for (int seed = 0; seed < kSeeds; ++seed) REQUIRE(!Exists(*disk.Reboot(seed), "/f"));
}

TEST_CASE("files in a directory whose own name was forgotten are gone") {
  SimDisk disk;
  REQUIRE(disk.MakeDirectory("/d").ok());
  REQUIRE(OpenFile(disk, "/d/f")->Sync().ok());
  REQUIRE(disk.SyncDirectory("/d").ok());
  int kept = 0;
  for (int seed = 0; seed < kSeeds; ++seed) {
    auto after = disk.Reboot(seed);
    bool directory = after->List("/d").ok();
    kept += directory;
    REQUIRE(Exists(*after, "/d/f") == directory);
  }
  CHECK(kept > 20);
  CHECK(kept < kSeeds - 20);
}

TEST_CASE("a rename over a file is seen whole or not at all, also between directories") {
  SimDisk disk;
  REQUIRE(disk.MakeDirectory("/a").ok());
  REQUIRE(disk.MakeDirectory("/b").ok());
  REQUIRE(disk.SyncDirectory("/").ok());
  const std::string from = "/a/new";
  std::string to = "/a/current";
  SUBCASE("in one directory") {}
  SUBCASE("between directories") { to = "/b/current"; }
  CAPTURE(to);
  auto write = [&](const std::string& path, std::string_view text) {
    auto file = OpenFile(disk, path);
    REQUIRE(file->WriteAt(0, BytesOf(text)).ok());
    REQUIRE(file->Sync().ok());
  };
  write(to, "old");
  REQUIRE(disk.SyncDirectory("/a").ok());
  REQUIRE(disk.SyncDirectory("/b").ok());
  write(from, "new");
  REQUIRE(disk.SyncDirectory("/a").ok());
  REQUIRE(disk.Rename(from, to).ok());
  int renamed = 0;
  for (int seed = 0; seed < kSeeds; ++seed) {
    auto after = disk.Reboot(seed);
    bool done = !Exists(*after, from);
    renamed += done;
    REQUIRE(ReadAll(*after, to) == (done ? "new" : "old"));
    if (!done) REQUIRE(ReadAll(*after, from) == "new");
  }
  CHECK(renamed > 20);
  CHECK(renamed < kSeeds - 20);
  REQUIRE(disk.SyncDirectory("/a").ok());
  for (int seed = 0; seed < kSeeds; ++seed) {
    auto after = disk.Reboot(seed);
    REQUIRE(ReadAll(*after, to) == "new");
    REQUIRE(!Exists(*after, from));
  }
}

TEST_CASE("syncing the last of several directories a file went through settles the whole way") {
  SimDisk disk;
  for (const char* path : {"/a", "/b", "/c"}) REQUIRE(disk.MakeDirectory(path).ok());
  REQUIRE(disk.SyncDirectory("/").ok());
  OpenFile(disk, "/a/x");
  REQUIRE(disk.SyncDirectory("/a").ok());
  REQUIRE(disk.Rename("/a/x", "/b/x").ok());
  REQUIRE(disk.Rename("/b/x", "/c/x").ok());
  REQUIRE(disk.SyncDirectory("/c").ok());
  for (int seed = 0; seed < kSeeds; ++seed) {
    auto after = disk.Reboot(seed);
    REQUIRE(Exists(*after, "/c/x"));
    REQUIRE(!Exists(*after, "/b/x"));
    REQUIRE(!Exists(*after, "/a/x"));
  }
}

TEST_CASE(
    "any subset of unrelated directory changes survives, but no file is found twice or lost on its "
    "way") {
  SimDisk disk;
  for (const char* path : {"/p", "/q"}) REQUIRE(OpenFile(disk, path)->Sync().ok());
  REQUIRE(OpenFile(disk, "/moved")->WriteAt(0, BytesOf("m")).ok());
  REQUIRE(OpenFile(disk, "/moved")->Sync().ok());
  REQUIRE(disk.SyncDirectory("/").ok());
  REQUIRE(disk.Unlink("/p").ok());
  REQUIRE(disk.Unlink("/q").ok());
  REQUIRE(disk.Rename("/moved", "/moved-1").ok());
  REQUIRE(disk.Rename("/moved-1", "/moved-2").ok());
  OpenFile(disk, "/moved", OpenMode::kCreateNew);
  std::set<std::pair<bool, bool>> unlinks;
  std::set<std::string> places;
  for (int seed = 0; seed < kSeeds; ++seed) {
    auto after = disk.Reboot(seed);
    unlinks.insert({Exists(*after, "/p"), Exists(*after, "/q")});
    std::string found;
    for (const char* path : {"/moved", "/moved-1", "/moved-2"}) {
      if (Exists(*after, path) && ReadAll(*after, path) == "m") found += path;
    }
    places.insert(found);
  }
  CHECK(unlinks.size() == 4);
  CHECK(places == std::set<std::string>{"/moved", "/moved-1", "/moved-2"});
}

TEST_CASE("after a crash every call fails, and the state is that before the call") {
  SimDisk disk;
  auto file = DurableFile(disk, 1);
  uint64_t calls = disk.call_count();
  disk.CrashAfter(calls + 2);
  REQUIRE(file->WriteAt(0, BytesOf("x")).ok());
  CHECK(!disk.crashed());
  CHECK(file->Sync().code() == Code::kIoError);
  CHECK(disk.crashed());
  CHECK(!file->WriteAt(0, BytesOf("y")).ok());
  CHECK(!disk.Unlink("/f").ok());
  CHECK(!disk.List("/").ok());
  CHECK(!file->Map(kPage, false).ok());
  CHECK(disk.call_count() == calls + 6);
  CHECK(ReadAll(*disk.KillProcess(), "/f") == "x" + std::string(kPage - 1, 'o'));
}

TEST_CASE("a process killed inside a write leaves a prefix of it that ends with a page") {
  constexpr size_t kFrom = 100;
  constexpr size_t kLength = 5 * kPage;
  std::set<size_t> ends;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimDisk disk(seed);
    auto file = OpenFile(disk, "/f");
    REQUIRE(file->WriteAt(0, BytesOf(std::string(kFrom, 'o'))).ok());
    disk.CrashAfter(disk.call_count() + 1);
    CHECK(!file->WriteAt(kFrom, BytesOf(std::string(kLength, 'n'))).ok());
    const std::string text = ReadAll(*disk.KillProcess(), "/f");
    REQUIRE(text == std::string(kFrom, 'o') + std::string(text.size() - kFrom, 'n'));
    const bool whole = text.size() == kFrom + kLength;
    CHECK((text.size() == kFrom || whole || text.size() % kPage == 0));
    ends.insert(text.size());
  }
  CHECK(ends.size() >= 6);
}

TEST_CASE("a killed process leaves what it wrote, still to be lost by the next power cut") {
  SimDisk disk;
  auto file = OpenFile(disk, "/f");
  REQUIRE(file->WriteAt(0, BytesOf("cached")).ok());
  auto next = disk.KillProcess();
  REQUIRE(file->WriteAt(0, BytesOf("ignored")).ok());
  CHECK(ReadAll(*next, "/f") == "cached");
  int lost = 0;
  for (int seed = 0; seed < kSeeds; ++seed) {
    auto after = next->Reboot(seed);
    lost += !Exists(*after, "/f") || ReadAll(*after, "/f") != "cached";
  }
  CHECK(lost > 50);
  REQUIRE(OpenFile(*next, "/f")->Sync().ok());
  REQUIRE(next->SyncDirectory("/").ok());
  for (int seed = 0; seed < kSeeds; ++seed) REQUIRE(ReadAll(*next->Reboot(seed), "/f") == "cached");
}

TEST_CASE("one call fails with the error asked for, and the next succeeds") {
  SimDisk disk;
  auto file = OpenFile(disk, "/f");
  disk.FailCall(disk.call_count() + 1, ENOSPC);
  Status status = file->Allocate(0, kPage);
  CHECK(status.code() == Code::kNoSpace);
  CHECK(status.system_error() == ENOSPC);
  CHECK(*file->Size() == 0);
  CHECK(file->Allocate(0, kPage).ok());
  disk.FailCall(disk.call_count() + 1, EMFILE);
  CHECK(disk.Open("/f", OpenMode::kRead).status().code() == Code::kTooManyFiles);
  CHECK(disk.Open("/f", OpenMode::kRead).ok());
  disk.FailCall(disk.call_count() + 1, EIO);
  CHECK(disk.Rename("/f", "/g").code() == Code::kIoError);
  CHECK(Exists(disk, "/f"));
}

TEST_CASE("after a failed sync the next one succeeds without having written anything") {
  SimDisk disk;
  auto file = DurableFile(disk, 2);
  REQUIRE(file->WriteAt(0, BytesOf(Page('n'))).ok());
  disk.FailCall(disk.call_count() + 1, EIO);
  CHECK(!file->Sync().ok());
  CHECK(file->Sync().ok());
  CHECK(ReadAll(disk, "/f").front() == 'n');  // the cache still has it
  std::set<char> first;
  for (int seed = 0; seed < kSeeds; ++seed) first.insert(ReadAll(*disk.Reboot(seed), "/f").front());
  CHECK(first == std::set<char>{'n', 'o'});
  std::set<char> cached;
  for (int seed = 0; seed < kSeeds; ++seed)
    cached.insert(ReadAll(*disk.KillProcess(seed), "/f").front());
  CHECK(cached ==
        std::set<char>{'n', 'o'});  // a clean page may be dropped and read again at any time
  REQUIRE(file->WriteAt(0, BytesOf(Page('w'))).ok());
  REQUIRE(file->Sync().ok());
  for (int seed = 0; seed < kSeeds; ++seed)
    REQUIRE(ReadAll(*disk.Reboot(seed), "/f").front() == 'w');
}

TEST_CASE("a full disk refuses allocations and writes until something goes") {
  SimDisk disk;
  disk.SetCapacity(4 * kPage);
  auto file = OpenFile(disk, "/f");
  CHECK(*disk.FreeBytes("/") == 4 * kPage);
  CHECK(file->Allocate(0, 3 * kPage).ok());
  CHECK(*disk.FreeBytes("/") == kPage);
  CHECK(file->Allocate(0, 5 * kPage).code() == Code::kNoSpace);
  CHECK(*file->Size() == 3 * kPage);
  {
    auto other = OpenFile(disk, "/g");
    CHECK(other->WriteAt(0, BytesOf(Page('x'))).ok());
    CHECK(other->WriteAt(kPage, BytesOf("x")).code() == Code::kNoSpace);
    REQUIRE(disk.Unlink("/g").ok());
    REQUIRE(disk.SyncDirectory("/").ok());
    CHECK(*disk.FreeBytes("/") == 0);  // held by the descriptor
  }
  CHECK(*disk.FreeBytes("/") == kPage);
  CHECK(file->Truncate(kPage).ok());
  CHECK(*disk.FreeBytes("/") == 3 * kPage);
  CHECK(*disk.KillProcess()->FreeBytes("/") == 3 * kPage);
}

TEST_CASE("calls are recorded in order, with what became of them") {
  SimDisk disk;
  auto file = OpenFile(disk, "/f");
  (void)file->WriteAt(10, BytesOf("abc"));
  (void)file->Sync();
  (void)disk.Unlink("/none");
  std::vector<SimCall> calls = disk.calls();
  REQUIRE(calls.size() == 4);
  CHECK(calls[0].kind == SimCallKind::kOpen);
  CHECK(calls[1].kind == SimCallKind::kWrite);
  CHECK(calls[1].path == "/f");
  CHECK(calls[1].position == 10);
  CHECK(calls[1].length == 3);
  CHECK(calls[2].kind == SimCallKind::kSync);
  CHECK(calls[2].code == Code::kOk);
  CHECK(calls[3].code == Code::kNotFound);
}

TEST_CASE("the same seed gives the same wreck") {
  SimDisk disk;
  auto file = DurableFile(disk, 8);
  REQUIRE(file->WriteAt(0, BytesOf(std::string(10 * kPage, 'n'))).ok());
  OpenFile(disk, "/g");
  for (uint64_t seed = 0; seed < 20; ++seed) {
    auto one = disk.Reboot(seed);
    auto two = disk.Reboot(seed);
    REQUIRE(ReadAll(*one, "/f") == ReadAll(*two, "/f"));
    REQUIRE(*one->List("/") == *two->List("/"));
  }
}

}  // namespace
}  // namespace millrace::test
