#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/base/unique_fd.h"
#include "core/io/connection.h"
#include "core/io/connection_table.h"
#include "core/io/event_queue.h"
#include "core/io/frame_budget.h"
#include "core/io/frame_memory.h"
#include "core/io/listener.h"
#include "core/io/patient_poll.h"
#include "core/io/peer_counts.h"
#include "core/io/sender_pool.h"
#include "core/io/timer_wheel.h"
#include "core/io/transport.h"

namespace millrace {

// Threads and ownership.
//
// One thread at a time, the loop, calls everything here and owns every member; there is no lock in
// this class. Sender threads live in SenderPool, know nothing of connections, and share with the
// loop only SenderPool's mutex, its eventfd and the FileRegions, which any thread may use. No code
// holds two locks.
//
// A connection's socket is read by the loop alone. It is written to by the loop, or, while `lent`
// is set, by the sender that has its SendJob; the job carries the whole output queue away and back,
// and what is submitted meanwhile queues behind it. A connection that closes while it is lent is
// shut down, so that the sender's next call fails, but its descriptor and its slot stay until the
// job is back: no sender ever writes to a descriptor that means something else by now.
//
// Memory is bounded: frames by the budget (frame_budget.h), bytes read ahead of it by
// kCarryLimitBytes for all connections together, replies by connection_unsent_bytes per connection
// and total_unsent_bytes, and, with regions and frames, connection_inflight_bytes per connection.
class TransportImpl final : public Transport {
 public:
  TransportImpl(const TransportOptions& options, UniqueFd epoll, PatientPoll patient, UniqueFd wake,
                UniqueFd timer, std::unique_ptr<SenderPool> senders);
  ~TransportImpl() override;

  Result<uint32_t> Listen(const std::string& address, uint16_t port, int backlog) override;
  uint16_t listener_port(uint32_t listener) const override;
  std::string listener_address(uint32_t listener) const override;
  void StopListening() override;
  Status LimitConnections(uint32_t max_connections, uint32_t max_connections_per_ip) override;
  int epoll_descriptor() const override { return epoll_.get(); }
  size_t Poll(std::span<Event> into, int timeout_ms) override;
  std::span<std::byte> arena(uint32_t id) override { return memory_.arena(id); }
  void ReleaseFrame(uint32_t arena, uint32_t position) override;
  void Submit(std::span<ReplyPart> parts) override;
  void NotifyDrained(uint64_t connection) override;
  void Pause(uint64_t connection) override;
  void Resume(uint64_t connection) override;
  void SetPatient(uint64_t connection, bool patient) override;
  void Close(uint64_t connection, bool after_replies) override;
  void Shutdown() override;
  std::string peer_address(uint64_t connection) const override;
  Stats stats() const override;

 private:
  class Sink;
  struct ListeningSocket {
    int fd;  // owned by its Listener
    uint32_t listener;
  };

  // transport_impl.cc: the turn, timers, closing.
  void RunTurn(size_t room, int timeout_ms);
  void HandleEvent(uint64_t data, uint32_t events);
  void HandleConnectionEvent(Connection& c, uint32_t events);
  void HandlePatient();
  int EpollOf(const Connection& c) const {
    return c.patient ? patient_.descriptor() : epoll_.get();
  }
  void RunReady();
  void RunTimers();
  bool TooSlow(const Connection& c) const;
  void HandleTimer(Connection& c);
  bool BodyIsDue(Connection& c);
  void ScheduleTimer(Connection& c);
  void ArmTimer();
  int64_t NowMs() const { return options_.now_ms(); }
  void UpdateInterest(Connection& c);
  void MarkReady(Connection& c);
  // Every public call that may leave something for the next Poll ends with it: the epoll descriptor
  // is readable then, or will be in time.
  void EndCall();
  void CloseAfterReplies(Connection& c, CloseReason reason);
  void CloseNow(Connection& c, CloseReason reason, int error);
  void Forget(Connection& c);
  void FinishIfDone(Connection& c);

  // transport_accept.cc
  void AcceptWaiting(size_t index);
  void Adopt(UniqueFd fd, const SocketAddress& peer, uint32_t listener);
  void PauseAccepting();
  void Refused(RefuseReason reason, const SocketAddress& peer);
  void ResumeAccepting();
  void SetAcceptInterest(uint32_t events);

  // transport_gone.cc
  void PeerGone(Connection& c, int error);
  void ReadOnAlthoughGone(Connection& c);

  // transport_read.cc
  bool WantsInput(const Connection& c) const;
  void ReadSocket(Connection& c);
  void SetLowWater(Connection& c);
  void Discard(Connection& c);
  void ReadOn(Connection& c);
  // False when the connection cannot take more now, or is closed.
  bool Feed(Connection& c, std::span<const std::byte>* bytes);
  void WatchFrame(Connection& c);
  void DropInput(Connection& c);
  void ServeGrants();
  void GotRoom(Connection& c);

  // transport_write.cc
  void Flush(Connection& c);
  void BeginLarge(Connection& c, WriteResult* result);
  void AfterWrite(Connection& c, const WriteResult& result);
  void Lend(Connection& c, bool cold);
  void CollectJobs();
  void OutputDone(Connection& c);
  void CountUnsent(Connection& c);
  void DropSlowReaders();
  void StartLinger(Connection& c);

  const TransportOptions options_;
  const UniqueFd epoll_;
  PatientPoll patient_;
  const UniqueFd wake_;   // eventfd: jobs have come back, or events wait
  const UniqueFd timer_;  // timerfd: the wheel has something due
  const std::unique_ptr<std::byte[]> scratch_;

  FrameMemory memory_;
  FrameBudget budget_;
  ConnectionTable connections_;
  EventQueue events_;
  TimerWheel wheel_;  // kAcceptTimer, or a connection's slot + 1
  std::vector<Listener> listeners_;
  std::vector<ListeningSocket> listening_;
  Acceptor acceptor_;
  bool accepting_ = true;
  bool in_poll_ = false;
  bool wake_pending_ = false;   // wake_ was written to by us and not read yet
  int64_t now_ms_;              // as of the current turn
  int64_t armed_ms_ = -1;       // when timer_ fires
  uint64_t turn_ = 0;           // counts calls of Poll
  uint64_t begun_turn_ = 0;     // the last one in which a large region was begun here
  uint64_t turn_bytes_ = 0;     // read in the current turn
  bool large_bodies_ = false;   // some are being received, as of the reads since the last turn
  uint64_t carried_bytes_ = 0;  // in all connections' carries
  uint64_t unsent_bytes_ = 0;   // of all connections, as CountUnsent saw them
  uint32_t max_connections_;    // as of LimitConnections, if it was called
  uint32_t max_connections_per_ip_;
  PeerCounts peers_;
  struct Refusals {
    int64_t count = 0;
    int64_t report_ms = 0;  // not before
  };
  std::array<Refusals, 4> refusals_;  // by RefuseReason, since the last report
  std::vector<uint64_t> ready_;
  std::vector<uint64_t> going_on_;  // the part of ready_ that is being worked off
  std::vector<uint32_t> due_;
  std::vector<Connection*> touched_;  // by the current Submit
  // Addresses of closed connections, until the Poll after the one that returned their kClosed.
  std::unordered_map<uint64_t, SocketAddress> farewells_;
  std::vector<uint64_t> said_farewell_;
  Stats stats_{};  // the counting ones; the others are added up when asked for

  // Its threads write to wake_, so it goes first.
  std::unique_ptr<SenderPool> senders_;
};

}  // namespace millrace
