#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "event_loop.h"
#include "frame_reader.h"
#include "modes.h"
#include "program.h"
#include "record_batch.h"
#include "send_queue.h"
#include "transaction_messages.h"
#include "window.h"

namespace millrace::loadgen {
namespace {

// How long Kafka's Java producer waits before it asks again while the markers of its last
// transaction are being written: 20 ms in its AddPartitionsToTxn, retry.backoff.ms in what else
// meets it, here without its jitter of 20 %.
constexpr int64_t kAddBackoffNs = 20'000'000;
constexpr int64_t kRetryBackoffNs = 100'000'000;
// From the end of sending until the transactions in flight are committed.
constexpr int64_t kDrainLimitNs = 10 * kNsPerSecond;
// From the last answer until consumers may read all: markers are written behind it.
constexpr int64_t kStableLimitNs = 10 * kNsPerSecond;
constexpr int64_t kNever = INT64_MAX;

class TransactionsRun {
 public:
  explicit TransactionsRun(const Options& options)
      : options_(options),
        window_(options.broker_pid),
        producers_(static_cast<size_t>(options.connections)) {
    int32_t per_partition = options.records_per_transaction / options.partitions_per_request;
    constexpr size_t kUnlimited = SIZE_MAX;
    batch_ = BuildRecordBatch(kUnlimited, static_cast<size_t>(options.record_bytes), WallClockMs(),
                              per_partition);
  }

  int Run();

 private:
  enum class Step { kAdding, kProducing, kCommitting, kIdle };

  // One transactional id on a connection of its own.
  struct Producer {
    Descriptor socket;
    SendQueue out;
    FrameReader in;
    std::string transactional_id;
    ProducerIdentity identity;
    std::vector<int32_t> sequences;   // the next of each partition
    std::vector<int32_t> partitions;  // of its transaction
    int32_t next_partition = 0;
    Step step = Step::kIdle;
    int32_t correlation_id = 0;
    int64_t began_at = 0;
    int64_t commit_sent_at = 0;
    int64_t resend_at = kNever;
    bool waits_for_room = false;
  };

  void Prepare();
  void Loop();
  void Advance(int64_t now);
  int64_t ResendDue(int64_t now);
  void Begin(Producer& producer, int64_t now);
  void Send(Producer& producer);
  std::string ProduceRest(Producer& producer);
  void SendFrame(Producer& producer, Api api, int16_t version, std::string_view rest);
  void Receive(Producer& producer);
  void Answered(Producer& producer, Bytes frame, int64_t now);
  bool GoesOn(Producer& producer, int16_t error, int64_t now);
  void Committed(Producer& producer, int64_t now);
  void Flush(Producer& producer);
  int64_t StoredRecords(Admin& admin) const;
  int Finish(Admin& admin);

  bool adds_by_itself() const { return options_.transaction_version == 1; }
  int64_t stored_per_transaction() const {
    return options_.records_per_transaction + options_.partitions_per_request;  // and markers
  }

  const Options& options_;
  RecordBatch batch_;
  EventLoop loop_;
  Window window_;
  std::vector<Producer> producers_;
  std::vector<char> buffer_ = std::vector<char>(64 << 10);

  bool sending_ = true;
  int64_t started_at_ = 0;
  int64_t all_committed_ = 0;  // of the whole run, to compare with what the broker stored
  // Of the window.
  int64_t transactions_ = 0;
  int64_t waited_ = 0;  // requests that were sent again after a backoff
  Histogram commit_;
  Histogram whole_;
};

int TransactionsRun::Run() {
  Admin admin(options_.target);
  admin.CreateTopic(options_.topic, options_.partitions, options_.topic_configs);
  Prepare();
  Loop();
  return Finish(admin);
}

void TransactionsRun::Prepare() {
  auto partitions = static_cast<size_t>(options_.partitions);
  for (size_t i = 0; i < producers_.size(); ++i) {
    Producer& producer = producers_[i];
    producer.transactional_id = options_.topic + "-" + std::to_string(i);
    producer.socket = Connect(options_.target);
    producer.identity = InitProducer(producer.socket.get(), producer.transactional_id);
    producer.sequences.assign(partitions, 0);
    producer.next_partition = static_cast<int32_t>(i % partitions);
    SetNonBlocking(producer.socket.get());
    loop_.Add(producer.socket.get(), i);
  }
}

void TransactionsRun::Loop() {
  started_at_ = NowNs();
  Advance(started_at_);
  for (Producer& producer : producers_) Begin(producer, started_at_);
  auto is_idle = [](const Producer& producer) { return producer.step == Step::kIdle; };
  auto in_flight = [&] { return !std::all_of(producers_.begin(), producers_.end(), is_idle); };
  int64_t drain_until = kNever;
  while (sending_ || in_flight()) {
    constexpr int64_t kLongestWaitNs = 10'000'000;
    int64_t now = NowNs();
    int64_t next_resend = ResendDue(now);
    for (const epoll_event& event : loop_.Wait(std::min(now + kLongestWaitNs, next_resend))) {
      Producer& producer = producers_[static_cast<size_t>(event.data.u64)];
      if ((event.events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) Receive(producer);
      Flush(producer);
    }
    Advance(NowNs());
    if (!sending_ && drain_until == kNever) drain_until = NowNs() + kDrainLimitNs;
    if (NowNs() > drain_until) Fatal("the broker left transactions without an answer");
  }
}

void TransactionsRun::Advance(int64_t now) {
  auto seconds = [&](double value) { return started_at_ + static_cast<int64_t>(value * 1e9); };
  if (!window_.is_opened() && now >= seconds(options_.warmup_seconds)) window_.Open(now);
  if (!sending_ || now < seconds(options_.warmup_seconds + options_.seconds)) return;
  sending_ = false;
  window_.Close(now);
}

// Sends again what was to wait until now; returns when the next is due.
int64_t TransactionsRun::ResendDue(int64_t now) {
  int64_t next = kNever;
  for (Producer& producer : producers_) {
    if (producer.resend_at <= now) {
      producer.resend_at = kNever;
      Send(producer);
    }
    next = std::min(next, producer.resend_at);
  }
  return next;
}

void TransactionsRun::Begin(Producer& producer, int64_t now) {
  producer.began_at = now;
  producer.partitions.clear();
  for (int32_t i = 0; i < options_.partitions_per_request; ++i) {
    producer.partitions.push_back(producer.next_partition);
    producer.next_partition = (producer.next_partition + 1) % options_.partitions;
  }
  producer.step = adds_by_itself() ? Step::kAdding : Step::kProducing;
  Send(producer);
}

// The request of the producer's step.
void TransactionsRun::Send(Producer& producer) {
  int version = options_.transaction_version;
  const TransactionTopic to{producer.transactional_id, options_.topic};
  switch (producer.step) {
    case Step::kAdding:
      SendFrame(producer, Api::kAddPartitionsToTxn, VersionOf(Api::kAddPartitionsToTxn),
                AddPartitionsRest(to, producer.identity, producer.partitions));
      break;
    case Step::kProducing:
      SendFrame(producer, Api::kProduce, ProduceVersion(version), ProduceRest(producer));
      break;
    case Step::kCommitting:
      SendFrame(producer, Api::kEndTxn, EndTxnVersion(version),
                CommitRest(version, producer.transactional_id, producer.identity));
      break;
    case Step::kIdle:
      break;
  }
}

std::string TransactionsRun::ProduceRest(Producer& producer) {
  int version = options_.transaction_version;
  const TransactionTopic to{producer.transactional_id, options_.topic};
  Writer writer = BeginTransactionalProduce(version, to, producer.partitions.size());
  for (int32_t partition : producer.partitions) {
    int32_t sequence = producer.sequences[static_cast<size_t>(partition)];
    MakeTransactional(batch_.bytes, {producer.identity.id, producer.identity.epoch, sequence});
    AppendPartition(writer, version, partition, batch_.bytes);
  }
  FinishTransactionalProduce(writer, version);
  return writer.Take();
}

void TransactionsRun::SendFrame(Producer& producer, Api api, int16_t version,
                                std::string_view rest) {
  char head[kRequestHeadBytes];
  StoreRequestHead(head, api, version, ++producer.correlation_id, rest.size());
  producer.out.Copy(head);
  producer.out.Copy(rest);
  Flush(producer);
}

void TransactionsRun::Receive(Producer& producer) {
  ssize_t size = recv(producer.socket.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (size == 0 || (size < 0 && errno == ECONNRESET)) Fatal("the broker closed a connection");
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size < 0) FatalErrno("recv");
  int64_t now = NowNs();
  producer.in.Feed(Bytes(buffer_.data(), static_cast<size_t>(size)),
                   [&](Bytes frame) { Answered(producer, frame, now); });
}

void TransactionsRun::Answered(Producer& producer, Bytes frame, int64_t now) {
  if (producer.step == Step::kIdle || producer.resend_at != kNever ||
      LoadBigEndian<int32_t>(frame.data()) != producer.correlation_id) {
    Fatal("the broker answered what was not asked");
  }
  Bytes body = frame.subspan(4);
  int version = options_.transaction_version;
  switch (producer.step) {
    case Step::kAdding:
      if (!GoesOn(producer, ReadAddPartitions(body), now)) return;
      producer.step = Step::kProducing;
      Send(producer);
      return;
    case Step::kProducing:
      if (!GoesOn(producer, ReadTransactionalProduce(version, body), now)) return;
      for (int32_t partition : producer.partitions)
        producer.sequences[static_cast<size_t>(partition)] += batch_.records;
      producer.step = Step::kCommitting;
      producer.commit_sent_at = now;
      Send(producer);
      return;
    case Step::kCommitting: {
      ProducerIdentity before = producer.identity;
      if (!GoesOn(producer, ReadCommit(version, body, producer.identity), now)) return;
      bool renewed = before.id != producer.identity.id || before.epoch != producer.identity.epoch;
      // Sequences count within an epoch.
      if (renewed) std::fill(producer.sequences.begin(), producer.sequences.end(), 0);
      Committed(producer, now);
      return;
    }
    case Step::kIdle:
      return;
  }
}

// Whether the step is done; while markers are being written it is to be tried again. Anything else
// is the end of a run that measures nothing.
bool TransactionsRun::GoesOn(Producer& producer, int16_t error, int64_t now) {
  if (error == 0) return true;
  if (error != kConcurrentTransactions) {
    constexpr const char* kSteps[] = {"AddPartitionsToTxn", "Produce", "EndTxn"};
    Fatal("%s of a transaction: %s", kSteps[static_cast<int>(producer.step)],
          ErrorName(error).c_str());
  }
  producer.resend_at = now + (producer.step == Step::kAdding ? kAddBackoffNs : kRetryBackoffNs);
  if (window_.Contains(now)) ++waited_;
  return false;
}

void TransactionsRun::Committed(Producer& producer, int64_t now) {
  ++all_committed_;
  if (window_.Contains(now)) {
    ++transactions_;
    commit_.Record(now - producer.commit_sent_at);
    whole_.Record(now - producer.began_at);
  }
  producer.step = Step::kIdle;
  if (sending_) Begin(producer, now);
}

void TransactionsRun::Flush(Producer& producer) {
  if (!producer.out.Flush(producer.socket.get())) Fatal("the broker closed a connection");
  bool wants_room = !producer.out.empty();
  if (producer.waits_for_room == wants_room) return;
  producer.waits_for_room = wants_room;
  auto index = static_cast<uint64_t>(&producer - producers_.data());
  loop_.Change(producer.socket.get(), index, wants_room ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

// What a reader of committed records may read, once all markers are in.
int64_t TransactionsRun::StoredRecords(Admin& admin) const {
  int64_t wanted = all_committed_ * stored_per_transaction();
  for (int64_t limit = NowNs() + kStableLimitNs;;) {
    int64_t stored = admin.StableRecords(options_.topic, options_.partitions);
    if (stored >= wanted || NowNs() > limit) return stored;
    constexpr useconds_t kPollUs = 5'000;
    usleep(kPollUs);
  }
}

int TransactionsRun::Finish(Admin& admin) {
  auto batch_bytes = static_cast<int64_t>(batch_.bytes.size()) * options_.partitions_per_request;
  Report report;
  report.Text("mode", "transactions");
  window_.AddTo(report);
  report.Count("requests", transactions_);
  report.Count("records", transactions_ * options_.records_per_transaction);
  report.Count("bytes", transactions_ * batch_bytes);
  report.Latency("ackMicros", commit_).Latency("transactionMicros", whole_);
  report.Count("backoffs", waited_);
  int64_t stored = StoredRecords(admin);
  report.Count("committedTransactions", all_committed_).Count("stableRecords", stored);
  bool ok = stored == all_committed_ * stored_per_transaction();
  if (!options_.keep_topic) admin.DeleteTopic(options_.topic);
  report.Errors("errors", {}).Flag("ok", ok).Print();
  return ok ? 0 : 1;
}

}  // namespace

int RunTransactions(const Options& options) { return TransactionsRun(options).Run(); }

}  // namespace millrace::loadgen
