// Any bytes handed to the check of unfolded records: nothing outside them is read, what is accepted
// is what the same records are as an uncompressed batch, and what is refused changes nothing.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "core/log/batch.h"
#include "test/support/batch_builder.h"

namespace {

using namespace millrace;
using test::PutBigEndianAt;

void Require(bool holds) {
  if (!holds) std::abort();
}

// A batch around `section`, with a header that says `count` records.
std::vector<std::byte> BatchOf(std::vector<std::byte> section, int16_t attributes, int32_t count) {
  std::vector<std::byte> batch(kBatchHeaderBytes);
  PutBigEndianAt<int32_t>(
      &batch, 8, static_cast<int32_t>(kBatchHeaderBytes + section.size() - kBatchLengthEnd));
  batch[16] = std::byte{2};
  PutBigEndianAt<int16_t>(&batch, 21, attributes);
  PutBigEndianAt<int32_t>(&batch, 23, count - 1);
  PutBigEndianAt<int64_t>(&batch, 27, 1'700'000'000'000);
  PutBigEndianAt<int64_t>(&batch, 35, 5);
  PutBigEndianAt<int64_t>(&batch, 43, -1);
  PutBigEndianAt<int16_t>(&batch, 51, -1);
  PutBigEndianAt<int32_t>(&batch, 53, -1);
  PutBigEndianAt<int32_t>(&batch, 57, count);
  batch.insert(batch.end(), section.begin(), section.end());
  test::FixChecksum(&batch);
  return batch;
}

}  // namespace

// flags, record count (int32, big-endian), then the records.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 5) return 0;
  AppendOptions options;
  options.flags = data[0] & (kAppendLogAppendTime | kAppendRequireKeys);
  options.now_ms = 1'700'000'000'000;
  if ((data[0] & 0x10) != 0)
    options.timestamp_after_max_ms = options.timestamp_before_max_ms = 3'600'000;
  const auto count = static_cast<int32_t>(static_cast<uint32_t>(data[1]) << 24 |
                                          static_cast<uint32_t>(data[2]) << 16 |
                                          static_cast<uint32_t>(data[3]) << 8 | data[4]);
  if (count < 1) return 0;
  auto* bytes = reinterpret_cast<const std::byte*>(data + 5);
  std::vector<std::byte> records(bytes, bytes + size - 5);
  records.shrink_to_fit();

  std::vector<std::byte> folded = BatchOf({std::byte{1}, std::byte{2}}, 3, count);
  const std::vector<std::byte> before = folded;
  Appended inside;
  const Status status = CheckUnfolded(folded, records, options, &inside);
  Require(BatchChecksumHolds(folded));
  if (!status.ok()) Require(folded == before);

  options.max_batch_bytes = UINT32_MAX;
  BatchHeader header;
  Appended plain;
  const Status same = CheckBatch(BatchOf(records, 0, count), options, &header, &plain);
  Require(status.code() == same.code());
  Require(inside.first_bad_record == plain.first_bad_record);
  Require(inside.faults.size() == plain.faults.size());
  Require(inside.faults.size() <= kMaxRecordFaults);
  for (size_t i = 0; i < inside.faults.size(); ++i) {
    Require(inside.faults[i].index == plain.faults[i].index);
    Require(inside.faults[i].index < count);
  }
  if (!status.ok()) return 0;
  Require(inside.max_timestamp == plain.max_timestamp);
  BatchHeader stored;
  Require(ParseBatchHeader(folded, &stored).ok());
  Require(stored.max_timestamp == inside.max_timestamp && stored.record_count == count);
  return 0;
}
