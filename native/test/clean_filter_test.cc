// What cleaning leaves of single batches: tombstones, markers, producers, compressed ones.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/clean/batch_filter.h"
#include "test/support/clean_log.h"

namespace millrace::test {
namespace {

constexpr int64_t kNow = 5'000'000;
constexpr int64_t kRetention = 1000;

// One filter with everything it needs, over a log that ends at 1000.
struct Subject {
  explicit Subject(int64_t now_ms = kNow, std::vector<AbortedTransaction> aborted = {},
                   ProducersLast producers = {})
      : transactions(std::move(aborted), 0),
        producers(std::move(producers)),
        rules{.end_offset = 1000, .now_ms = now_ms, .delete_retention_ms = kRetention},
        filter(map, transactions, this->producers, codecs, rules) {}

  void Know(const std::string& key, Offset offset) {
    map.Put(HashKey(map.seed(), {reinterpret_cast<const std::byte*>(key.data()), key.size()}),
            offset);
  }
  Bytes Run(const Bytes& batch, bool keep = false) {
    BatchHeader header;
    REQUIRE(ParseBatchHeader(batch, &header).ok());
    Result<BatchFilter::Left> left = filter.Filter(batch, header, keep, &named);
    REQUIRE(left.ok());
    Bytes bytes(left->bytes.begin(), left->bytes.end());
    if (!bytes.empty()) {
      REQUIRE(BatchChecksumHolds(bytes));
      BatchHeader written;
      REQUIRE(ParseBatchHeader(bytes, &written).ok());
      REQUIRE(written.base_offset == header.base_offset);
      REQUIRE(written.last_offset == header.last_offset);
      REQUIRE(written.producer_id == header.producer_id);
      REQUIRE(written.producer_epoch == header.producer_epoch);
      REQUIRE(written.base_sequence == header.base_sequence);
      REQUIRE(written.leader_epoch == header.leader_epoch);
      REQUIRE(written.max_timestamp == left->header.max_timestamp);
      REQUIRE(written.record_count == left->header.record_count);
      REQUIRE(written.size_bytes == left->header.size_bytes);
    }
    return bytes;
  }

  HashSeed seed{1, 2};
  OffsetMap map{100'000, seed};
  TransactionTracker transactions;
  ProducersLast producers;
  FakeCodecs codecs;
  const BatchFilter::Rules rules;
  BatchFilter filter;
  std::vector<AbortedTransaction> named;
};

BatchHeader HeaderOf(const Bytes& batch) {
  BatchHeader header;
  REQUIRE(ParseBatchHeader(batch, &header).ok());
  return header;
}

Bytes Marker(Offset offset, int64_t producer_id, int16_t type) {
  BatchBuilder builder;
  builder.base_offset = offset;
  builder.producer_id = producer_id;
  builder.producer_epoch = 1;
  builder.attributes = kBatchTransactional | kBatchControl;
  builder.Add({std::string{'\0', '\0', '\0', static_cast<char>(type)}, std::string(6, '\0')});
  return builder.Build();
}

BatchBuilder Data(Offset offset, int64_t producer_id = -1, bool transactional = false) {
  BatchBuilder builder;
  builder.base_offset = offset;
  builder.leader_epoch = 3;
  builder.producer_id = producer_id;
  if (producer_id >= 0) builder.producer_epoch = 1, builder.base_sequence = 40;
  if (transactional) builder.attributes = kBatchTransactional;
  return builder;
}

}  // namespace

TEST_CASE("cleaning a batch leaves it as it is when all of it stays") {
  Subject subject;
  subject.Know("a", 10);
  const Bytes batch = Data(10).Add({"a", "1"}).Add({"b", "2", 5}).Build();
  CHECK(subject.Run(batch) == batch);
  CHECK(subject.filter.counts().records_kept == 2);
}

TEST_CASE("cleaning a batch drops superseded records and those without a key, and keeps offsets") {
  Subject subject;
  subject.Know("a", 11);
  const Bytes batch = Data(10)
                          .Add({"a", "1", 90})
                          .Add({"a", "2", 20})
                          .Add({std::nullopt, "3", 80})
                          .Add({"b", "4", 30})
                          .Build();
  const Bytes left = subject.Run(batch);
  const std::vector<KeyedRecord> records = RecordsOf(left);
  REQUIRE(records.size() == 2);
  CHECK(records[0] == KeyedRecord{11, "a", "2", 1'000'020});
  CHECK(records[1] == KeyedRecord{13, "b", "4", 1'000'030});
  CHECK(HeaderOf(left).max_timestamp == 1'000'030);
  CHECK(HeaderOf(left).record_count == 2);
  CHECK(subject.filter.counts().records_without_key == 1);
  CHECK(subject.Run(left) == left);

  subject.Know("b", 900);
  subject.Know("a", 900);
  CHECK(subject.Run(left).empty());
}

TEST_CASE("cleaning a batch touches nothing at or above the end") {
  Subject subject;
  subject.Know("a", 2000);
  const Bytes batch = Data(999).Add({"a", "1"}).Add({std::nullopt, "2"}).Build();
  CHECK(subject.Run(batch) == batch);
}

TEST_CASE("row 27: cleaning sets the horizon of tombstones once, and drops them behind it") {
  Subject subject;
  const Bytes batch = Data(10)
                          .Add({"a", "1", -7})
                          .Add({"b", std::nullopt, 300'000})
                          .Add({"c", std::nullopt, 5})
                          .Build();
  subject.Know("c", 500);
  const Bytes first = subject.Run(batch);
  const BatchHeader header = HeaderOf(first);
  CHECK((header.attributes & kBatchDeleteHorizon) != 0);
  CHECK(header.base_timestamp == kNow + kRetention);
  CHECK(header.max_timestamp == 1'300'000);
  const std::vector<KeyedRecord> expected = {{10, "a", "1", 999'993},
                                             {11, "b", std::nullopt, 1'300'000}};
  CHECK(RecordsOf(first) == expected);

  Subject sooner(kNow + kRetention - 1);
  CHECK(sooner.Run(first) == first);
  Subject later(kNow + kRetention);
  const Bytes second = later.Run(first);
  CHECK(RecordsOf(second) == std::vector<KeyedRecord>{expected[0]});
  CHECK(HeaderOf(second).base_timestamp == kNow + kRetention);
  CHECK(HeaderOf(second).max_timestamp == 999'993);
}

TEST_CASE("cleaning a batch of append time keeps its time") {
  Subject subject;
  BatchBuilder builder = Data(10);
  builder.attributes = kBatchAppendTime;
  builder.max_timestamp = 7777;
  const Bytes batch = builder.Add({"a", "1"}).Add({"b", std::nullopt}).Build();
  subject.Know("a", 20);
  const Bytes left = subject.Run(batch);
  CHECK(HeaderOf(left).max_timestamp == 7777);
  CHECK(RecordsOf(left) == std::vector<KeyedRecord>{{11, "b", std::nullopt, 7777}});
}

TEST_CASE("cleaning a compressed batch keeps its codec") {
  Subject subject;
  subject.Know("a", 20);
  const Bytes batch = FoldBatch(Data(10).Add({"a", "1"}).Add({"b", "2"}).Build(), 3);
  const Bytes left = subject.Run(batch);
  CHECK((HeaderOf(left).attributes & kBatchCodecMask) == 3);
  CHECK(RecordsOf(left) == std::vector<KeyedRecord>{{11, "b", "2", 1'000'000}});
  CHECK(subject.codecs.folded == 1);
  CHECK(subject.Run(left) == left);
  CHECK(subject.codecs.folded == 1);  // nothing was dropped, nothing folded
}

TEST_CASE("cleaning keeps the last batch of a producer without records") {
  Subject subject(kNow, {}, {{7, {1, 12}}, {8, {1, -1}}});
  for (const char* key : {"a", "b", "c"}) subject.Know(key, 900);
  const Bytes batch = Data(10, 7).Add({"a", "1", 44}).Add({"b", "2"}).Add({"c", "3"}).Build();
  const Bytes left = subject.Run(batch);
  const BatchHeader header = HeaderOf(left);
  CHECK(header.record_count == 0);
  CHECK(left.size() == kBatchHeaderBytes);
  CHECK(header.base_sequence + (header.last_offset - header.base_offset) == 42);
  CHECK(header.max_timestamp == 1'000'044);
  CHECK(subject.Run(left) == left);
  CHECK(subject.Run(Data(5, 7).Add({"a", "0"}).Build()).empty());
  // Without data left, the marker with its epoch stays.
  CHECK(!subject.Run(Marker(20, 8, TransactionTracker::kCommit)).empty());
}

TEST_CASE("cleaning drops aborted data, keeps its marker as long as there was data, then a while") {
  const AbortedTransaction aborted{7, 10, 20, 10};
  Subject first(kNow, {aborted});
  first.Know("x", 15);
  CHECK(first.Run(Data(10, 7, true).Add({"x", "aborted"}).Build()).empty());
  const Bytes other = Data(15, 9, true).Add({"x", "committed"}).Build();
  CHECK(first.Run(other) == other);
  const Bytes marker = Marker(20, 7, TransactionTracker::kAbort);
  CHECK(first.Run(marker) == marker);
  REQUIRE(first.named.size() == 1);
  CHECK(first.named[0].first_offset == 10);
  const Bytes commit = Marker(21, 9, TransactionTracker::kCommit);
  CHECK(first.Run(commit) == commit);

  // The next pass meets no data of the aborted transaction.
  Subject second(kNow, {aborted});
  CHECK(second.Run(other) == other);
  const Bytes waiting = second.Run(marker);
  CHECK((HeaderOf(waiting).attributes & kBatchDeleteHorizon) != 0);
  CHECK(HeaderOf(waiting).base_timestamp == kNow + kRetention);
  CHECK(HeaderOf(waiting).record_count == 1);
  CHECK(second.named.empty());
  CHECK(second.Run(commit) == commit);

  Subject third(kNow + kRetention - 1);
  CHECK(third.Run(waiting) == waiting);
  Subject fourth(kNow + kRetention);
  CHECK(fourth.Run(waiting).empty());
}

TEST_CASE("cleaning refuses records that are none") {
  Subject subject;
  Bytes batch = Data(10).Add({"a", "1"}).AddRaw(Bytes(4, std::byte{0x7f})).Build();
  BatchHeader header = HeaderOf(batch);
  CHECK(subject.filter.Filter(batch, header, false, nullptr).status().code() == Code::kCorrupt);
}

}  // namespace millrace::test
