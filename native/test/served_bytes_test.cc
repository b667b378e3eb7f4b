// What sendfile(2) has put into a socket's queue are references to pages of the file, not bytes:
// the receiver must get what was there when they were handed over, whatever the log does with the
// file before it reads them.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <shared_mutex>
#include <string>
#include <thread>

#include "core/base/unique_fd.h"
#include "core/io/output_queue.h"
#include "core/log/log_services.h"
#include "core/log/segment_file.h"
#include "test/support/log_subject.h"
#include "test/support/temporary_directory.h"

namespace millrace::test {
namespace {

// Two ends of a connection over the loopback. The receiving one takes little by itself.
struct Line {
  Line() {
    UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(bind(listener.get(), generic, size) == 0);
    REQUIRE(listen(listener.get(), 1) == 0);
    REQUIRE(getsockname(listener.get(), generic, &size) == 0);
    receiver = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int small = 4096;
    setsockopt(receiver.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    REQUIRE(connect(receiver.get(), generic, size) == 0);
    sender = UniqueFd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    REQUIRE(sender.valid());
  }

  // All that the sender has handed over, once it is done.
  std::string Receive() {
    shutdown(sender.get(), SHUT_WR);
    std::string all;
    char buffer[65536];
    for (ssize_t n; (n = recv(receiver.get(), buffer, sizeof buffer, 0)) > 0;)
      all.append(buffer, static_cast<size_t>(n));
    return all;
  }

  UniqueFd sender;
  UniqueFd receiver;
};

std::string TextOf(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

LogConfig OneSegment() {
  LogConfig config;
  config.segment_bytes = 64 << 20;
  return config;
}

// Hands over as much as the socket takes.
std::string HandOver(const Line& line, const FileRegion& region) {
  std::string bytes = TextOf(BytesOf(region));
  off_t position = static_cast<off_t>(region.position());
  size_t sent = 0;
  for (ssize_t n; sent < bytes.size() && (n = sendfile(line.sender.get(), region.descriptor(),
                                                       &position, bytes.size() - sent)) > 0;)
    sent += static_cast<size_t>(n);
  bytes.resize(sent);
  return bytes;
}

// A file system that writes past the page cache, and one that cannot.
std::vector<std::string> Parents() {
  std::vector<std::string> parents{std::filesystem::temp_directory_path()};
  if (access("/dev/shm", W_OK) == 0) parents.push_back("/dev/shm");
  return parents;
}

}  // namespace

TEST_CASE("bytes that wait in a socket stay what they were when the log is cut below them") {
  for (const std::string& parent : Parents()) {
    for (const bool rested : {false, true}) {
      CAPTURE(parent);
      CAPTURE(rested);
      TemporaryDirectory directory(parent);
      Subject log(PosixDisk(), directory.path() + "/topic-0", OneSegment());
      log.AppendMany(2000);
      log.Flush();
      if (rested) REQUIRE(log->Rest());
      Line line;
      const FileRegion region = *log->Read(0, 1 << 20, INT64_MAX, true);
      const std::string expected = HandOver(line, region);
      REQUIRE(expected.size() > 100'000);

      // In the middle of a page, and of what is under way.
      size_t below = 0;
      size_t kept = 0;
      while (below + log.batches[kept].size() < expected.size() / 2)
        below += log.batches[kept++].size();
      BatchHeader header;
      REQUIRE(ParseBatchHeader(log.batches[kept], &header).ok());
      REQUIRE(below % 4096 != 0);
      REQUIRE(log->TruncateTo(header.base_offset).ok());
      CHECK(!region.Valid());
      log.batches.resize(kept);
      log.AppendMany(3000);
      log.Flush();
      CHECK(line.Receive() == expected);
      CHECK(log.Content() == log.Appended());
      CHECK(!std::filesystem::exists(log.Path("next.prepared")));
      log.CloseAndOpen();
      CHECK(log.Content() == log.Appended());
      log.Drop();
      log.Open(OpenTrust::kSameBoot, 0);
      CHECK(log.Content() == log.Appended());
    }
  }
}

TEST_CASE("bytes that wait in a socket stay what they were when the blocks of their file go") {
  TemporaryDirectory directory;
  const std::string path = directory / "retired";
  Result<std::shared_ptr<File>> file = PosixDisk().Open(path, OpenMode::kCreateNew);
  REQUIRE(file.ok());
  // Larger than one step of giving back, and not by whole pages.
  const uint64_t size = (32 << 20) + 100'123;
  std::vector<std::byte> content(size);
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<std::byte>(i % 251 + 1);
  REQUIRE((*file)->WriteAt(0, content).ok());
  auto segment = std::make_shared<SegmentFile>(LogServices::Process().files(), PosixDisk(), path);
  Line line;
  std::string expected =
      HandOver(line, FileRegion(segment, *file, uint64_t{64} << 10, uint64_t{1} << 20));
  REQUIRE(expected.size() > 64 << 10);

  REQUIRE(PosixDisk().Unlink(path).ok());
  LogServices services(2, LogServices::Background::kThread);
  services.Retire(std::move(*file));
  while (services.retiring() > 0) std::this_thread::yield();
  services.Drain();
  CHECK(line.Receive() == expected);
}

TEST_CASE("a cut waits for whoever is handing over what it takes away") {
  TemporaryDirectory directory;
  Subject log(PosixDisk(), directory.path() + "/topic-0", OneSegment());
  log.AppendMany(20);
  const FileRegion region = *log->Read(0, 1 << 20, INT64_MAX, true);
  const std::vector<std::byte> promised = BytesOf(region);
  std::atomic<bool> cut{false};
  std::thread cutter;
  {
    const std::shared_lock whole = region.KeepWhole();
    cutter = std::thread([&] {
      if (!log->TruncateTo(1).ok()) std::abort();
      cut.store(true);
    });
    // Long enough for it to be done if nothing kept it.
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
    while (std::chrono::steady_clock::now() < until && !cut.load()) std::this_thread::yield();
    CHECK(!cut.load());
    CHECK(region.Valid());
    CHECK(BytesOf(region) == promised);
  }
  cutter.join();
  CHECK(!region.Valid());
}

// A peer that has got a whole answer believes it, so closing its connection afterwards is too late.
TEST_CASE("a region is sent as it was promised or not to its end, while the log is cut beside it") {
  TemporaryDirectory directory;
  Subject log(PosixDisk(), directory.path() + "/topic-0", OneSegment());
  for (int round = 0; round < 20; ++round) {
    log.AppendMany(20);
    const Offset end = log.end();
    const size_t batches = log.batches.size();
    const FileRegion region = *log->Read(0, 1 << 20, INT64_MAX, true);
    const std::string expected = TextOf(BytesOf(region));
    Line line;
    std::atomic<bool> started{false};
    WriteStop stop{};
    std::thread sender([&] {
      OutputQueue queue;
      queue.AddRegion(FileRegion(region));
      started.store(true);
      stop =
          queue.Write(line.sender.get(), {.bytes = UINT64_MAX, .inline_region_bytes = UINT64_MAX})
              .stop;
    });
    while (!started.load()) std::this_thread::yield();
    REQUIRE(log->TruncateTo(end - 12).ok());
    while (log.end() < end + 20) log.AppendMany(1);
    sender.join();
    const std::string received = line.Receive();
    CHECK(received == expected.substr(0, received.size()));
    if (stop == WriteStop::kEmpty) CHECK(received.size() == expected.size());
    log.batches.resize(batches);
    REQUIRE(log->ResetTo(0).ok());
    log.batches.clear();
  }
}

}  // namespace millrace::test
