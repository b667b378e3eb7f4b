// Connections from accept to close: framing on real sockets, order of events, the ways a connection
// ends.
#include "transport_harness.h"

namespace millrace::test {
namespace {

TEST_CASE("transport: a request comes in and its reply goes out") {
  Server server;
  Peer peer(server.port);
  const uint64_t id = server.Accepted();
  CHECK(id < (uint64_t{1} << 53));
  CHECK(server->peer_address(id).rfind("127.0.0.1:", 0) == 0);
  peer.Send(Framed("a request"));
  server.Until([&] { return !server.frames.empty(); });
  CHECK(server.frames[0].connection == id);
  CHECK(server.frames[0].bytes == "a request");
  server.ReleaseAll();
  CHECK(server->stats().frame_bytes_held == 0);
  server.Reply(id, "a reply");
  server.Until([&] { return peer.Read(), peer.received.size() == 7; });
  CHECK(peer.received == "a reply");
  peer.Close();
  server.Until([&] { return server.closed_for(id, CloseReason::kPeer); });
  CHECK(server->stats().connections == 0);
}

TEST_CASE("transport: frames arrive whole however the bytes are split") {
  Server server;
  server.release_frames = true;
  std::string stream;
  std::vector<std::string> bodies;
  for (size_t length : {8u, 9u, 255u, 256u, 257u, 4096u, 70'000u, 12u}) {
    bodies.push_back(Pattern(length, static_cast<uint32_t>(length)));
    stream += Framed(bodies.back());
  }
  SUBCASE("byte by byte at the start, and around each boundary") {
    Peer peer(server.port);
    const int on = 1;
    setsockopt(peer.fd(), IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
    size_t sent = 0;
    while (sent < stream.size()) {
      const size_t step = sent < 1200 ? 1 : std::min<size_t>(4001, stream.size() - sent);
      peer.Send(stream.substr(sent, step));
      sent += step;
      server.Turn();
    }
    server.Until([&] { return server.frames.size() == bodies.size(); });
  }
  SUBCASE("all at once") {
    Peer peer(server.port);
    peer.Queue(stream);
    server.Until([&] { return peer.Write(), server.frames.size() == bodies.size(); });
  }
  SUBCASE("all at once, one event per Poll") {
    server.events_per_poll = 1;
    Peer peer(server.port);
    peer.Queue(stream);
    server.Until([&] { return peer.Write(), server.frames.size() == bodies.size(); });
  }
  for (size_t i = 0; i < bodies.size(); ++i) CHECK(server.frames[i].bytes == bodies[i]);
  CHECK(server->stats().frame_bytes_held == 0);
}

TEST_CASE(
    "transport: thousands of frames in one segment come out in order, a few events at a time") {
  Server server;
  server.release_frames = true;
  server.events_per_poll = 7;
  Peer peer(server.port);
  for (int i = 0; i < 5000; ++i) peer.Queue(Framed("frame " + std::to_string(10'000 + i)));
  server.Until([&] { return peer.Write(), server.frames.size() == 5000; });
  for (int i = 0; i < 5000; ++i) {
    REQUIRE(server.frames[static_cast<size_t>(i)].bytes == "frame " + std::to_string(10'000 + i));
  }
}

TEST_CASE("transport: large frames get mappings of their own, which are used again") {
  TransportOptions options;
  options.own_mapping_above_bytes = 64u << 10;
  options.arena_bytes = 1u << 20;
  Server server(options);
  Peer peer(server.port);
  const std::string large = Pattern(3'000'000);
  std::vector<uint32_t> arenas;
  for (int i = 0; i < 3; ++i) {
    peer.Queue(Framed(large));
    peer.Queue(Framed("small one"));
    server.Until([&] { return peer.Write(), server.frames.size() == 2; });
    CHECK(server.frames[0].bytes == large);
    CHECK(server.frames[1].bytes == "small one");
    CHECK(server.frames[0].position == 0);
    arenas.push_back(server.frames[0].arena);
    CHECK(server->arena(arenas.back()).size() >= large.size());
    server.ReleaseAll();
  }
  CHECK(arenas[0] == arenas[1]);
  CHECK(arenas[0] == arenas[2]);
}

TEST_CASE("transport: a size that cannot be one ends the connection before anything is allocated") {
  TransportOptions options;
  options.max_frame_bytes = 1000;
  Server server(options);
  const auto reason = [&](const std::string& bytes) {
    Peer peer(server.port);
    const uint64_t id = server.Accepted();
    peer.Send(bytes);
    server.Until([&] { return server.closed.count(id) == 1; });
    CHECK(server->stats().frame_bytes_held == 0);
    return static_cast<CloseReason>(server.closed[id].a);
  };
  using namespace std::string_literals;
  CHECK(reason("\xff\xff\xff\xff"s) == CloseReason::kFrameInvalid);
  CHECK(reason("\x80\x00\x00\x00"s) == CloseReason::kFrameInvalid);
  CHECK(reason("\x00\x00\x00\x00"s) == CloseReason::kFrameInvalid);
  CHECK(reason("\x00\x00\x00\x07"s) == CloseReason::kFrameInvalid);
  CHECK(reason("\x7f\xff\xff\xff"s) == CloseReason::kFrameTooLarge);
  CHECK(reason("\x00\x00\x03\xe9"s) == CloseReason::kFrameTooLarge);
  CHECK(reason("GET / HTTP/1.1\r\n\r\n") == CloseReason::kFrameTooLarge);
  CHECK(server->stats().arena_bytes == 0);

  Peer peer(server.port);
  peer.Send(Framed(Pattern(1000)));  // the largest that is allowed
  server.Until([&] { return server.frames.size() == 1; });
}

TEST_CASE("transport: frames before a bad one are delivered, then the end, and held bytes stay") {
  Server server;
  Peer peer(server.port);
  const uint64_t id = server.Accepted();
  peer.Send(Framed("the first") + Framed("the second") + std::string(4, '\xff'));
  server.Until([&] { return server.closed_for(id, CloseReason::kFrameInvalid); });
  REQUIRE(server.frames.size() == 2);
  CHECK(server.frames[1].bytes == "the second");
  const std::span<std::byte> arena = server->arena(server.frames[1].arena);
  CHECK(std::memcmp(arena.data() + server.frames[1].position, "the second", 10) == 0);
  CHECK(server->stats().frame_bytes_held > 0);
  server.ReleaseAll();
  CHECK(server->stats().frame_bytes_held == 0);
}

TEST_CASE("transport: a peer that closed its direction gets the replies that were submitted") {
  Server server;
  Peer peer(server.port);
  const uint64_t id = server.Accepted();
  peer.Send(Framed("the only request"));
  peer.HalfClose();
  server.Until([&] { return server.frames.size() == 1; });
  CHECK(server.closed.empty());  // one turn is left to answer
  const std::string reply = Pattern(20'000'000);
  server.Reply(id, reply);
  server.Until([&] { return peer.Read(), peer.ended; });
  CHECK(peer.error == 0);
  CHECK(peer.received == reply);
  server.Until([&] { return server.closed_for(id, CloseReason::kPeer); });
  server.ReleaseAll();
}

TEST_CASE("transport: a request and the end that follows it at once leave a turn to answer") {
  Server server;
  // So many that the loop comes back to the first ones, and finds their end, within one turn.
  std::deque<Peer> peers;
  for (int i = 0; i < 24; ++i) {
    peers.emplace_back(server.port);
    server.Accepted();
  }
  for (Peer& peer : peers) {
    peer.Send(Framed("the only request"));
    peer.HalfClose();
  }
  while (server.closed.size() < peers.size()) {
    server.Turn(10'000);
    for (const HeldFrame& frame : server.frames) server.Reply(frame.connection, "the answer");
    server.ReleaseAll();
  }
  for (Peer& peer : peers) {
    server.Until([&] { return peer.Read(), peer.ended; });
    CHECK(peer.received == "the answer");
  }
}

TEST_CASE("transport: a reset ends the connection, in the midst of a frame too") {
  Server server;
  Peer peer(server.port);
  const uint64_t id = server.Accepted();
  peer.Send(Framed(Pattern(1000)).substr(0, 500));
  server.Until([&] { return server->stats().frame_bytes_held > 0; });
  peer.Reset();
  server.Until([&] { return server.closed_for(id, CloseReason::kPeer); });
  CHECK(server.closed[id].b == ECONNRESET);
  CHECK(server.frames.empty());
  CHECK(server->stats().frame_bytes_held == 0);
}

TEST_CASE("transport: a paused connection is not read until it is resumed") {
  Server server;
  Peer peer(server.port);
  const uint64_t id = server.Accepted();
  server->Pause(id);
  peer.Send(Framed("wait for me"));
  Peer other(server.port);
  other.Send(Framed("not held up"));
  server.Until([&] { return server.frames.size() == 1; });
  server.Turn();
  CHECK(server.frames[0].bytes == "not held up");
  server->Resume(id);
  server.Until([&] { return server.frames.size() == 2; });
  CHECK(server.frames[1].bytes == "wait for me");
}

TEST_CASE("transport: closing after the replies sends them all, although input was left unread") {
  Server server;
  Peer peer(server.port);
  const uint64_t id = server.Accepted();
  const std::string reply = Pattern(10'000'000);
  server.Reply(id, reply);
  server->Close(id, true);
  server.Reply(id, "this one is too late");
  peer.Send(Framed("nobody reads this"));
  server.Until([&] { return peer.Read(), peer.ended; });
  CHECK(peer.error == 0);
  CHECK(peer.received == reply);
  peer.Close();
  server.Until([&] { return server.closed_for(id, CloseReason::kRequested); });
  CHECK(server.frames.empty());
}

TEST_CASE("transport: closing after the replies takes what still comes of a large request") {
  int64_t now = 1'000'000;
  TransportOptions options;
  options.now_ms = [&now] { return now; };
  Server server(options);
  Peer peer(server.port);
  const uint64_t id = server.Accepted();
  const std::string request = Framed(Pattern(900'000));
  peer.Queue(request.substr(0, 300'000));
  server.Until([&] { return peer.Write(), peer.all_arrived() && server->stats().bytes_in > 0; });
  server.Reply(id, "sorry");
  server->Close(id, true);
  // Less than the socket was to wait for. Left there, it would make the end a reset, which takes a
  // reply away from a peer that has not read it yet.
  peer.Queue(request.substr(300'000, 500'000));
  server.Until([&] { return peer.Write(), peer.all_arrived(); });
  server.Turn();
  now += 2000;
  server.Until([&] { return server.closed_for(id, CloseReason::kRequested); });
  int error = -1;
  socklen_t size = sizeof error;
  REQUIRE(getsockopt(peer.fd(), SOL_SOCKET, SO_ERROR, &error, &size) == 0);
  CHECK(error == 0);
  server.Until([&] { return peer.Read(), peer.ended; });
  CHECK(peer.error == 0);
  CHECK(peer.received == "sorry");
}

TEST_CASE("transport: closing at once reports it, and the address stays known for that turn") {
  Server server;
  Peer peer(server.port);
  const uint64_t id = server.Accepted();
  const std::string address = server->peer_address(id);
  server->Close(id, false);
  Event events[4];
  // The epoll descriptor tells whoever polls it.
  pollfd ready{.fd = server->epoll_descriptor(), .events = POLLIN, .revents = 0};
  REQUIRE(poll(&ready, 1, 10'000) == 1);
  REQUIRE(server->Poll(events, 0) == 1);
  CHECK(events[0].kind == EventKind::kClosed);
  CHECK(events[0].connection == id);
  CHECK(server->peer_address(id) == address);
  CHECK(server->Poll(events, 0) == 0);
  CHECK(server->peer_address(id).empty());
  server->Close(id, false);  // not known any more
  server.Reply(id, "into the void");
}

TEST_CASE("transport: shutdown answers what was submitted, and closes every connection") {
  Server server;
  std::deque<Peer> peers;
  for (int i = 0; i < 5; ++i) {
    peers.emplace_back(server.port);
    server.Reply(server.Accepted(), "goodbye");
  }
  server->Shutdown();
  server.Until([&] {
    for (Peer& peer : peers) {
      peer.Read();
      if (peer.ended) peer.Close();
    }
    return server.closed.size() == 5;
  });
  for (const Peer& peer : peers) CHECK(peer.received == "goodbye");
  for (uint64_t id : server.opened) CHECK(server.closed_for(id, CloseReason::kShutdown));
}

TEST_CASE("transport: a thousand connections come and go without leaving a descriptor or a byte") {
  const size_t before = OpenDescriptors();
  {
    Server server;
    const size_t idle = OpenDescriptors();
    for (int round = 0; round < 10; ++round) {
      std::deque<Peer> peers;
      for (int i = 0; i < 100; ++i) {
        peers.emplace_back(server.port);
        peers.back().Send(Framed("held by somebody") + "\x00");
      }
      server.Until([&] { return server.frames.size() == 100; });
      for (size_t i = 0; i < peers.size(); ++i) {
        switch (i % 4) {
          case 0:
            peers[i].Close();
            break;
          case 1:
            peers[i].Reset();
            break;
          case 2:
            server->Close(server.frames[i].connection, false);
            break;
          case 3:
            server.Reply(server.frames[i].connection, Pattern(100'000));
            peers[i].Close();
            break;
        }
      }
      const size_t expected = static_cast<size_t>(round + 1) * 100;
      server.Until([&] {
        for (Peer& peer : peers)
          if (peer.fd() >= 0) peer.Read();
        return server.closed.size() == expected;
      });
      server.ReleaseAll();
    }
    CHECK(OpenDescriptors() == idle);
    const Transport::Stats stats = server->stats();
    CHECK(stats.connections == 0);
    CHECK(stats.frame_bytes_held == 0);
    CHECK(stats.replies_queued_bytes == 0);
    CHECK(stats.accepted == 1000);
  }
  CHECK(OpenDescriptors() == before);
}

TEST_CASE("transport: listening") {
  Result<std::unique_ptr<Transport>> made = Transport::Create({});
  REQUIRE(made.ok());
  Transport& transport = **made;
  Result<uint32_t> first = transport.Listen("127.0.0.1", 0, 16);
  REQUIRE(first.ok());
  const uint16_t port = transport.listener_port(*first);
  CHECK(transport.listener_address(*first) == "127.0.0.1");
  CHECK(transport.Listen("127.0.0.1", port, 16).status().code() == Code::kAddressInUse);
  CHECK(transport.Listen("no-such-name.invalid", 0, 16).status().code() == Code::kNotFound);
  Result<uint32_t> name = transport.Listen("localhost", 0, 16);
  REQUIRE(name.ok());
  CHECK(*name == *first + 1);
  CHECK(transport.Listen("0.0.0.0", 0, 16).ok());
  const bool has_ipv6 = UniqueFd(socket(AF_INET6, SOCK_STREAM, 0)).valid() &&
                        std::filesystem::exists("/proc/sys/net/ipv6/conf/lo/disable_ipv6");
  if (has_ipv6 && transport.Listen("::1", 0, 16).ok()) {
    Result<uint32_t> any = transport.Listen("::", 0, 16);
    REQUIRE(any.ok());
    Peer over_ipv4(transport.listener_port(*any));
    Event event;
    REQUIRE(transport.Poll({&event, 1}, 10'000) == 1);
    CHECK(event.kind == EventKind::kOpened);
    CHECK(event.a == *any);
    CHECK(transport.peer_address(event.connection).rfind("127.0.0.1:", 0) == 0);
  }
  transport.StopListening();
  CHECK(transport.Listen("127.0.0.1", port, 16).ok());
}

TEST_CASE("transport: options that cannot hold are refused") {
  const auto refused = [](auto change) {
    TransportOptions options;
    change(options);
    return Transport::Create(options).status().code() == Code::kInvalidArgument;
  };
  CHECK(refused([](TransportOptions& o) { o.max_frame_bytes = 300u << 20; }));
  CHECK(refused([](TransportOptions& o) { o.control_reserve_bytes = 200u << 20; }));
  CHECK(refused([](TransportOptions& o) { o.own_mapping_above_bytes = 8u << 20; }));
  CHECK(refused([](TransportOptions& o) { o.max_connections = 0; }));
  CHECK(refused([](TransportOptions& o) { o.sender_threads = 0; }));
}

}  // namespace
}  // namespace millrace::test
