// What one client may cost the others: slow senders, slow readers.
#include "core/io/transport_limits.h"
#include "transport_harness.h"

namespace millrace::test {
namespace {

constexpr uint32_t kMegabyte = 1u << 20;

TEST_CASE("isolation: a frame's size that does not get whole in time ends its connection") {
  int64_t now = 1'000'000;
  TransportOptions options;
  options.now_ms = [&now] { return now; };
  options.body_progress_timeout_ms = 30'000;
  Server server(options);
  Peer slow(server.port);
  const uint64_t slow_id = server.Accepted();
  Peer silent(server.port);
  const uint64_t silent_id = server.Accepted();
  const std::string frame = Framed("a byte a second");
  for (size_t i = 0; i < 4; ++i) {
    slow.Send(frame.substr(i, 1));
    server.Until([&] { return server->stats().bytes_in == i + 1; });
    now += 1000;
    server.Turn();
  }
  // Whole in 4 s, and the first byte of the body is there: now the body's own time runs.
  slow.Send(frame.substr(4, 1));
  server.Until([&] { return server->stats().bytes_in == 5; });
  now += 29'000;
  server.Turn();
  CHECK(server.closed.empty());
  slow.Send(frame.substr(5));
  server.Until([&] { return server.frames.size() == 1; });
  server.ReleaseAll();
  slow.Send(frame.substr(0, 3));
  server.Until([&] { return server->stats().bytes_in == frame.size() + 3; });
  now += 31'000;
  server.Until([&] { return server.closed_for(slow_id, CloseReason::kStalledBody); });
  CHECK(server.closed.count(silent_id) == 0);
}

TEST_CASE("isolation: while others wait for memory, a frame must come faster") {
  int64_t now = 1'000'000;
  TransportOptions options;
  options.now_ms = [&now] { return now; };
  options.body_progress_timeout_ms = 1000;
  options.max_frame_bytes = kMegabyte;
  options.frame_budget_bytes = kMegabyte;
  options.control_reserve_bytes = 0;
  Server server(options);
  Peer slow(server.port);
  const uint64_t slow_id = server.Accepted();
  const std::string frame = Framed(Pattern(kMegabyte));
  size_t sent = 0;
  const auto send = [&](size_t bytes) {
    slow.Queue(frame.substr(sent, bytes));
    sent += bytes;
    server.Until([&] { return slow.Write(), slow.all_arrived(); });
  };
  // A 32nd of the frame in each span of time: enough while nobody else wants the memory.
  send(1000);
  server.Until([&] { return server->stats().bytes_in == 1000; });
  for (int i = 0; i < 3; ++i) {
    send(kMegabyte / 32);
    now += 1100;
    server.Turn();
  }
  REQUIRE(server.closed.empty());
  Peer waiting(server.port);
  server.Accepted();
  // It is read no further than that there is no place for it.
  waiting.Send(Framed(Pattern(kMegabyte)).substr(0, 1000));
  server.Until([&] { return server->stats().parked == 1; });
  send(kMegabyte / 32);
  now += 1100;
  server.Turn();
  CHECK(server.closed_for(slow_id, CloseReason::kStalledBody));
  waiting.Queue(Framed(Pattern(kMegabyte)).substr(1000));
  server.Until([&] { return waiting.Write(), server.frames.size() == 1; });
  server.ReleaseAll();
}

TEST_CASE(
    "isolation: a client that leaves replies unread is reported, and again when it has read") {
  Server server;
  Peer peer(server.port, 4096);
  const uint64_t id = server.Accepted();
  const std::string reply = Pattern(100'000);
  size_t replied = 0;
  while (server.congested.empty()) {
    server.Reply(id, reply);
    replied += reply.size();
    REQUIRE(replied < 64u * kMegabyte);
    server.Turn();
  }
  CHECK(server->stats().replies_queued_bytes > kCongestedBytes);
  CHECK(server->stats().replies_queued_bytes <= kCongestedBytes + reply.size());
  server.Reply(id, reply);
  replied += reply.size();
  server.Turn();
  CHECK(server.congested.size() == 1);  // once
  CHECK(server.drained.empty());
  server.Until([&] { return peer.Read(), peer.received.size() == replied; });
  server.Until([&] { return server.drained.size() == 1; });
}

TEST_CASE("isolation: of all who leave replies unread, the one goes who holds most for longest") {
  int64_t now = 1'000'000;
  TransportOptions options;
  options.now_ms = [&now] { return now; };
  options.total_unsent_bytes = 8u * kMegabyte;
  Server server(options);
  std::deque<Peer> peers;
  for (int i = 0; i < 4; ++i) {
    peers.emplace_back(server.port, 4096);
    server.Accepted();
  }
  const std::string reply = Pattern(100'000);
  const auto fill = [&](uint64_t id, uint64_t until) {
    while (server->stats().replies_queued_bytes < until && server.closed.empty()) {
      server.Reply(id, reply);
      server.Turn();
    }
  };
  fill(server.opened[0], 3u * kMegabyte);
  now += 10'000;
  fill(server.opened[1], 7u * kMegabyte);  // holds more, but moved a moment ago
  CHECK(server.closed.empty());
  fill(server.opened[2], 9u * kMegabyte);
  CHECK(server.closed_for(server.opened[0], CloseReason::kUnsentLimit));
  CHECK(server.closed.size() == 1);
  CHECK(server->stats().replies_queued_bytes <= 8u * kMegabyte);
  // Others are served.
  server.Reply(server.opened[3], "an answer");
  server.Until([&] { return peers[3].Read(), peers[3].received == "an answer"; });
}

}  // namespace
}  // namespace millrace::test
