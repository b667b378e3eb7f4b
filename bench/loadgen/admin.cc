#include "admin.h"

#include <unistd.h>

#include <numeric>
#include <set>

#include "program.h"

namespace millrace::loadgen {
namespace {

constexpr int16_t kUnknownTopic = 3;
constexpr int16_t kLeaderNotAvailable = 5;
constexpr int64_t kLeaderLimitNs = 30 * kNsPerSecond;
constexpr useconds_t kPollUs = 20'000;
constexpr int32_t kTimeoutMs = 30'000;

constexpr int64_t kLatest = -1;
constexpr int64_t kEarliest = -2;

void Require(bool ok, const char* what) {
  if (!ok) Fatal("cannot read the %s response", what);
}

void RequireSuccess(int16_t error, const char* what, std::string_view topic) {
  if (error == 0) return;
  Fatal("%s of %.*s: %s", what, static_cast<int>(topic.size()), topic.data(),
        ErrorName(error).c_str());
}

}  // namespace

Admin::Admin(const Endpoint& target) : target_(target), socket_(Connect(target)) {
  std::string body = Ask(Api::kApiVersions, BeginRequest().Take());
  Reader reader(body);
  RequireSuccess(reader.Int16(), "ApiVersions", target.host);
  std::set<int16_t> served;
  for (size_t count = reader.Count(6); count > 0; --count) {
    int16_t key = reader.Int16();
    int16_t lowest = reader.Int16();
    int16_t highest = reader.Int16();
    int16_t wanted = VersionOf(static_cast<Api>(key));
    if (lowest <= wanted && wanted <= highest) served.insert(key);
  }
  Require(reader.ok(), "ApiVersions");
  for (Api api : {Api::kProduce, Api::kFetch, Api::kListOffsets, Api::kMetadata, Api::kCreateTopics,
                  Api::kDeleteTopics}) {
    if (served.count(static_cast<int16_t>(api)) == 0) {
      Fatal("the broker does not serve API %d version %d", static_cast<int>(api), VersionOf(api));
    }
  }
}

std::string Exchange(int fd, Api api, int32_t correlation_id, std::string_view rest) {
  std::string frame(kRequestHeadBytes, '\0');
  StoreRequestHead(frame.data(), api, correlation_id, rest.size());
  frame += rest;
  SendAll(fd, frame);
  char head[kResponseHeadBytes];
  ReceiveAll(fd, head, sizeof head);
  auto size = LoadBigEndian<int32_t>(head);
  constexpr int32_t kMost = 64 << 20;
  if (size < 4 || size > kMost) Fatal("the broker sent a frame of %d bytes", size);
  if (LoadBigEndian<int32_t>(head + kSizeBytes) != correlation_id)
    Fatal("the broker answered out of order");
  std::string body(static_cast<size_t>(size) - 4, '\0');
  ReceiveAll(fd, body.data(), body.size());
  return body;
}

std::string Admin::Ask(Api api, std::string_view rest) {
  return Exchange(socket_.get(), api, ++correlation_id_, rest);
}

void Admin::CreateTopic(std::string_view topic, int32_t partitions,
                        const std::vector<TopicConfig>& configs) {
  Writer writer = BeginRequest();
  writer.Int32(1).String(topic).Int32(partitions).Int16(1);  // one replica
  writer.Int32(0).Int32(static_cast<int32_t>(configs.size()));
  for (const TopicConfig& config : configs) writer.String(config.name).String(config.value);
  writer.Int32(kTimeoutMs).Int8(0);
  std::string body = Ask(Api::kCreateTopics, writer.Take());
  Reader reader(body);
  reader.Int32();
  for (size_t count = reader.Count(6); count > 0; --count) {
    reader.String();
    int16_t error = reader.Int16();
    std::string message(reader.String());
    if (error != 0) {
      Fatal("CreateTopics of %.*s: %s (%s)", static_cast<int>(topic.size()), topic.data(),
            ErrorName(error).c_str(), message.c_str());
    }
  }
  Require(reader.ok(), "CreateTopics");

  // Creation is acknowledged before every broker knows the leaders, and those before the leader
  // itself has begun.
  for (int64_t limit = NowNs() + kLeaderLimitNs;;) {
    LeaderState state = Leaders(topic);
    bool led = state.error == 0 && state.led_here && state.partitions == partitions;
    if (led && OffsetsAt(topic, partitions, kLatest).error == 0) return;
    if (NowNs() > limit)
      Fatal("the broker does not lead %.*s", static_cast<int>(topic.size()), topic.data());
    usleep(kPollUs);
  }
}

int32_t Admin::PartitionCount(std::string_view topic) {
  LeaderState state = Leaders(topic);
  RequireSuccess(state.error, "Metadata", topic);
  if (!state.led_here)
    Fatal("%s:%u does not lead every partition", target_.host.c_str(), target_.port);
  return state.partitions;
}

Admin::LeaderState Admin::Leaders(std::string_view topic) {
  Writer writer = BeginRequest();
  writer.Int32(1).String(topic).Int8(0);  // no auto-creation
  std::string body = Ask(Api::kMetadata, writer.Take());
  Reader reader(body);
  reader.Int32();
  // A broker that is alone is the one we talk to, whatever address it knows itself by.
  size_t brokers = reader.Count(12);
  int32_t here = -1;
  for (size_t i = 0; i < brokers; ++i) {
    int32_t id = reader.Int32();
    reader.String();
    if (reader.Int32() == target_.port || brokers == 1) here = id;
    reader.String();
  }
  reader.String();
  reader.Int32();
  LeaderState state{0, kUnknownTopic, here >= 0};
  for (size_t topics = reader.Count(9); topics > 0; --topics) {
    state.error = reader.Int16();
    reader.String();
    reader.Int8();
    for (size_t partitions = reader.Count(22); partitions > 0; --partitions) {
      int16_t error = reader.Int16();
      reader.Int32();
      int32_t leader = reader.Int32();
      for (int list = 0; list < 3; ++list)
        reader.Skip(reader.Count(4) * 4);  // replicas, ISR, offline
      ++state.partitions;
      if (error != 0 && state.error == 0) state.error = kLeaderNotAvailable;
      if (leader != here) state.led_here = false;
    }
  }
  Require(reader.ok(), "Metadata");
  return state;
}

void Admin::DeleteTopic(std::string_view topic) {
  Writer writer = BeginRequest();
  writer.Int32(1).String(topic).Int32(kTimeoutMs);
  std::string body = Ask(Api::kDeleteTopics, writer.Take());
  Reader reader(body);
  reader.Int32();
  for (size_t count = reader.Count(4); count > 0; --count) {
    reader.String();
    RequireSuccess(reader.Int16(), "DeleteTopics", topic);
  }
  Require(reader.ok(), "DeleteTopics");
}

std::vector<Admin::Range> Admin::Offsets(std::string_view topic, int32_t partitions) {
  ListedOffsets first = OffsetsAt(topic, partitions, kEarliest);
  RequireSuccess(first.error, "ListOffsets", topic);
  ListedOffsets next = OffsetsAt(topic, partitions, kLatest);
  RequireSuccess(next.error, "ListOffsets", topic);
  std::vector<Range> ranges(first.offsets.size());
  for (size_t i = 0; i < ranges.size(); ++i) ranges[i] = Range{first.offsets[i], next.offsets[i]};
  return ranges;
}

int64_t Admin::StableRecords(std::string_view topic, int32_t partitions) {
  ListedOffsets stable = OffsetsAt(topic, partitions, kLatest, kReadCommitted);
  RequireSuccess(stable.error, "ListOffsets", topic);
  return std::accumulate(stable.offsets.begin(), stable.offsets.end(), int64_t{0});
}

Admin::ListedOffsets Admin::OffsetsAt(std::string_view topic, int32_t partitions, int64_t timestamp,
                                      int8_t isolation) {
  Writer writer = BeginRequest();
  writer.Int32(-1).Int8(isolation).Int32(1).String(topic).Int32(partitions);
  for (int32_t partition = 0; partition < partitions; ++partition)
    writer.Int32(partition).Int32(-1).Int64(timestamp);
  std::string body = Ask(Api::kListOffsets, writer.Take());
  Reader reader(body);
  reader.Int32();
  ListedOffsets listed{std::vector<int64_t>(static_cast<size_t>(partitions), -1), 0};
  for (size_t topics = reader.Count(6); topics > 0; --topics) {
    reader.String();
    for (size_t count = reader.Count(26); count > 0; --count) {
      int32_t partition = reader.Int32();
      int16_t error = reader.Int16();
      if (error != 0) listed.error = error;
      reader.Int64();
      int64_t offset = reader.Int64();
      reader.Int32();
      if (partition >= 0 && partition < partitions)
        listed.offsets[static_cast<size_t>(partition)] = offset;
    }
  }
  Require(reader.ok(), "ListOffsets");
  for (int64_t offset : listed.offsets) Require(listed.error != 0 || offset >= 0, "ListOffsets");
  return listed;
}

}  // namespace millrace::loadgen
