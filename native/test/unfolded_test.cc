// What a compressed batch unfolds to: held to the same as the records of an uncompressed one.
#include <doctest/doctest.h>

#include <vector>

#include "core/base/bytes.h"
#include "core/log/batch.h"
#include "test/support/batch_builder.h"

namespace millrace {
namespace {

using test::BatchBuilder;
using test::Bytes;
using test::FixChecksum;
using test::PutBigEndianAt;

constexpr size_t kMaxTimestampAt = 35;

// A batch that says it is compressed, with bytes that stand for the folded ones, and its records.
struct Folded {
  explicit Folded(BatchBuilder builder) {
    const Bytes whole = builder.Build();
    records.assign(whole.begin() + kBatchHeaderBytes, whole.end());
    batch.assign(whole.begin(), whole.begin() + kBatchHeaderBytes);
    batch.resize(kBatchHeaderBytes + 20, std::byte{0x5a});
    PutBigEndianAt<int32_t>(&batch, 8, static_cast<int32_t>(batch.size() - kBatchLengthEnd));
    PutBigEndianAt<int16_t>(&batch, 21, static_cast<int16_t>(builder.attributes | 4));
    FixChecksum(&batch);
  }

  Code Check(const AppendOptions& options = {}) {
    return CheckUnfolded(batch, records, options, &verdict).code();
  }

  Bytes batch;
  Bytes records;
  Appended verdict;
};

BatchBuilder ThreeRecords() {
  BatchBuilder builder;
  builder.AddMany(3, 10);
  return builder;
}

TEST_CASE("records that fit their batch's header pass, and leave a true header as it is") {
  Folded folded(ThreeRecords());
  const Bytes before = folded.batch;
  CHECK(folded.Check() == Code::kOk);
  CHECK(folded.batch == before);
  CHECK(folded.verdict.max_timestamp == 1'000'002);
  CHECK(folded.verdict.faults.empty());
}

TEST_CASE("records that do not fit their batch's header are invalid, and nothing has changed") {
  struct {
    const char* what;
    int32_t bad_record;
    void (*change)(Folded&);
  } cases[] = {
      {"nothing", 0, [](Folded& f) { f.records.clear(); }},
      {"cut short", 2, [](Folded& f) { f.records.pop_back(); }},
      {"bytes behind", -1, [](Folded& f) { f.records.push_back(std::byte{0}); }},
      {"twice", -1,
       [](Folded& f) {
         const Bytes once = f.records;
         f.records.insert(f.records.end(), once.begin(), once.end());
       }},
      {"offset delta", 0, [](Folded& f) { f.records[3] = std::byte{2}; }},
      {"negative length", 0, [](Folded& f) { f.records[0] = std::byte{1}; }},
  };
  for (const auto& [what, bad_record, change] : cases) {
    CAPTURE(what);
    BatchBuilder builder = ThreeRecords();
    builder.max_timestamp = 7;
    Folded folded(builder);
    change(folded);
    const Bytes before = folded.batch;
    CHECK(folded.Check() == Code::kBatchInvalid);
    CHECK(folded.verdict.first_bad_record == bad_record);
    CHECK(folded.verdict.faults.empty());
    CHECK(folded.batch == before);
  }
  for (const int32_t count : {2, 4}) {
    BatchBuilder builder = ThreeRecords();
    builder.record_count = count;
    builder.last_offset_delta = count - 1;
    CHECK(Folded(builder).Check() == Code::kBatchInvalid);
  }
}

TEST_CASE("the outside of the batch is checked too, and an uncompressed one is no argument") {
  Folded damaged(ThreeRecords());
  damaged.batch.back() ^= std::byte{1};
  CHECK(damaged.Check() == Code::kBatchCorrupt);
  Folded folded(ThreeRecords());
  AppendOptions small;
  small.max_batch_bytes = static_cast<uint32_t>(folded.batch.size()) - 1;
  CHECK(folded.Check(small) == Code::kBatchTooLarge);
  Bytes plain = ThreeRecords().Build();
  Appended verdict;
  CHECK(CheckUnfolded(plain, folded.records, {}, &verdict).code() == Code::kInvalidArgument);
}

TEST_CASE("the records' max timestamp replaces the header's, with a checksum that fits") {
  BatchBuilder builder = ThreeRecords();
  builder.max_timestamp = 7;
  Folded folded(builder);
  CHECK(folded.Check() == Code::kOk);
  CHECK(LoadBigEndian<int64_t>(folded.batch.data() + kMaxTimestampAt) == 1'000'002);
  CHECK(BatchChecksumHolds(folded.batch));
}

TEST_CASE("the records' timestamps are held to the bounds, the header's are not") {
  AppendOptions options;
  options.now_ms = 2'000'000;
  options.timestamp_before_max_ms = 10;
  options.timestamp_after_max_ms = 10;
  BatchBuilder inside;  // the base is no record's
  inside.Add({.timestamp_delta = 1'000'000}).Add({.timestamp_delta = 1'000'010});
  Folded folded(inside);
  CHECK(folded.Check(options) == Code::kOk);
  options.flags = kAppendCheckedInside;
  BatchHeader header;
  CHECK(CheckBatch(folded.batch, options, &header, &folded.verdict).ok());
  options.flags = 0;
  CHECK(CheckBatch(folded.batch, options, &header, &folded.verdict).code() ==
        Code::kBatchTimestamp);

  BatchBuilder outside = inside;
  outside.Add({.timestamp_delta = 5});
  outside.max_timestamp = 2'000'000;
  Folded stray(outside);
  CHECK(stray.Check(options) == Code::kBatchTimestamp);
  REQUIRE(stray.verdict.faults.size() == 1);
  CHECK(stray.verdict.faults[0].index == 2);
  CHECK(stray.verdict.faults[0].kind == RecordFault::Kind::kTimestampOutOfBounds);
  CHECK(stray.verdict.faults[0].timestamp == 1'000'005);
}

TEST_CASE("every record at fault is named, up to a bound, unless the structure breaks") {
  AppendOptions options;
  options.flags = kAppendRequireKeys;
  BatchBuilder builder;
  for (int i = 0; i < 700; ++i)
    builder.Add({.key = i % 7 == 0 ? std::optional("k") : std::nullopt});
  Folded folded(builder);
  CHECK(folded.Check(options) == Code::kBatchInvalid);
  REQUIRE(folded.verdict.faults.size() == kMaxRecordFaults);
  CHECK(folded.verdict.first_bad_record == 1);
  for (size_t i = 0; i < kMaxRecordFaults; ++i) {
    CHECK(folded.verdict.faults[i].index == static_cast<int32_t>(i / 6 * 7 + i % 6 + 1));
    CHECK(folded.verdict.faults[i].kind == RecordFault::Kind::kKeyMissing);
  }
  folded.records.pop_back();
  CHECK(folded.Check(options) == Code::kBatchInvalid);
  CHECK(folded.verdict.faults.empty());
  CHECK(folded.verdict.first_bad_record == 699);
}

}  // namespace
}  // namespace millrace
