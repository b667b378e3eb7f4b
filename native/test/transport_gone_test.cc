// Peers that reset their connection: what they had sent before is taken, and nothing else is.
#include "transport_harness.h"

namespace millrace::test {
namespace {

bool Ready(Server& server, int timeout_ms) {
  pollfd ready{.fd = server->epoll_descriptor(), .events = POLLIN, .revents = 0};
  return poll(&ready, 1, timeout_ms) == 1;
}

void AwaitArrival(Peer& peer) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!peer.all_arrived()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    peer.Write();
    poll(nullptr, 0, 1);
  }
}

TEST_CASE(
    "gone: what a peer sent before its reset is delivered, although a reply failed before it was "
    "read") {
  Server server;
  Peer peer(server.port);
  const uint64_t id = server.Accepted();
  server.Reply(id, "an answer that it does not read");
  std::vector<std::string> sent;
  size_t count = 1;
  SUBCASE("one request") {}
  SUBCASE("more than a turn takes") { count = 1000; }
  for (size_t i = 0; i < count; ++i) {
    sent.push_back(Pattern(8 + i % 40, static_cast<uint32_t>(i)));
    peer.Queue(Framed(sent.back()));
  }
  // Of a connection that is not read, the reset alone is something to do.
  server->Pause(id);
  AwaitArrival(peer);
  pollfd readable{.fd = peer.fd(), .events = POLLIN, .revents = 0};
  REQUIRE(poll(&readable, 1, 10'000) == 1);
  server.Turn();
  REQUIRE(!Ready(server, 0));
  peer.Close();
  REQUIRE(Ready(server, 10'000));
  server->Resume(id);
  server.Reply(id, "a second answer");
  server.Reply(id, "which nobody hears of");
  server->NotifyDrained(id);
  CHECK(server->stats().replies_queued_bytes == 0);
  server.Until([&] { return server.closed_for(id, CloseReason::kPeer); });
  CHECK(server.closed[id].b != 0);
  CHECK(server.gone == std::vector<uint64_t>{id});
  CHECK(server.drained.empty());
  REQUIRE(server.frames.size() == sent.size());
  for (size_t i = 0; i < sent.size(); ++i) CHECK(server.frames[i].bytes == sent[i]);
  server.ReleaseAll();
  CHECK(server->stats().frame_bytes_held == 0);
  CHECK(server->stats().carried_bytes == 0);
}

TEST_CASE(
    "gone: a reset while its input is not wanted takes nothing away, and keeps nobody awake") {
  enum { kResumed, kNeverResumed, kClosed } then = kResumed;
  SUBCASE("read once it is wanted") { then = kResumed; }
  SUBCASE("closed when it never is") { then = kNeverResumed; }
  SUBCASE("closed when we say so") { then = kClosed; }
  for (const bool patient : {false, true}) {
    int64_t now = 1'000'000;
    TransportOptions options;
    options.now_ms = [&now] { return now; };
    Server server(options);
    const size_t idle = OpenDescriptors();
    Peer peer(server.port);
    const uint64_t id = server.Accepted();
    server->SetPatient(id, patient);
    server->Pause(id);
    server.Turn();
    peer.Send(Framed("the last request") + Framed("the beginning of one more").substr(0, 20));
    AwaitArrival(peer);
    peer.Reset();
    server.Until([&] { return server.gone.size() == 1; });
    server->SetPatient(id, !patient);
    server.Turn();
    CHECK(!Ready(server, 0));
    CHECK(server.frames.empty());
    CHECK(server->stats().connections == 1);
    if (then == kResumed) {
      server->Resume(id);
      server.Until([&] { return server.closed_for(id, CloseReason::kPeer); });
      REQUIRE(server.frames.size() == 1);
      CHECK(server.frames[0].bytes == "the last request");
      server.ReleaseAll();
    } else if (then == kNeverResumed) {
      now += options.body_progress_timeout_ms - 1;
      server.Turn();
      CHECK(server.closed.empty());
      now += 1;
      server.Until([&] { return server.closed_for(id, CloseReason::kPeer); });
    } else {
      server->Close(id, true);
      server.Until([&] { return server.closed_for(id, CloseReason::kRequested); });
    }
    CHECK(server.frames.empty());
    CHECK(server->stats().frame_bytes_held == 0);
    CHECK(OpenDescriptors() == idle);
  }
}

TEST_CASE("gone: a reset beside frames that wait for memory is no way around its bounds") {
  TransportOptions options;
  options.max_frame_bytes = 64u << 10;
  options.connection_inflight_bytes = 100u << 10;
  bool budget = false;
  SUBCASE("what the connection may hold") {}
  SUBCASE("what all may hold") {
    budget = true;
    options.connection_inflight_bytes = 1u << 20;
    options.frame_budget_bytes = 100u << 10;
    options.control_reserve_bytes = 0;
  }
  Server server(options);
  Peer peer(server.port);
  const uint64_t id = server.Accepted();
  const std::string frame = Pattern(40'000);
  peer.Queue(Framed(frame) + Framed(frame) + Framed(frame) + Framed("the last request"));
  server.Until([&] { return peer.Write(), server.frames.size() == 2 && peer.all_arrived(); });
  CHECK(server->stats().parked == (budget ? 1u : 0u));
  peer.Reset();
  server.Until([&] { return server.gone.size() == 1; });
  server.Turn();
  CHECK(!Ready(server, 0));
  CHECK(server.frames.size() == 2);
  CHECK(server.closed.empty());
  server.ReleaseAll();
  server.Until([&] { return server.closed_for(id, CloseReason::kPeer); });
  REQUIRE(server.frames.size() == 2);
  CHECK(server.frames[0].bytes == frame);
  CHECK(server.frames[1].bytes == "the last request");
  server.ReleaseAll();
  CHECK(server->stats().frame_bytes_held == 0);
  CHECK(server->stats().parked == 0);
}

TEST_CASE("gone: a frame that waits for memory and can never be whole ends with the reset") {
  TransportOptions options;
  options.max_frame_bytes = 64u << 10;
  options.connection_inflight_bytes = 50u << 10;
  Server server(options);
  Peer peer(server.port);
  const uint64_t id = server.Accepted();
  peer.Queue(Framed(Pattern(40'000)) + Framed(Pattern(40'000)).substr(0, 30'000));
  server.Until([&] { return peer.Write(), server.frames.size() == 1 && peer.all_arrived(); });
  peer.Reset();
  server.Until([&] { return server.closed_for(id, CloseReason::kPeer); });
  CHECK(server.frames.size() == 1);
  server.ReleaseAll();
  CHECK(server->stats().carried_bytes == 0);
}

TEST_CASE("gone: a reset that a sender thread finds out takes nothing away either") {
  const std::string content = Pattern(16'000'000);
  RegionFile file(content);
  Server server;
  const size_t idle = OpenDescriptors();
  Peer peer(server.port, 8192);
  const uint64_t id = server.Accepted();
  server->Pause(id);
  server.ReplyRegion(id, file.Region(0, content.size()));
  server.Turn();
  peer.Send(Framed("the last request"));
  AwaitArrival(peer);
  peer.Reset();
  server.Until([&] { return server.gone.size() == 1; });
  server.Reply(id, "a second answer");
  server->Resume(id);
  server.Until([&] { return server.closed_for(id, CloseReason::kPeer); });
  REQUIRE(server.frames.size() == 1);
  CHECK(server.frames[0].bytes == "the last request");
  server.ReleaseAll();
  server.Until([&] { return OpenDescriptors() == idle; });
}

TEST_CASE("gone: many at once get their share of a turn each, and all is delivered") {
  Server server;
  constexpr size_t kPeers = 40;
  const std::string frame = Pattern(15'000);
  std::map<uint64_t, size_t> delivered;
  std::vector<uint64_t> ids;
  std::deque<Peer> peers;
  for (size_t i = 0; i < kPeers; ++i) {
    peers.emplace_back(server.port);
    ids.push_back(server.Accepted());
    server->Pause(ids.back());
  }
  for (Peer& peer : peers) {
    for (int n = 0; n < 3; ++n) peer.Queue(Framed(frame));
    AwaitArrival(peer);
    peer.Reset();
  }
  server.Until([&] { return server.gone.size() == kPeers; });
  CHECK(server.frames.empty());
  for (uint64_t id : ids) server->Resume(id);
  server.Until([&] { return server.closed.size() == kPeers; });
  for (const HeldFrame& held : server.frames) {
    CHECK(held.bytes == frame);
    ++delivered[held.connection];
  }
  for (uint64_t id : ids) CHECK(delivered[id] == 3);
  server.ReleaseAll();
  CHECK(server->stats().frame_bytes_held == 0);
}

}  // namespace
}  // namespace millrace::test
