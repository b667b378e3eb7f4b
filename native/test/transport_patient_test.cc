// Connections whose input may wait for that of others.
#include "transport_harness.h"

namespace millrace::test {
namespace {

constexpr int64_t kAnHour = 3'600'000;

TransportOptions WithPatience(int64_t patience_ms) {
  TransportOptions options;
  options.patience_ms = patience_ms;
  return options;
}

TEST_CASE("patient: what it sends waits, what others send does not, until it is patient no more") {
  Server server(WithPatience(kAnHour));
  Peer patient(server.port);
  const uint64_t patient_id = server.Accepted();
  Peer other(server.port);
  const uint64_t other_id = server.Accepted();
  server->SetPatient(patient_id, true);
  patient.Send(Framed("can wait"));
  server.Until([&] { return patient.all_arrived(); });
  other.Send(Framed("cannot wait"));
  server.Until([&] { return !server.frames.empty(); });
  server.Turn();
  REQUIRE(server.frames.size() == 1);
  CHECK(server.frames[0].connection == other_id);
  server->SetPatient(patient_id, false);
  server.Until([&] { return server.frames.size() == 2; });
  CHECK(server.frames[1].connection == patient_id);
  CHECK(server.frames[1].bytes == "can wait");
  server.ReleaseAll();
}

TEST_CASE("patient: many that are ready come in one poll, and again after the next wait") {
  Server server(WithPatience(20));
  constexpr size_t kPeers = 40;
  std::vector<std::unique_ptr<Peer>> peers;
  for (size_t i = 0; i < kPeers; ++i) {
    peers.push_back(std::make_unique<Peer>(server.port));
    server->SetPatient(server.Accepted(), true);
  }
  for (int round = 0; round < 3; ++round) {
    for (auto& peer : peers) peer->Send(Framed("a commit"));
    server.Until([&] { return server.frames.size() == kPeers; });
    for (const HeldFrame& frame : server.frames) server.Reply(frame.connection, "done");
    server.ReleaseAll();
    server.Until([&] {
      bool all = true;
      for (auto& peer : peers) {
        peer->Read();
        all = all && peer->received.size() == 4 * (static_cast<size_t>(round) + 1);
      }
      return all;
    });
  }
}

TEST_CASE("patient: more than one poll takes come with the next ones") {
  Server server(WithPatience(1));
  constexpr size_t kPeers = 150;
  std::vector<std::unique_ptr<Peer>> peers;
  for (size_t i = 0; i < kPeers; ++i) {
    peers.push_back(std::make_unique<Peer>(server.port));
    server->SetPatient(server.Accepted(), true);
  }
  for (auto& peer : peers) peer->Send(Framed("a commit"));
  server.Until([&] { return server.frames.size() == kPeers; });
  server.ReleaseAll();
}

TEST_CASE("patient: it hears that its peer has gone, and what is closed is forgotten") {
  Server server(WithPatience(1));
  Peer leaving(server.port);
  const uint64_t leaving_id = server.Accepted();
  Peer closed(server.port);
  const uint64_t closed_id = server.Accepted();
  server->SetPatient(leaving_id, true);
  server->SetPatient(closed_id, true);
  server->SetPatient(closed_id, true);
  leaving.Close();
  server.Until([&] { return server.closed_for(leaving_id, CloseReason::kPeer); });
  server->Close(closed_id, false);
  server.Until([&] { return server.closed_for(closed_id, CloseReason::kRequested); });
  server->SetPatient(closed_id, false);
  server->SetPatient(leaving_id, true);
  server.Turn();
}

TEST_CASE("patient: a paused one is not read, and an unread reply goes on when there is room") {
  Server server(WithPatience(1));
  Peer peer(server.port, 4096);
  const uint64_t id = server.Accepted();
  server->SetPatient(id, true);
  server->Pause(id);
  peer.Send(Framed("for later"));
  server.Until([&] { return peer.all_arrived(); });
  for (int turn = 0; turn < 5; ++turn) server.Turn(2);
  CHECK(server.frames.empty());
  server->Resume(id);
  server.Until([&] { return server.frames.size() == 1; });
  server.ReleaseAll();
  const std::string reply = Pattern(8u << 20);
  server.Reply(id, reply);
  server.Until([&] { return peer.Read(), peer.received.size() == reply.size(); });
  CHECK(peer.received == reply);
}

}  // namespace
}  // namespace millrace::test
