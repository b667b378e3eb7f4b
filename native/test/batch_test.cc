#include "core/log/batch.h"

#include <doctest/doctest.h>

#include <functional>
#include <vector>

#include "core/base/bytes.h"
#include "test/support/batch_builder.h"

namespace millrace {
namespace {

using test::BatchBuilder;
using test::Bytes;
using test::FixChecksum;
using test::PutBigEndianAt;
using test::RecordSpec;

struct Outcome {
  Code code;
  BatchHeader header{};
  Appended verdict{};
};

Outcome Check(const Bytes& batch, const AppendOptions& options = {}) {
  Outcome outcome;
  outcome.code = CheckBatch(batch, options, &outcome.header, &outcome.verdict).code();
  return outcome;
}

BatchBuilder ThreeRecords() {
  BatchBuilder builder;
  builder.AddMany(3, 10);
  return builder;
}

TEST_CASE("a sound batch passes and its header is read") {
  BatchBuilder builder = ThreeRecords();
  builder.producer_id = 4711;
  builder.producer_epoch = 3;
  builder.base_sequence = 99;
  builder.attributes = kBatchTransactional;
  builder.leader_epoch = 5;
  Bytes batch = builder.Build();
  Outcome outcome = Check(batch);
  REQUIRE(outcome.code == Code::kOk);
  CHECK(outcome.header.base_offset == 0);
  CHECK(outcome.header.last_offset == 2);
  CHECK(outcome.header.base_timestamp == 1'000'000);
  CHECK(outcome.header.max_timestamp == 1'000'002);
  CHECK(outcome.header.producer_id == 4711);
  CHECK(outcome.header.producer_epoch == 3);
  CHECK(outcome.header.base_sequence == 99);
  CHECK(outcome.header.leader_epoch == 5);
  CHECK(outcome.header.record_count == 3);
  CHECK(outcome.header.size_bytes == static_cast<int32_t>(batch.size()));
  CHECK(outcome.header.attributes == kBatchTransactional);
  CHECK(outcome.verdict.first_bad_record == -1);
  CHECK(outcome.verdict.max_timestamp == 1'000'002);
}

TEST_CASE("keys, values and header values may be null or empty, and headers may repeat") {
  BatchBuilder builder;
  builder.Add({});
  builder.Add({.key = "", .value = "", .headers = {{"", std::nullopt}, {"h", ""}, {"h", "v"}}});
  builder.Add({.key = std::string(300, 'k'), .value = std::nullopt, .headers = {}});
  CHECK(Check(builder.Build()).code == Code::kOk);
}

TEST_CASE("what is not exactly one whole batch is invalid") {
  Bytes batch = ThreeRecords().Build();
  for (size_t length = 0; length < batch.size(); ++length) {
    Bytes prefix(batch.begin(), batch.begin() + static_cast<ptrdiff_t>(length));
    prefix.shrink_to_fit();
    REQUIRE(Check(prefix).code == Code::kBatchInvalid);
  }
  Bytes two = batch;
  two.insert(two.end(), batch.begin(), batch.end());
  CHECK(Check(two).code == Code::kBatchInvalid);
  Bytes trailing = batch;
  trailing.push_back(std::byte{0});
  CHECK(Check(trailing).code == Code::kBatchInvalid);
}

TEST_CASE("any changed byte under the checksum is corruption, and so is a changed checksum") {
  const Bytes batch = ThreeRecords().Build();
  for (size_t at = 17; at < batch.size(); ++at) {
    Bytes changed = batch;
    changed[at] ^= std::byte{0x10};
    REQUIRE(Check(changed).code == Code::kBatchCorrupt);
  }
  CHECK(BatchChecksumHolds(batch));
}

TEST_CASE("a length that lies is corruption, or says that the batch is not whole") {
  const Bytes batch = ThreeRecords().Build();
  auto with_length = [&](int32_t length) {
    Bytes changed = batch;
    PutBigEndianAt<int32_t>(&changed, 8, length);
    return Check(changed).code;
  };
  const int32_t length = static_cast<int32_t>(batch.size()) - 12;
  REQUIRE(with_length(length) == Code::kOk);
  for (int32_t lie : {-1, INT32_MIN, 0, 48, 49, length - 1, INT32_MAX, INT32_MAX - 11}) {
    CAPTURE(lie);
    CHECK(with_length(lie) == Code::kBatchCorrupt);
  }
  CHECK(with_length(length + 1) == Code::kBatchInvalid);
  CHECK(with_length(INT32_MAX - 12) == Code::kBatchInvalid);
}

TEST_CASE("magic 0 and 1 are named whatever else is wrong, others are corruption") {
  for (int8_t magic : {0, 1, 3, 127, -1}) {
    CAPTURE(magic);
    const Code expected = magic == 0 || magic == 1 ? Code::kBatchMagic : Code::kBatchCorrupt;
    BatchBuilder builder = ThreeRecords();
    builder.magic = magic;
    Bytes batch = builder.Build();
    batch[17] ^= std::byte{1};
    CHECK(Check(batch).code == expected);
    batch.resize(26);  // the smallest message of magic 0
    CHECK(Check(batch).code == expected);
  }
}

TEST_CASE("a batch above max.message.bytes is too large, one of just that size is not") {
  Bytes batch = ThreeRecords().Build();
  AppendOptions options;
  options.max_batch_bytes = static_cast<uint32_t>(batch.size());
  CHECK(Check(batch, options).code == Code::kOk);
  --options.max_batch_bytes;
  CHECK(Check(batch, options).code == Code::kBatchTooLarge);
}

TEST_CASE("counts that disagree are invalid") {
  auto code = [](std::function<void(BatchBuilder&)> change) {
    BatchBuilder builder = ThreeRecords();
    change(builder);
    return Check(builder.Build()).code;
  };
  CHECK(code([](BatchBuilder& b) { b.record_count = 2; }) == Code::kBatchInvalid);
  CHECK(code([](BatchBuilder& b) { b.record_count = 4; }) == Code::kBatchInvalid);
  CHECK(code([](BatchBuilder& b) { b.last_offset_delta = 3; }) == Code::kBatchInvalid);
  CHECK(code([](BatchBuilder& b) { b.record_count = 0, b.last_offset_delta = -1; }) ==
        Code::kBatchInvalid);
  CHECK(code([](BatchBuilder& b) { b.record_count = -1; }) == Code::kBatchInvalid);
  CHECK(code([](BatchBuilder& b) {
          b.record_count = INT32_MIN, b.last_offset_delta = INT32_MAX;
        }) == Code::kBatchInvalid);
  // The counts agree with each other but not with what is there.
  CHECK(code([](BatchBuilder& b) { b.record_count = 2, b.last_offset_delta = 1; }) ==
        Code::kBatchInvalid);
  CHECK(code([](BatchBuilder& b) { b.record_count = 4, b.last_offset_delta = 3; }) ==
        Code::kBatchInvalid);
  CHECK(code([](BatchBuilder& b) {
          b.record_count = INT32_MAX, b.last_offset_delta = INT32_MAX - 1;
        }) == Code::kBatchInvalid);
  CHECK(code([](BatchBuilder& b) { b.first_offset_delta = 1; }) == Code::kBatchInvalid);
  CHECK(Check(BatchBuilder().Build()).code == Code::kBatchInvalid);  // no records at all
}

TEST_CASE("what only brokers may write is refused from clients and taken from the broker itself") {
  AppendOptions internal;
  internal.flags = kAppendInternal;
  struct {
    const char* what;
    std::function<void(BatchBuilder&)> change;
    Code from_client;
  } cases[] = {
      {"control batch", [](BatchBuilder& b) { b.attributes = kBatchControl; }, Code::kBatchInvalid},
      {"delete horizon", [](BatchBuilder& b) { b.attributes = kBatchDeleteHorizon; },
       Code::kBatchInvalid},
      {"append time", [](BatchBuilder& b) { b.attributes = kBatchAppendTime; },
       Code::kBatchTimestamp},
      {"base offset", [](BatchBuilder& b) { b.base_offset = 7; }, Code::kBatchInvalid},
      {"producer without sequence",
       [](BatchBuilder& b) { b.producer_id = 1, b.producer_epoch = 0; }, Code::kBatchInvalid},
  };
  for (const auto& [what, change, from_client] : cases) {
    CAPTURE(what);
    BatchBuilder builder = ThreeRecords();
    change(builder);
    CHECK(Check(builder.Build()).code == from_client);
    CHECK(Check(builder.Build(), internal).code == Code::kOk);
  }
}

TEST_CASE("producer fields must make sense together, for everybody") {
  AppendOptions internal;
  internal.flags = kAppendInternal;
  BatchBuilder epoch = ThreeRecords();
  epoch.producer_id = 1;
  epoch.base_sequence = 0;
  CHECK(Check(epoch.Build()).code == Code::kBatchInvalid);
  CHECK(Check(epoch.Build(), internal).code == Code::kBatchInvalid);
  BatchBuilder transaction = ThreeRecords();
  transaction.attributes = kBatchTransactional;
  CHECK(Check(transaction.Build()).code == Code::kBatchInvalid);
  CHECK(Check(transaction.Build(), internal).code == Code::kBatchInvalid);
}

TEST_CASE("codecs 1 to 4 are taken without looking at the records, others are unknown") {
  for (int16_t codec = 1; codec <= 7; ++codec) {
    BatchBuilder builder;
    builder.AddRaw({std::byte{0xff}, std::byte{0xff}}, false);
    builder.attributes = codec;
    builder.record_count = 10;
    builder.last_offset_delta = 9;
    Outcome outcome = Check(builder.Build());
    CHECK(outcome.code == (codec <= 4 ? Code::kOk : Code::kBatchCompression));
    if (codec <= 4) CHECK(outcome.header.last_offset == 9);
  }
}

Bytes BodyOf(std::initializer_list<int> bytes) {
  Bytes body;
  for (int byte : bytes) body.push_back(static_cast<std::byte>(byte));
  return body;
}

TEST_CASE("records whose structure does not hold are invalid, and the first is named") {
  // attributes, timestamp delta, offset delta (1, zigzag 2), key length, value length, headers
  const Bytes sound = BodyOf({0, 0, 2, 1, 1, 0});
  struct {
    const char* what;
    Bytes body;
  } cases[] = {
      {"empty", BodyOf({})},
      {"ends behind the attributes", BodyOf({0})},
      {"ends behind the value", BodyOf({0, 0, 2, 1, 1})},
      {"one byte too many", BodyOf({0, 0, 2, 1, 1, 0, 0})},
      {"offset delta 0 instead of 1", BodyOf({0, 0, 0, 1, 1, 0})},
      {"offset delta 2 instead of 1", BodyOf({0, 0, 4, 1, 1, 0})},
      {"key length -2", BodyOf({0, 0, 2, 3, 1, 0})},
      {"key longer than the record", BodyOf({0, 0, 2, 8, 1, 0})},
      {"value length -2", BodyOf({0, 0, 2, 1, 3, 0})},
      {"value longer than the record", BodyOf({0, 0, 2, 1, 200, 1, 0})},
      {"key length of six bytes", BodyOf({0, 0, 2, 0x81, 0x80, 0x80, 0x80, 0x80, 0x00, 1, 0})},
      {"key length beyond 32 bits", BodyOf({0, 0, 2, 0x81, 0x80, 0x80, 0x80, 0x20, 1, 0})},
      {"timestamp delta of eleven bytes",
       BodyOf({0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 2, 1, 1, 0})},
      {"timestamp delta beyond 64 bits",
       BodyOf({0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02, 2, 1, 1, 0})},
      {"header count -1", BodyOf({0, 0, 2, 1, 1, 1})},
      {"more headers than bytes", BodyOf({0, 0, 2, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f})},
      {"header without value", BodyOf({0, 0, 2, 1, 1, 2, 0})},
      {"header with null key", BodyOf({0, 0, 2, 1, 1, 2, 1, 1})},
      {"header value longer than the record", BodyOf({0, 0, 2, 1, 1, 2, 0, 10})},
  };
  auto with_second = [](const Bytes& body) {
    BatchBuilder builder;
    builder.Add({}).AddRaw(body);
    return builder.Build();
  };
  REQUIRE(Check(with_second(sound)).code == Code::kOk);
  for (const auto& [what, body] : cases) {
    CAPTURE(what);
    Outcome outcome = Check(with_second(body));
    CHECK(outcome.code == Code::kBatchInvalid);
    CHECK(outcome.verdict.first_bad_record == 1);
    auto visit = [](void*, int32_t, int64_t, int32_t) { return true; };
    // Stored batches may have gaps in their offsets; everything else is wrong there too.
    bool gap = std::string(what).starts_with("offset delta");
    CHECK(VisitRecords(with_second(body), visit, nullptr).code() ==
          (gap ? Code::kOk : Code::kBatchInvalid));
  }
}

TEST_CASE("record lengths that lie are invalid") {
  for (int64_t length : {-1, -7, 5, 7, 1000, 0x7fffffff}) {
    CAPTURE(length);
    Bytes record;
    BatchBuilder::PutVarint(&record, length);
    for (int byte : {0, 0, 2, 1, 1, 0}) record.push_back(static_cast<std::byte>(byte));
    BatchBuilder builder;
    builder.Add({}).AddRaw(record, false);
    CHECK(Check(builder.Build()).code == Code::kBatchInvalid);
  }
}

TEST_CASE(
    "a compacted topic wants a key in every record, null or absent is the same, empty is a key") {
  AppendOptions options;
  options.flags = kAppendRequireKeys;
  BatchBuilder builder;
  builder.Add({.key = "a"}).Add({.key = ""});
  CHECK(Check(builder.Build(), options).code == Code::kOk);
  builder.Add({.value = "v"}).Add({});
  Outcome outcome = Check(builder.Build(), options);
  CHECK(outcome.code == Code::kBatchInvalid);
  CHECK(outcome.verdict.first_bad_record == 2);
}

TEST_CASE("timestamps outside the topic's bounds name the record, -1 is outside of none") {
  AppendOptions options;
  options.now_ms = 2'000'000;
  options.timestamp_before_max_ms = 1000;
  options.timestamp_after_max_ms = 500;
  auto check = [&](std::vector<int64_t> timestamps) {
    BatchBuilder builder;
    for (int64_t timestamp : timestamps) {
      builder.Add({.key = "k", .timestamp_delta = timestamp - builder.base_timestamp});
    }
    return Check(builder.Build(), options);
  };
  CHECK(check({1'999'000, 2'000'500, -1}).code == Code::kOk);
  for (int64_t bad : {int64_t{1'998'999}, int64_t{2'000'501}, int64_t{-2}, int64_t{0}, INT64_MAX}) {
    CAPTURE(bad);
    Outcome outcome = check({2'000'000, bad, 0});
    CHECK(outcome.code == Code::kBatchTimestamp);
    CHECK(outcome.verdict.first_bad_record == 1);
  }
  // Broker time does not care what the client wrote.
  options.flags = kAppendLogAppendTime;
  CHECK(check({0, 5}).code == Code::kOk);
}

TEST_CASE("bounds as wide as Kafka's default admit every timestamp") {
  AppendOptions options;
  options.now_ms = 1'700'000'000'000;
  for (int64_t timestamp : {INT64_MIN, int64_t{-2}, int64_t{0}, INT64_MAX}) {
    BatchBuilder builder;
    builder.base_timestamp = timestamp;
    builder.Add({});
    Outcome outcome = Check(builder.Build(), options);
    CHECK(outcome.code == Code::kOk);
    CHECK(outcome.header.max_timestamp == std::max<int64_t>(timestamp, -1));
  }
  options.timestamp_before_max_ms = INT64_MAX - 1;
  options.timestamp_after_max_ms = INT64_MAX - 1;
  BatchBuilder builder;
  builder.base_timestamp = INT64_MAX;
  builder.Add({});
  CHECK(Check(builder.Build(), options).code == Code::kOk);
}

TEST_CASE(
    "one bad timestamp outweighs missing keys, as in Kafka, but broken structure outweighs both") {
  AppendOptions options;
  options.flags = kAppendRequireKeys;
  options.now_ms = 1'000'000;
  options.timestamp_after_max_ms = 10;
  BatchBuilder builder;
  builder.Add({}).Add({.key = "k", .timestamp_delta = 11});
  Outcome outcome = Check(builder.Build(), options);
  CHECK(outcome.code == Code::kBatchTimestamp);
  CHECK(outcome.verdict.first_bad_record == 0);
  builder.AddRaw(BodyOf({0}));
  outcome = Check(builder.Build(), options);
  CHECK(outcome.code == Code::kBatchInvalid);
  CHECK(outcome.verdict.first_bad_record == 2);
}

TEST_CASE("of a compressed batch the header's timestamps are held to the bounds") {
  AppendOptions options;
  options.now_ms = 1'000'000;
  options.timestamp_before_max_ms = 100;
  options.timestamp_after_max_ms = 100;
  BatchBuilder builder = ThreeRecords();
  builder.attributes = 1;
  CHECK(Check(builder.Build(), options).code == Code::kOk);
  builder.max_timestamp = 1'000'101;
  CHECK(Check(builder.Build(), options).code == Code::kBatchTimestamp);
  builder.max_timestamp = 1'000'000;
  builder.base_timestamp = 999'899;
  CHECK(Check(builder.Build(), options).code == Code::kBatchTimestamp);
}

TEST_CASE("the true max timestamp replaces a wrong one when the batch is stamped") {
  BatchBuilder builder;
  builder.Add({.timestamp_delta = 5}).Add({.timestamp_delta = 90}).Add({.timestamp_delta = -3});
  builder.max_timestamp = 7;
  Bytes batch = builder.Build();
  Outcome outcome = Check(batch);
  REQUIRE(outcome.code == Code::kOk);
  CHECK(outcome.header.max_timestamp == 1'000'090);
  AppendOptions options;
  options.leader_epoch = 12;
  StampBatch(batch, 5000, options, &outcome.header);
  CHECK(BatchChecksumHolds(batch));
  BatchHeader stored;
  REQUIRE(ParseBatchHeader(batch, &stored).ok());
  CHECK(stored.base_offset == 5000);
  CHECK(stored.last_offset == 5002);
  CHECK(stored.leader_epoch == 12);
  CHECK(stored.max_timestamp == 1'000'090);
  CHECK(outcome.header.base_offset == 5000);
  CHECK(outcome.header.last_offset == 5002);
  CHECK(outcome.header.leader_epoch == 12);
}

TEST_CASE("stamping offsets alone leaves everything under the checksum untouched") {
  Bytes batch = ThreeRecords().Build();
  Bytes before = batch;
  Outcome outcome = Check(batch);
  StampBatch(batch, INT64_MAX - 10, {}, &outcome.header);
  CHECK(std::equal(before.begin() + 16, before.end(), batch.begin() + 16));
  CHECK(LoadBigEndian<int64_t>(batch.data()) == INT64_MAX - 10);
}

TEST_CASE(
    "append time is stamped into attributes and max timestamp, and read back for every record") {
  AppendOptions options;
  options.flags = kAppendLogAppendTime;
  options.now_ms = 123'456'789;
  for (int16_t codec : {0, 2}) {
    BatchBuilder builder = ThreeRecords();
    builder.attributes = codec;
    Bytes batch = builder.Build();
    Outcome outcome = Check(batch, options);
    REQUIRE(outcome.code == Code::kOk);
    StampBatch(batch, 10, options, &outcome.header);
    CHECK(BatchChecksumHolds(batch));
    BatchHeader stored;
    REQUIRE(ParseBatchHeader(batch, &stored).ok());
    CHECK(stored.attributes == (codec | kBatchAppendTime));
    CHECK(stored.max_timestamp == 123'456'789);
    CHECK(outcome.header.max_timestamp == 123'456'789);
    if (codec != 0) continue;
    std::vector<int64_t> timestamps;
    auto visit = [](void* context, int32_t, int64_t timestamp, int32_t) {
      static_cast<std::vector<int64_t>*>(context)->push_back(timestamp);
      return true;
    };
    REQUIRE(VisitRecords(batch, visit, &timestamps).ok());
    CHECK(timestamps == std::vector<int64_t>(3, 123'456'789));
  }
}

TEST_CASE("records are visited in order until the visitor has enough") {
  BatchBuilder builder;
  builder.Add({.timestamp_delta = 3}).Add({.timestamp_delta = -2}).Add({.timestamp_delta = 1});
  builder.first_offset_delta = 4;  // as after compaction
  builder.last_offset_delta = 9;
  struct Seen {
    std::vector<int64_t> numbers;
    size_t enough;
  } seen{{}, 2};
  auto visit = [](void* context, int32_t index, int64_t timestamp, int32_t offset_delta) {
    auto* into = static_cast<Seen*>(context);
    into->numbers.insert(into->numbers.end(), {index, timestamp, offset_delta});
    return into->numbers.size() / 3 < into->enough;
  };
  REQUIRE(VisitRecords(builder.Build(), visit, &seen).ok());
  CHECK(seen.numbers == std::vector<int64_t>{0, 1'000'003, 4, 1, 999'998, 5});
  builder.attributes = 1;
  CHECK(VisitRecords(builder.Build(), visit, &seen).code() == Code::kInvalidArgument);
}

TEST_CASE("a stored header is read without its records, when whole and plausible") {
  BatchBuilder builder = ThreeRecords();
  builder.base_offset = 100;
  const Bytes batch = builder.Build();
  std::span<const std::byte> bytes(batch);
  BatchHeader header;
  CHECK(ParseBatchHeader(bytes, &header).ok());
  CHECK(ParseBatchHeader(bytes.first(batch.size() - 1), &header).code() == Code::kBatchCorrupt);
  CHECK(PeekBatchHeader(bytes.first(61), &header).ok());
  CHECK(header.size_bytes == static_cast<int32_t>(batch.size()));
  CHECK(header.last_offset == 102);
  CHECK(PeekBatchHeader(bytes.first(60), &header).code() == Code::kBatchCorrupt);
  CHECK(PeekBatchHeader(Bytes(4096), &header).code() == Code::kBatchMagic);  // preallocated space
  auto code = [&](std::function<void(BatchBuilder&)> change) {
    BatchBuilder changed = ThreeRecords();
    change(changed);
    return ParseBatchHeader(changed.Build(), &header).code();
  };
  CHECK(code([](BatchBuilder& b) { b.base_offset = -1; }) == Code::kBatchCorrupt);
  CHECK(code([](BatchBuilder& b) { b.last_offset_delta = -1; }) == Code::kBatchCorrupt);
  CHECK(code([](BatchBuilder& b) { b.base_offset = INT64_MAX; }) == Code::kBatchCorrupt);
  CHECK(code([](BatchBuilder& b) { b.record_count = -1; }) == Code::kBatchCorrupt);
  CHECK(code([](BatchBuilder& b) { b.record_count = 0; }) == Code::kOk);  // emptied by compaction
  Bytes short_length = batch;
  PutBigEndianAt<int32_t>(&short_length, 8, 48);
  CHECK(ParseBatchHeader(short_length, &header).code() == Code::kBatchCorrupt);
}

}  // namespace
}  // namespace millrace
