// What is bounded: the frame budget, bytes in flight, time.
#include "core/io/transport_limits.h"
#include "transport_harness.h"

namespace millrace::test {
namespace {

constexpr uint32_t kMegabyte = 1u << 20;

TransportOptions SmallBudget() {
  TransportOptions options;
  options.max_frame_bytes = kMegabyte;
  options.frame_budget_bytes = kMegabyte + 256 + (128u << 10);
  options.control_reserve_bytes = 128u << 10;
  options.arena_bytes = 4 * kMegabyte;
  return options;
}

TEST_CASE(
    "limits: frames wait for the budget in order of arrival, small ones pass by the reserve") {
  Server server(SmallBudget());
  Peer holder(server.port);
  holder.Queue(Framed(Pattern(kMegabyte)));
  server.Until([&] { return holder.Write(), server.frames.size() == 1; });

  std::deque<Peer> waiting;
  for (uint32_t i = 0; i < 4; ++i) {
    waiting.emplace_back(server.port);
    waiting.back().Queue(Framed("large " + std::to_string(i) + Pattern(700'000, i)));
    server.Until([&] { return waiting.back().Write(), server->stats().parked == i + 1; });
  }
  CHECK(server->stats().frame_bytes_held <= SmallBudget().frame_budget_bytes);
  CHECK(server->stats().carried_bytes <= 4 * (128u << 10));

  // What a heartbeat needs is there, for as long as heartbeats are let go.
  Peer control(server.port);
  server.Accepted();
  for (int i = 0; i < 50; ++i) {
    control.Send(Framed("heartbeat"));
    server.Until([&] { return server.frames.size() == 2; });
    CHECK(server.frames[1].bytes == "heartbeat");
    server.Release(server.frames[1]);
    server.frames.pop_back();
  }
  CHECK(server->stats().parked == 4);

  for (uint32_t i = 0; i < 4; ++i) {
    server.ReleaseAll();
    server.Until([&] {
      for (Peer& peer : waiting) peer.Write();
      return server.frames.size() == 1;
    });
    CHECK(server.frames[0].bytes == "large " + std::to_string(i) + Pattern(700'000, i));
    server.Turn();
    CHECK(server.frames.size() == 1);
  }
  server.ReleaseAll();
  CHECK(server->stats().frame_bytes_held == 0);
  CHECK(server->stats().carried_bytes == 0);
}

TEST_CASE("limits: a connection that leaves the line takes nothing with it") {
  Server server(SmallBudget());
  Peer holder(server.port);
  holder.Queue(Framed(Pattern(kMegabyte)));
  server.Until([&] { return holder.Write(), server.frames.size() == 1; });
  Peer leaving(server.port);
  leaving.Queue(Framed(Pattern(800'000)));
  server.Until([&] { return leaving.Write(), server->stats().parked == 1; });
  Peer staying(server.port);
  staying.Queue(Framed(Pattern(800'000, 5)));
  server.Until([&] { return staying.Write(), server->stats().parked == 2; });

  SUBCASE("while it waits") {
    leaving.Reset();
    server.Until([&] { return server.closed.size() == 1; });
    CHECK(server->stats().parked == 1);
    server.ReleaseAll();
  }
  SUBCASE("after its turn came, before it went on") {
    server.ReleaseAll();
    CHECK(server->stats().parked == 1);
    server->Close(server.opened[1], false);
  }
  server.Until([&] { return staying.Write(), server.frames.size() == 1; });
  CHECK(server.frames[0].bytes == Pattern(800'000, 5));
  server.ReleaseAll();
  CHECK(server->stats().frame_bytes_held == 0);
  CHECK(server->stats().carried_bytes == 0);
}

TEST_CASE("limits: a body that is never finished gives its place back") {
  Server server(SmallBudget());
  for (size_t i = 1; i <= 3; ++i) {
    Peer peer(server.port);
    server.Accepted();
    peer.Queue(Framed(Pattern(900'000)).substr(0, 50'000 * i));
    server.Until([&] { return peer.Write(), server->stats().frame_bytes_held > 900'000; });
    if (i == 1) peer.Reset();
    if (i == 2) peer.Close();
    if (i == 3) server->Close(server.opened.back(), true);
    server.Until([&] { return server->stats().frame_bytes_held == 0; });
  }
  Peer peer(server.port);
  peer.Queue(Framed(Pattern(kMegabyte)));
  server.Until([&] { return peer.Write(), server.frames.size() == 1; });
}

TEST_CASE(
    "limits: many waiting connections read ahead a bounded number of bytes, and all get through") {
  Server server(SmallBudget());
  Peer holder(server.port);
  holder.Queue(Framed(Pattern(kMegabyte)));
  server.Until([&] { return holder.Write(), server.frames.size() == 1; });
  constexpr size_t kPeers = 120;  // 15 MB, were each read ahead
  std::deque<Peer> peers;
  for (uint32_t i = 0; i < kPeers; ++i) {
    peers.emplace_back(server.port);
    peers.back().Queue(Framed(Pattern(300'000, i)));
    peers.back().Queue(Framed("and a small one"));
  }
  server.Until([&] {
    for (Peer& peer : peers) peer.Write();
    return server->stats().parked == kPeers;
  });
  CHECK(server->stats().carried_bytes <= 8u * kMegabyte);
  CHECK(server->stats().carried_bytes > 7u * kMegabyte);
  size_t large = 0, small = 0;
  server.ReleaseAll();
  server.Until([&] {
    for (Peer& peer : peers) peer.Write();
    for (const HeldFrame& frame : server.frames) {
      if (frame.bytes == "and a small one") {
        ++small;
      } else {
        REQUIRE(frame.bytes.size() == 300'000);
        ++large;
      }
    }
    server.ReleaseAll();
    return large == kPeers && small == kPeers;
  });
  CHECK(server->stats().carried_bytes == 0);
  CHECK(server->stats().frame_bytes_held == 0);
  CHECK(server->stats().parked == 0);
}

TEST_CASE("limits: a connection with too much in flight is not read, others are") {
  TransportOptions options;
  options.connection_inflight_bytes = 100'000;
  Server server(options);
  Peer greedy(server.port);
  for (int i = 0; i < 1000; ++i) greedy.Queue(Framed(Pattern(1000)));
  for (int i = 0; i < 50; ++i) {
    greedy.Write();
    server.Turn();
  }
  CHECK(server->stats().frame_bytes_held <= 100'000);
  CHECK(server->stats().frame_bytes_held > 90'000);
  Peer other(server.port);
  other.Send(Framed("by the way"));
  server.Until([&] { return server.frames.back().bytes == "by the way"; });
  // A frame above the limit is let in once it is alone.
  greedy.Queue(Framed(Pattern(500'000)));
  size_t count = 0;
  server.Until([&] {
    greedy.Write();
    count += server.frames.size();
    const uint64_t held = server->stats().frame_bytes_held;
    CHECK((held <= 100'000 || held == 500'224));  // and nothing beside it
    server.ReleaseAll();
    return count == 1002;
  });
}

TEST_CASE("limits: a client that pipelines requests and never reads is stopped, then dropped") {
  TransportOptions options;
  options.connection_unsent_bytes = 2u * kMegabyte;
  options.connection_inflight_bytes = 64u * kMegabyte;
  Server server(options);
  Peer deaf(server.port, 4096);
  const uint64_t id = server.Accepted();
  const std::string reply = Pattern(50'000);
  size_t answered = 0;
  server.Until([&] {
    deaf.Queue(Framed("another request"));
    deaf.Write();
    while (!server.frames.empty()) {
      const HeldFrame frame = server.frames.front();
      server.frames.pop_front();
      server.Release(frame);
      server.Reply(frame.connection, reply);
      ++answered;
    }
    CHECK(server->stats().replies_queued_bytes <= 2u * kMegabyte + 50'000);
    return server.closed_for(id, CloseReason::kUnsentLimit);
  });
  CHECK(answered * reply.size() > 2u * kMegabyte);
  CHECK(server->stats().replies_queued_bytes == 0);
}

TEST_CASE("limits: replies that are not read stop the reading of further requests") {
  TransportOptions options;
  options.connection_inflight_bytes = 4u * kMegabyte;
  Server server(options);
  RegionFile file(Pattern(kMegabyte));
  Peer slow(server.port);
  server.Accepted();
  for (int i = 0; i < 200; ++i) slow.Queue(Framed("fetch number " + std::to_string(i)));
  slow.Write();
  size_t served = 0;
  Event events[16];
  const auto turn = [&] {
    const size_t count = server->Poll(events, 1);
    for (const Event& event : std::span(events).first(count)) {
      REQUIRE(event.kind == EventKind::kFrame);
      server->ReleaseFrame(static_cast<uint32_t>(event.a), static_cast<uint32_t>(event.b));
      server.ReplyRegion(event.connection, file.Region(0, kMegabyte));
      ++served;
    }
  };
  // A turn's frames may go past the limit; the sockets' buffers take some megabytes.
  for (int i = 0; i < 200; ++i) turn();
  CHECK(served >= kFramesPerTurn);
  CHECK(served <= kFramesPerTurn + 20);
  while (slow.received.size() < 200u * kMegabyte) {
    slow.Read();
    turn();
  }
  CHECK(served == 200);
}

TEST_CASE("limits: a granted body that does not grow is dropped, one that grows is not") {
  int64_t now = 1'000'000;
  TransportOptions options;
  options.now_ms = [&now] { return now; };
  options.body_progress_timeout_ms = 1000;
  Server server(options);
  Peer stalled(server.port);
  const uint64_t stalled_id = server.Accepted();
  Peer steady(server.port);
  const uint64_t steady_id = server.Accepted();
  const std::string frame = Framed(Pattern(6400));
  stalled.Send(frame.substr(0, 1000));
  steady.Send(frame.substr(0, 1000));
  server.Until([&] { return server->stats().bytes_in == 2000; });
  size_t sent = 1000;
  for (int i = 0; i < 5; ++i) {
    steady.Send(frame.substr(sent, 150));  // a 64th would be 100
    if (i == 0) stalled.Send(frame.substr(sent, 50));
    sent += 150;
    const uint64_t expected = 1000 + 1050 + (sent - 1000);
    server.Until([&] { return server->stats().bytes_in == expected; });
    now += 1100;
    server.Turn();
  }
  CHECK(server.closed_for(stalled_id, CloseReason::kStalledBody));
  CHECK(server.closed.count(steady_id) == 0);
  steady.Send(frame.substr(sent));
  server.Until([&] { return server.frames.size() == 1; });
  now += 5000;
  server.Turn();
  CHECK(server.closed.count(steady_id) == 0);
  server.ReleaseAll();
  CHECK(server->stats().frame_bytes_held == 0);
}

TEST_CASE("limits: a large body that grows by less than is read at a time goes on") {
  int64_t now = 1'000'000;
  TransportOptions options;
  options.now_ms = [&now] { return now; };
  options.body_progress_timeout_ms = 1000;
  Server server(options);
  Peer steady(server.port);
  const uint64_t steady_id = server.Accepted();
  Peer stalled(server.port);
  const uint64_t stalled_id = server.Accepted();
  const std::string frame = Framed(Pattern(2 * kMegabyte));
  const size_t step = frame.size() / 32;
  stalled.Send(frame.substr(0, 4096));
  for (size_t sent = 0; sent < frame.size(); sent += step) {
    steady.Send(frame.substr(sent, step));
    const uint64_t arrived = server->stats().bytes_in;
    if (sent == 0) {  // its deadline begins
      server.Until([&] { return server->stats().bytes_in > 4096 + 4; });
      continue;
    }
    server.Until([&] { return steady.Write(), steady.all_arrived(); });
    // Not worth a read yet, and read all the same when its time comes.
    if (sent == 10 * step) CHECK(server->stats().bytes_in == arrived);
    now += 1100;
    server.Turn();
    CHECK(server.closed.count(steady_id) == 0);
  }
  server.Until([&] { return server.frames.size() == 1; });
  CHECK(server.frames[0].bytes == frame.substr(4));
  CHECK(server.closed_for(stalled_id, CloseReason::kStalledBody));
  server.ReleaseAll();
}

TEST_CASE("limits: idle connections are closed, active ones are not, nor those we keep waiting") {
  int64_t now = 1'000'000;
  TransportOptions options;
  options.now_ms = [&now] { return now; };
  options.idle_timeout_ms = 60'000;
  options.body_progress_timeout_ms = 120'000;
  options.control_reserve_bytes = 0;
  options.max_frame_bytes = kMegabyte;
  options.frame_budget_bytes = kMegabyte;
  Server server(options);
  Peer idle(server.port);
  const uint64_t idle_id = server.Accepted();
  Peer active(server.port);
  const uint64_t active_id = server.Accepted();
  Peer holder(server.port);
  const uint64_t holder_id = server.Accepted();
  Peer parked(server.port);
  const uint64_t parked_id = server.Accepted();
  holder.Queue(Framed(Pattern(kMegabyte)));
  server.Until([&] { return holder.Write(), server.frames.size() == 1; });
  parked.Send(Framed("has to wait"));
  server.Until([&] { return server->stats().parked == 1; });
  const std::string frame = Framed("never comes to its end");
  for (size_t i = 0; i < 13; ++i) {
    if (i % 5 == 0) {  // a byte every 25 s
      const uint64_t before = server->stats().bytes_in;
      active.Send(frame.substr(i / 5, 1));
      server.Until([&] { return server->stats().bytes_in > before; });
    }
    now += 5'000;
    server.Turn();
    if (i == 10) CHECK(server.closed.empty());
  }
  CHECK(server.closed_for(idle_id, CloseReason::kIdle));
  CHECK(server.closed_for(holder_id, CloseReason::kIdle));
  CHECK(server.closed.count(parked_id) == 0);
  CHECK(server.closed.count(active_id) == 0);
  server.Until([&] { return idle.Read(), idle.ended; });
  server.ReleaseAll();
}

TEST_CASE("limits: the epoll descriptor becomes readable when a timeout is due") {
  TransportOptions options;
  options.idle_timeout_ms = 60;
  Server server(options);
  Peer idle(server.port);
  const uint64_t id = server.Accepted();
  pollfd ready{.fd = server->epoll_descriptor(), .events = POLLIN, .revents = 0};
  while (server.closed.count(id) == 0) {
    REQUIRE(poll(&ready, 1, 20'000) == 1);
    server.Turn();
  }
  CHECK(server.closed_for(id, CloseReason::kIdle));
}

}  // namespace
}  // namespace millrace::test
