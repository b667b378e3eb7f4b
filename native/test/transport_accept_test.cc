// Who is let in: how many connections, of one address, with how many descriptors.
#include <netinet/tcp.h>
#include <sys/resource.h>

#include <string>

#include "core/io/listener.h"
#include "core/io/transport_limits.h"
#include "transport_harness.h"

namespace millrace::test {
namespace {

// Lowers the number of descriptors this process may have, for as long as it lives.
class FewDescriptors {
 public:
  FewDescriptors() { REQUIRE(getrlimit(RLIMIT_NOFILE, &before_) == 0); }
  ~FewDescriptors() { Restore(); }
  // Leaves room for `count` more.
  void Leave(int count) {
    const UniqueFd lowest_free(open("/dev/null", O_RDONLY | O_CLOEXEC));
    REQUIRE(lowest_free.valid());
    const rlimit tight{.rlim_cur = static_cast<rlim_t>(lowest_free.get() + count),
                       .rlim_max = before_.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
  }
  void Restore() { REQUIRE(setrlimit(RLIMIT_NOFILE, &before_) == 0); }

 private:
  rlimit before_{};
};

std::string CongestionControlOf(int fd) {
  char name[16] = {};
  socklen_t size = sizeof name;
  REQUIRE(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &size) == 0);
  return name;
}

TEST_CASE("listener: nothing paces what goes over loopback, and others keep the system's default") {
  const UniqueFd fresh(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const std::string standard = CongestionControlOf(fresh.get());
  for (const char* host : {"127.0.0.1", "localhost"}) {
    const Result<Listener> loopback = Listener::Open(host, 0, 1);
    REQUIRE(loopback.ok());
    for (const UniqueFd& fd : loopback->sockets()) CHECK(CongestionControlOf(fd.get()) == "reno");
  }
  // Of this test's own: nobody connects.
  const Result<Listener> every = Listener::Open("", 0, 1);
  REQUIRE(every.ok());
  for (const UniqueFd& fd : every->sockets()) CHECK(CongestionControlOf(fd.get()) == standard);
}

TEST_CASE("limits: connections above the allowed number wait until others go") {
  TransportOptions options;
  options.max_connections = 3;
  Server server(options);
  std::deque<Peer> peers;
  for (int i = 0; i < 5; ++i) peers.emplace_back(server.port);
  for (Peer& peer : peers) peer.Send(Framed("is anybody there"));
  server.Until([&] { return server.frames.size() == 3; });
  for (int i = 0; i < 20; ++i) server.Turn();
  CHECK(server.opened.size() == 3);
  CHECK(server.refused[RefuseReason::kMaxConnections] == 1);
  peers[0].Close();
  server.Until([&] { return server.frames.size() == 4; });
  peers[1].Reset();
  server.Until([&] { return server.frames.size() == 5; });
  CHECK(server->stats().rejected == 0);
  server.ReleaseAll();
}

TEST_CASE("limits: the allowed numbers of connections change while there are some") {
  TransportOptions options;
  options.max_connections = 1;
  Server server(options);
  std::deque<Peer> peers;
  for (int i = 0; i < 4; ++i) peers.emplace_back(server.port);
  for (Peer& peer : peers) peer.Send(Framed("is anybody there"));
  server.Until([&] { return server.frames.size() == 1; });
  for (int i = 0; i < 20; ++i) server.Turn();
  CHECK(server.opened.size() == 1);
  REQUIRE(server->LimitConnections(3, UINT32_MAX).ok());
  server.Until([&] { return server.frames.size() == 3; });
  for (int i = 0; i < 20; ++i) server.Turn();
  CHECK(server.opened.size() == 3);
  // Fewer than there are: they stay, and one that goes makes no room.
  REQUIRE(server->LimitConnections(1, UINT32_MAX).ok());
  peers[0].Close();
  server.Until([&] { return server.closed.size() == 1; });
  for (int i = 0; i < 20; ++i) server.Turn();
  CHECK(server.opened.size() == 3);
  // The limit of an address counts those that came before it was set.
  REQUIRE(server->LimitConnections(10, 2).ok());
  server.Until([&] { return peers[3].Read(), peers[3].ended; });
  CHECK(server.opened.size() == 3);
  CHECK_FALSE(server->LimitConnections(0, 1).ok());
  CHECK_FALSE(server->LimitConnections(65'536, 1).ok());
  server.ReleaseAll();
}

TEST_CASE("limits: connections above the allowed number of an address are closed at once") {
  TransportOptions options;
  options.max_connections_per_ip = 2;
  Server server(options);
  std::deque<Peer> peers;
  for (int i = 0; i < 4; ++i) peers.emplace_back(server.port);
  server.Until([&] {
    for (Peer& peer : peers) peer.Read();
    return peers[2].ended && peers[3].ended;
  });
  CHECK(server.opened.size() == 2);
  CHECK(server->stats().rejected == 2);
  CHECK(server.refused[RefuseReason::kMaxConnectionsPerIp] == 1);  // the other one within a second
  CHECK(server.refused_peer.rfind("127.0.0.1:", 0) == 0);
  peers[0].Close();
  server.Until([&] { return server.closed.size() == 1; });
  Peer again(server.port);
  again.Send(Framed("welcome now"));
  server.Until([&] { return server.frames.size() == 1; });
  server.ReleaseAll();
}

TEST_CASE("limits: connections leave descriptors for files") {
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit few = before;
  few.rlim_cur = 200;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
  {
    Server server;
    std::deque<Peer> peers;
    // Each takes a descriptor at both ends, until one of ours would be above 200 - 25.
    while (server->stats().rejected == 0) {
      peers.emplace_back(server.port);
      server.Turn(1);
      REQUIRE(peers.size() < 100);
    }
    CHECK(server.opened.size() >= 50);
    server.Until([&] { return peers.back().Read(), peers.back().ended; });
    CHECK(server.refused[RefuseReason::kNoDescriptor] == 1);
    const UniqueFd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
    CHECK(file.valid());
  }
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
}

TEST_CASE("limits: without free descriptors clients are refused rather than left waiting") {
  Server server;
  std::deque<Peer> peers;
  // Their connections complete in the backlog; accepting them needs a descriptor each.
  for (int i = 0; i < 6; ++i) peers.emplace_back(server.port);
  FewDescriptors descriptors;
  descriptors.Leave(0);
  server.Until([&] {
    bool all_ended = true;
    for (Peer& peer : peers) {
      peer.Read();
      all_ended = all_ended && peer.ended;
    }
    return all_ended;
  });
  CHECK(server->stats().rejected == 6);
  CHECK(server->stats().accept_failures == 6);
  CHECK(server.refused[RefuseReason::kNoDescriptor] == 1);
  descriptors.Restore();
  Peer later(server.port);
  server.Accepted();
  server.ReleaseAll();
}

TEST_CASE("limits: when nobody can even be refused, accepting pauses and goes on by itself") {
  int64_t now = 1'000'000;
  TransportOptions options;
  options.now_ms = [&now] { return now; };
  // The first object of a type that a sanitizer meets it looks at by way of a pipe.
  REQUIRE(Transport::Create(options).ok());
  FewDescriptors descriptors;
  descriptors.Leave(5);  // epoll, eventfd and timerfd, those of patient connections, but no reserve
  Result<std::unique_ptr<Transport>> made = Transport::Create(options);
  descriptors.Restore();
  REQUIRE(made.ok());
  Transport& transport = **made;
  Result<uint32_t> listener = transport.Listen("127.0.0.1", 0, 16);
  REQUIRE(listener.ok());
  Peer peer(transport.listener_port(*listener));
  descriptors.Leave(0);
  Event event;
  for (int i = 0; i < 50; ++i) CHECK(transport.Poll({&event, 1}, 0) == 0);
  CHECK(transport.stats().accept_failures == 1);
  descriptors.Restore();
  CHECK(transport.Poll({&event, 1}, 0) == 0);
  now += 200;
  size_t count = 0;
  for (int i = 0; i < 2 && count == 0; ++i) count = transport.Poll({&event, 1}, 10'000);
  REQUIRE(count == 1);
  CHECK(event.kind == EventKind::kOpened);
}

}  // namespace
}  // namespace millrace::test
