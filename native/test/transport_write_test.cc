// Replies: order, partial writes, file regions by the loop and by senders, what happens when they
// go.
#include <functional>

#include "transport_harness.h"

namespace millrace::test {
namespace {

struct Part {
  std::string bytes;
  FileRegion region;
};

void SubmitAll(Server& server, uint64_t connection, std::vector<Part>& parts) {
  std::vector<ReplyPart> reply;
  for (Part& part : parts) {
    ReplyPart out{.connection = connection, .region = std::move(part.region)};
    if (!part.bytes.empty()) {
      out.bytes = reinterpret_cast<const std::byte*>(part.bytes.data());
      out.length = static_cast<uint32_t>(part.bytes.size());
    }
    reply.push_back(std::move(out));
  }
  server->Submit(reply);
  // The bytes were borrowed for the call only.
  for (Part& part : parts) std::fill(part.bytes.begin(), part.bytes.end(), '!');
}

TEST_CASE(
    "replies: bytes and regions of all sizes arrive in order of submission, at a slow reader too") {
  const std::string content = Pattern(8'000'000, 9);
  RegionFile file(content);
  Server server;
  bool cold = false;
  size_t step = 0;
  int receive_buffer = 0;
  SUBCASE("a fast reader") { step = SIZE_MAX; }
  SUBCASE("a slow reader") {
    step = 50'000;
    receive_buffer = 8192;
  }
  SUBCASE("from the disk") {
    step = SIZE_MAX;
    cold = true;
  }
  Peer peer(server.port, receive_buffer);
  const uint64_t id = server.Accepted();
  std::string expected;
  uint32_t seed = 1;
  for (int round = 0; round < 6; ++round) {
    if (cold) file.DropFromPageCache();
    std::vector<Part> parts;
    for (int i = 0; i < 20; ++i) {
      seed = seed * 1664525 + 1013904223;
      const size_t length = 1 + (seed >> 8) % (i % 4 == 0 ? 600'000 : 3000);
      const size_t position = (seed >> 4) % (content.size() - length);
      if (i % 3 == 2) {
        parts.push_back({{}, file.Region(position, length)});
        expected += content.substr(position, length);
      } else {
        parts.push_back({Pattern(length, seed), {}});
        expected += parts.back().bytes;
      }
    }
    parts.push_back({{}, file.Region(5, 0)});  // nothing
    SubmitAll(server, id, parts);
    peer.Read(step);
    server.Turn();
  }
  server->NotifyDrained(id);
  server.Until([&] { return peer.Read(step), peer.received.size() >= expected.size(); });
  CHECK(peer.received == expected);
  server.Until([&] { return server.drained.size() == 1; });
  CHECK(server->stats().replies_queued_bytes == 0);
  CHECK(server->stats().bytes_out == expected.size());
  CHECK(server->stats().replies == 6 * 21);
}

TEST_CASE("replies: many small ones of several connections in one call") {
  Server server;
  std::deque<Peer> peers;
  std::vector<std::string> expected(5);
  for (int i = 0; i < 5; ++i) {
    peers.emplace_back(server.port);
    server.Accepted();
  }
  std::vector<std::string> bytes;
  std::vector<ReplyPart> parts;
  for (int i = 0; i < 1000; ++i) bytes.push_back("reply " + std::to_string(i) + ";");
  for (size_t i = 0; i < bytes.size(); ++i) {
    const size_t to = i * 7 % 5;
    parts.push_back({.connection = server.opened[to],
                     .bytes = reinterpret_cast<const std::byte*>(bytes[i].data()),
                     .length = static_cast<uint32_t>(bytes[i].size()),
                     .region = {}});
    expected[to] += bytes[i];
  }
  server->Submit(parts);
  for (size_t i = 0; i < peers.size(); ++i) {
    server.Until([&] { return peers[i].Read(), peers[i].received.size() >= expected[i].size(); });
    CHECK(peers[i].received == expected[i]);
  }
}

TEST_CASE("replies: small ones to a peer that does not read pile up, and come out in order") {
  Server server;
  Peer peer(server.port, 4096);
  const uint64_t id = server.Accepted();
  std::string expected;
  for (uint32_t i = 0; i < 3000; ++i) {
    const std::string reply = Pattern(1 + i * 37 % 4000, i);
    server.Reply(id, reply);
    expected += reply;
    if (i % 500 == 0) peer.Read(10'000);
  }
  CHECK(server->stats().replies_queued_bytes > 100'000);
  server.Until([&] { return peer.Read(70'000), peer.received.size() == expected.size(); });
  CHECK(peer.received == expected);
}

TEST_CASE(
    "replies: a drained notice comes once, at once when nothing is left, and not before the end") {
  Server server;
  Peer peer(server.port, 4096);
  const uint64_t id = server.Accepted();
  server->NotifyDrained(id);
  server.Turn();
  CHECK(server.drained == std::vector<uint64_t>{id});
  const std::string content = Pattern(12'000'000);
  RegionFile file(content);
  server.ReplyRegion(id, file.Region(0, content.size()));
  server->NotifyDrained(id);
  for (int i = 0; i < 20; ++i) server.Turn();
  CHECK(server.drained.size() == 1);
  server.Until([&] { return peer.Read(), server.drained.size() == 2; });
  server.Until([&] { return peer.Read(), peer.received.size() == content.size(); });
  CHECK(peer.received == content);
  server.Turn();
  CHECK(server.drained.size() == 2);
}

TEST_CASE(
    "replies: a region that is truncated underneath ends the connection, short of the reply") {
  const std::string content = Pattern(16'000'000);
  RegionFile file(content);
  Server server;
  Peer peer(server.port, 8192);
  const uint64_t id = server.Accepted();
  bool pages_stay = true;
  SUBCASE("before it is sent") {
    FileRegion stale = file.Region(0, 1000);
    file.Invalidate();
    server.ReplyRegion(id, std::move(stale));
  }
  SUBCASE("while it is sent") {
    server.ReplyRegion(id, file.Region(0, content.size()));
    server.Until([&] { return peer.Read(100'000), peer.received.size() > 1'000'000; });
    file.Invalidate();
  }
  SUBCASE("the file alone got shorter") {
    server.ReplyRegion(id, file.Region(0, content.size()));
    server.Until([&] { return peer.Read(100'000), peer.received.size() > 1'000'000; });
    REQUIRE(ftruncate(file.fd(), 1000) == 0);
    pages_stay = false;  // the socket's queue refers to the page that was cut
  }
  server.Until([&] { return peer.Read(), server.closed_for(id, CloseReason::kRegionInvalid); });
  server.Until([&] { return peer.Read(), peer.ended; });
  CHECK(peer.received.size() < content.size());
  if (pages_stay) CHECK(content.compare(0, peer.received.size(), peer.received) == 0);
}

// A file without a descriptor, as simulated disks have them.
class MemoryFile final : public File {
 public:
  Status SetModifiedMs(int64_t) override { return Status(Code::kInvalidArgument); }
  explicit MemoryFile(std::string content) : content_(std::move(content)) {}
  Result<size_t> ReadAt(uint64_t position, std::span<std::byte> into) override {
    if (before_read) before_read(position);
    const size_t n = std::min<size_t>(into.size(), content_.size() - position);
    std::memcpy(into.data(), content_.data() + position, n);
    return n;
  }
  int descriptor() const override { return -1; }
  Status WriteAt(uint64_t, std::span<const std::byte>) override { return Status(Code::kClosed); }
  Status Allocate(uint64_t, uint64_t) override { return Status(Code::kClosed); }
  Status Truncate(uint64_t) override { return Status(Code::kClosed); }
  Status Sync() override { return Status(Code::kClosed); }
  void StartWriteBack(uint64_t, uint64_t) override {}
  void DropCache() override {}
  Result<uint64_t> Size() override { return uint64_t{content_.size()}; }
  Result<int64_t> ModifiedMs() override { return Status(Code::kClosed); }
  Result<std::unique_ptr<Mapping>> Map(uint64_t, bool) override { return Status(Code::kClosed); }

  std::function<void(uint64_t position)> before_read;  // on the thread that sends

 private:
  const std::string content_;
};

TEST_CASE("replies: regions of a file without a descriptor are copied, and watched just the same") {
  const std::string content = Pattern(3'000'000);
  OpenFiles cache(1);
  auto segment = std::make_shared<SegmentFile>(cache, PosixDisk(), "nowhere");
  auto file = std::make_shared<MemoryFile>(content);
  // A truncation that comes between the check and the reading of a position.
  uint64_t cut_at = UINT64_MAX;
  file->before_read = [&](uint64_t position) {
    if (position >= cut_at) segment->Cut(0);
  };
  Server server;
  Peer peer(server.port);
  const uint64_t id = server.Accepted();
  SUBCASE("whole") {
    server.ReplyRegion(id, FileRegion(segment, file, 10, 20));
    server.ReplyRegion(id, FileRegion(segment, file, 0, content.size()));
    const std::string expected = content.substr(10, 20) + content;
    server.Until([&] { return peer.Read(), peer.received.size() == expected.size(); });
    CHECK(peer.received == expected);
    CHECK(server.closed.empty());
  }
  SUBCASE("cut on the way") {
    cut_at = 1'000'000;
    server.ReplyRegion(id, FileRegion(segment, file, 0, content.size()));
    server.Reply(id, "nor what comes behind it");
    server.Until([&] { return peer.Read(), server.closed_for(id, CloseReason::kRegionInvalid); });
    server.Until([&] { return peer.Read(), peer.ended; });
    CHECK(peer.received.size() < 1'100'000);
  }
  SUBCASE("cut during the last read") {
    cut_at = 0;
    server.ReplyRegion(id, FileRegion(segment, file, 0, 100));
    server.Reply(id, "nor what comes behind it");
    server.Until([&] { return peer.Read(), server.closed_for(id, CloseReason::kRegionInvalid); });
  }
}

TEST_CASE("replies: a connection may go while a sender has it") {
  const std::string content = Pattern(16'000'000);
  RegionFile file(content);
  const size_t before = OpenDescriptors();
  {
    Server server;
    const size_t idle = OpenDescriptors();
    for (int i = 0; i < 40; ++i) {
      Peer peer(server.port, 8192);
      const uint64_t id = server.Accepted();
      server.ReplyRegion(id, file.Region(0, content.size()));
      server.Reply(id, "and this behind it");
      if (i % 4 < 2) server.Turn();
      switch (i % 4) {
        case 0:
        case 2:
          server->Close(id, false);
          break;
        case 1:
          peer.Reset();
          break;
        case 3:
          peer.Close();
          break;
      }
      server.Until([&] { return server.closed.count(id) == 1; });
    }
    server.Until([&] { return OpenDescriptors() == idle; });
    CHECK(server->stats().replies_queued_bytes == 0);
    // The transport itself may go, too.
    Peer last(server.port, 8192);
    server.ReplyRegion(server.Accepted(), file.Region(0, content.size()));
  }
  CHECK(OpenDescriptors() == before);
}

TEST_CASE("replies: the loop begins one large region in a turn, and a sender goes on with it") {
  const std::string content = Pattern(6'000'000);
  RegionFile file(content);
  Server server;
  Peer first(server.port);
  const uint64_t first_id = server.Accepted();
  Peer second(server.port);
  const uint64_t second_id = server.Accepted();

  const uint64_t before = server->stats().sendfile_bytes;
  server.ReplyRegion(first_id, file.Region(0, content.size()));
  const uint64_t begun = server->stats().sendfile_bytes;  // a sender's is counted in Poll
  CHECK(begun > before);
  CHECK(begun - before < content.size());
  server.ReplyRegion(second_id, file.Region(0, content.size()));
  CHECK(server->stats().sendfile_bytes == begun);

  server.Until([&] {
    first.Read();
    second.Read();
    return first.received.size() == content.size() && second.received.size() == content.size();
  });
  CHECK(first.received == content);
  CHECK(second.received == content);
}

TEST_CASE("replies: large regions of several readers progress side by side") {
  const std::string content = Pattern(6'000'000);
  RegionFile file(content);
  Server server;
  std::deque<Peer> peers;
  for (int i = 0; i < 4; ++i) {
    peers.emplace_back(server.port);
    const uint64_t id = server.Accepted();
    server.Reply(id, "header");
    for (int j = 0; j < 3; ++j) server.ReplyRegion(id, file.Region(0, content.size()));
  }
  // The first one never reads; the others get everything.
  server.Until([&] {
    for (size_t i = 1; i < peers.size(); ++i) peers[i].Read();
    return peers[1].received.size() == 18'000'006 && peers[2].received.size() == 18'000'006 &&
           peers[3].received.size() == 18'000'006;
  });
  CHECK(peers[3].received == "header" + content + content + content);
}

}  // namespace
}  // namespace millrace::test
