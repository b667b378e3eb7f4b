// Any bytes handed to Append's checks: nothing outside them is read, and what is accepted still
// holds after stamping.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "core/log/batch.h"
#include "test/support/batch_builder.h"

namespace {

using namespace millrace;

void Require(bool holds) {
  if (!holds) std::abort();
}

struct Walk {
  int32_t records = 0;
  int64_t max_timestamp = -1;
  bool append_time = false;
};

void CheckStampAndWalk(std::vector<std::byte> batch, AppendOptions options) {
  BatchHeader header;
  Appended verdict;
  Status status = CheckBatch(batch, options, &header, &verdict);
  Require(verdict.first_bad_record >= -1);
  if (!status.ok()) return;
  Require(static_cast<size_t>(header.size_bytes) == batch.size());
  const BatchHeader checked = header;
  StampBatch(batch, 1'000'000, options, &header);
  Require(BatchChecksumHolds(batch));
  BatchHeader stored;
  Require(ParseBatchHeader(batch, &stored).ok());
  Require(stored.base_offset == 1'000'000 &&
          stored.last_offset == 1'000'000 + checked.record_count - 1);
  Require(stored.max_timestamp == header.max_timestamp && stored.attributes == header.attributes);

  // As the broker's own, which may have an offset and append time, it is still sound.
  options.flags |= kAppendInternal;
  BatchHeader again;
  Require(CheckBatch(batch, options, &again, &verdict).ok());
  Require(again.max_timestamp == stored.max_timestamp);

  if ((stored.attributes & kBatchCodecMask) != 0) return;
  Walk walk;
  auto visit = [](void* context, int32_t index, int64_t timestamp, int32_t offset_delta) {
    auto* into = static_cast<Walk*>(context);
    Require(index == into->records && offset_delta == index);
    ++into->records;
    if (timestamp > into->max_timestamp) into->max_timestamp = timestamp;
    return true;
  };
  Require(VisitRecords(batch, visit, &walk).ok());
  Require(walk.records == stored.record_count);
  if (stored.max_timestamp >= -1) Require(walk.max_timestamp == stored.max_timestamp);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  AppendOptions options;
  options.flags = data[0] & (kAppendLogAppendTime | kAppendRequireKeys | kAppendInternal);
  options.now_ms = 1'700'000'000'000;
  if ((data[0] & 0x10) != 0)
    options.timestamp_after_max_ms = options.timestamp_before_max_ms = 3'600'000;
  bool fix = (data[0] & 0x20) != 0;
  auto* bytes = reinterpret_cast<const std::byte*>(data + 1);
  std::vector<std::byte> batch(bytes, bytes + size - 1);
  batch.shrink_to_fit();

  auto visit = [](void*, int32_t, int64_t, int32_t) { return true; };
  (void)VisitRecords(batch, visit, nullptr);
  BatchHeader header;
  (void)PeekBatchHeader(batch, &header);
  CheckStampAndWalk(batch, options);
  if (fix && batch.size() > kBatchHeaderBytes) {
    // Lets the fuzzer past length, magic and checksum, to the records.
    test::PutBigEndianAt<int32_t>(&batch, 8, static_cast<int32_t>(batch.size() - 12));
    batch[16] = std::byte{2};
    test::FixChecksum(&batch);
    (void)VisitRecords(batch, visit, nullptr);
    CheckStampAndWalk(batch, options);
  }
  return 0;
}
