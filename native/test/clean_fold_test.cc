// Passes that compress: alone, where every record stays, and while they compact.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "test/support/keyed_log.h"

namespace millrace::test {
namespace {

constexpr int16_t kCodec = 3;

CleanOptions Folding() {
  CleanOptions options;
  options.compacts = false;
  options.codec = kCodec;
  return options;
}

std::vector<BatchHeader> SealedHeaders(KeyedLog& log) {
  return HeadersIn(ReadAll(*log, log->log_start_offset(), log->active_base_offset()));
}

bool AllFolded(const std::vector<BatchHeader>& headers) {
  return std::all_of(headers.begin(), headers.end(), [](const BatchHeader& header) {
    return header.record_count == 0 || (header.attributes & kBatchCodecMask) == kCodec;
  });
}

// Every offset leads to the batch that has it, or follows the hole that it lies in.
void CheckEveryOffset(KeyedLog& log) {
  const std::vector<KeyedRecord> records = log.Records();
  for (Offset offset = log->log_start_offset(); offset < log.end(); ++offset) {
    CAPTURE(offset);
    std::vector<KeyedRecord> from = RecordsOf(ReadAll(*log, offset, log.end()));
    std::erase_if(from, [&](const KeyedRecord& record) { return record.offset < offset; });
    const auto first = std::find_if(records.begin(), records.end(),
                                    [&](const KeyedRecord& each) { return each.offset >= offset; });
    REQUIRE(from == std::vector<KeyedRecord>(first, records.end()));
  }
}

}  // namespace

TEST_CASE("folding joins small batches, and keeps every record, offset and time") {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    auto disk = NewCleanedDisk(seed);
    KeyedLog log(*disk);
    // Some are folded by another codec before.
    log.Fill(random, 60, 20, seed % 2 == 0);
    log.Seal();
    const size_t batches = SealedHeaders(log).size();
    const CleanResult result = log.CleanAll(Folding());
    REQUIRE(result.status.ok());
    CHECK(result.clean_end == log->active_base_offset());
    REQUIRE(log.Records() == log.appended());
    const std::vector<BatchHeader> headers = SealedHeaders(log);
    CHECK(headers.size() < batches / 2);
    CHECK(AllFolded(headers));
    for (size_t i = 1; i < headers.size(); ++i)
      CHECK(headers[i].base_offset == headers[i - 1].last_offset + 1);
    CheckEveryOffset(log);

    // Nothing is left to do, until there is more.
    CHECK(log.CleanAll(Folding()).groups.empty());
    log.Fill(random, 20, 20, false);
    log.Seal();
    REQUIRE(log.CleanAll(Folding()).status.ok());
    CHECK(AllFolded(SealedHeaders(log)));

    const Offset end = log.end();
    REQUIRE(log->Close(true).ok());
    log.Open(OpenTrust::kClean, end);
    REQUIRE(log.Records() == log.appended());
    for (const Offset recovery_point : {end, Offset{0}}) {
      log.Open(OpenTrust::kReboot, recovery_point);
      REQUIRE(log.report.cut_bytes == 0);
      REQUIRE(log.Records() == log.appended());
    }
  }
}

TEST_CASE("a pass that compacts and folds leaves what compaction leaves") {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    auto disk = NewCleanedDisk(seed);
    KeyedLog log(*disk);
    log.Fill(random, 100, 30, seed % 2 == 0);
    log.Seal();
    CleanOptions options;
    options.codec = kCodec;
    REQUIRE(log.CleanAll(options).status.ok());
    const auto kept = ExpectKept(log.appended(), log->active_base_offset(), true);
    REQUIRE(log.Records() == kept);
    CHECK(AllFolded(SealedHeaders(log)));
    CheckEveryOffset(log);
    // What it has folded it goes on with.
    log.Fill(random, 40, 30, false);
    log.Seal();
    REQUIRE(log.CleanAll(options).status.ok());
    REQUIRE(log.Records() == ExpectKept(log.appended(), log->active_base_offset(), true));
    CheckEveryOffset(log);
  }
}

TEST_CASE("folding keeps apart what its header says something of") {
  auto disk = NewCleanedDisk();
  KeyedLog log(*disk);
  const auto put = [&](int64_t producer_id, int16_t attributes, int64_t time) {
    BatchBuilder builder;
    builder.producer_id = producer_id;
    if (producer_id >= 0) builder.producer_epoch = 0;
    if (producer_id >= 0) builder.base_sequence = 0;
    builder.attributes = attributes;
    builder.base_timestamp = time;
    builder.Add({"key", std::string(20, 'x')});
    log.Append(builder);
  };
  put(-1, 0, 1000);
  put(-1, 0, 500);  // times may go back
  put(7, 0, 1000);
  put(8, 0, 1000);
  put(-1, kBatchAppendTime, 1000);
  put(-1, kBatchAppendTime, 2000);
  put(-1, 0, 3000);
  log.Seal();
  REQUIRE(log.CleanAll(Folding()).status.ok());
  const std::vector<BatchHeader> headers = SealedHeaders(log);
  REQUIRE(headers.size() == 6);
  CHECK(headers[0].last_offset == 1);
  CHECK(headers[0].max_timestamp == 1000);
  CHECK(headers[1].producer_id == 7);
  CHECK(headers[2].producer_id == 8);
  CHECK(headers[3].max_timestamp == 1000);
  CHECK(headers[4].max_timestamp == 2000);
  CHECK(headers[5].producer_id == -1);
  REQUIRE(log.Records() == log.appended());
}

TEST_CASE("folding makes batches no larger than its measure, but of a batch that is") {
  auto disk = NewCleanedDisk();
  LogConfig config = CleanedSegments();
  config.segment_bytes = 4 << 20;
  KeyedLog log(*disk, "/data/t-0", config);
  for (int i = 0; i < 100; ++i) log.Put("key", std::string(4000, 'a'));
  log.Put("key", std::string(200'000, 'b'));
  log.Put("key", "c");
  log.Seal();
  REQUIRE(log.CleanAll(Folding()).status.ok());
  const std::vector<BatchHeader> headers = SealedHeaders(log);
  CHECK(headers.size() ==
        9);  // 16 records of some 4 KB in each of the first, then 200 KB, then one
  for (const BatchHeader& header : headers)
    CHECK((header.size_bytes <= 66'000 || header.record_count == 1));
  REQUIRE(log.Records() == log.appended());
}

}  // namespace millrace::test
