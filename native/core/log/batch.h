#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/base/status.h"

namespace millrace {

using Offset = int64_t;  // an end offset is exclusive

// Record batch v2, big-endian, as on the wire so in the file:
//
//   0  base offset int64        | 8 batch length int32 (bytes after this field) | 12 leader epoch
//   int32 | 16 magic int8 17 crc uint32 (of all after)| 21 attributes int16 | 23 last offset delta
//   int32 | 27 base timestamp int64 35 max timestamp int64      | 43 producer id int64 | 51
//   producer epoch int16 | 53 base sequence int32 57 record count int32       | 61 records
//
// attributes: bits 0-2 codec (0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd), 3 append time, 4
// transactional, 5 control, 6 delete horizon. Base offset and leader epoch lie outside the
// checksum, so stamping them keeps it.
inline constexpr size_t kBatchHeaderBytes = 61;
inline constexpr size_t kBatchLengthEnd = 12;  // batch length counts the bytes from here

inline constexpr int16_t kBatchCodecMask = 0x07;
inline constexpr int16_t kBatchAppendTime = 0x08;
inline constexpr int16_t kBatchTransactional = 0x10;
inline constexpr int16_t kBatchControl = 0x20;
inline constexpr int16_t kBatchDeleteHorizon = 0x40;

enum AppendFlags : uint32_t {
  kAppendLogAppendTime = 1u
      << 0,  // message.timestamp.type=LogAppendTime: stamp `now_ms` into the batch
  kAppendRequireKeys = 1u << 1,  // compacted topic: a record without key is invalid
  kAppendInternal = 1u
      << 2,  // written by this broker (coordinators, markers): control batches allowed
  kAppendCheckedInside = 1u
      << 3,                 // a compressed batch whose records are checked apart, by CheckUnfolded
  kAppendGather = 1u << 4,  // the batch may be written later, with others: see Log::WriteGathered
};

struct AppendOptions {
  int32_t leader_epoch = 0;
  uint32_t flags = 0;
  int64_t now_ms = 0;                           // wall clock
  uint32_t max_batch_bytes = 1'048'588;         // max.message.bytes
  int64_t timestamp_before_max_ms = INT64_MAX;  // message.timestamp.before.max.ms
  int64_t timestamp_after_max_ms = INT64_MAX;   // message.timestamp.after.max.ms
};

// A record of sound structure that its topic does not take.
struct RecordFault {
  enum class Kind : int32_t { kKeyMissing = 0, kTimestampOutOfBounds = 1 };
  int32_t index;  // within the batch
  Kind kind;
  int64_t timestamp;
};
inline constexpr size_t kMaxRecordFaults = 500;  // further ones of a batch are not named

struct Appended {
  Offset base_offset = -1;
  Offset last_offset = -1;
  int64_t max_timestamp = -1;
  int32_t first_bad_record =
      -1;  // with kBatchInvalid / kBatchTimestamp: the record's index within the batch, else -1
  bool rolled = false;    // a new segment was begun for this batch
  bool gathered = false;  // it is not written yet
  // The first kMaxRecordFaults of the batch, in order; empty when its structure does not hold.
  std::vector<RecordFault> faults;
};

// What one batch header says; filled by ReadHeaders for rebuilding producer state and leader
// epochs.
struct BatchHeader {
  Offset base_offset, last_offset;
  int64_t base_timestamp, max_timestamp;
  int64_t producer_id;
  int32_t leader_epoch, base_sequence, record_count, size_bytes;
  int16_t producer_epoch, attributes;
  // Of a control batch that ReadHeaders has met (control_record.h); -1 when it says nothing of it.
  int16_t control_type = -1;
  int32_t coordinator_epoch = -1;
};

// Reads the header of the batch that starts at `bytes`, checking only that the whole batch lies
// within `bytes` and that the header is plausible (magic 2, offsets that are not negative):
// kBatchCorrupt, kBatchMagic. Nothing behind the header is looked at.
Status ParseBatchHeader(std::span<const std::byte> bytes, BatchHeader* header);

// The same where only the header is at hand: `bytes` holds at least kBatchHeaderBytes, and the
// batch may reach beyond them.
Status PeekBatchHeader(std::span<const std::byte> bytes, BatchHeader* header);

// True when the stored CRC-32C is that of the batch. `batch` is exactly one whole batch.
bool BatchChecksumHolds(std::span<const std::byte> batch);

// All checks on a batch that a client handed in (exactly one batch, nothing behind it): size,
// magic, length, CRC, codec, counts, producer fields, and for uncompressed batches every record's
// structure, offset delta 0..n-1, key and timestamp; of a compressed batch only the header's
// timestamps, and with kAppendCheckedInside not even those. As in Kafka, records with timestamp -1
// are within any bounds, and a batch with both kinds of bad records is kBatchTimestamp. Fills
// `header` (with the true max timestamp, at least -1, for uncompressed batches) and the verdict's
// max_timestamp, first_bad_record and faults.
Status CheckBatch(std::span<const std::byte> batch, const AppendOptions& options,
                  BatchHeader* header, Appended* verdict);

// The same for a compressed batch of which `records` is the whole unfolded records section: all of
// CheckBatch, and of every record what is checked in an uncompressed batch. When it holds, the
// records' true max timestamp is in the batch's header, with a checksum to fit; else the batch is
// as it was. kInvalidArgument for a batch that is not compressed.
Status CheckUnfolded(std::span<std::byte> batch, std::span<const std::byte> records,
                     const AppendOptions& options, Appended* verdict);

// Stamps base offset and leader epoch into a batch that CheckBatch passed; with
// kAppendLogAppendTime also the attribute bit and the max timestamp, and otherwise a max timestamp
// that differs from the one in the header; recomputes the checksum only when it has to.
void StampBatch(std::span<std::byte> batch, Offset base_offset, const AppendOptions& options,
                BatchHeader* header);

// What cleaning changes in the header of a batch, which is whole but for its size and checksum:
// those two follow from the bytes.
void RewriteBatchHeader(std::span<std::byte> batch, int16_t attributes, int64_t base_timestamp,
                        int64_t max_timestamp, int32_t record_count);
// Before that, where a batch has taken in others: it ends with the last of them.
void SetLastOffsetDelta(std::span<std::byte> batch, int32_t delta);

// Walks the records of an uncompressed batch (kInvalidArgument for a compressed one): calls
// `visit(index, timestamp, offset_delta)` until it returns false. Offset deltas may have gaps, as
// compaction leaves them. kBatchInvalid where a record's structure does not hold; the records
// before it were visited.
using RecordVisitor = bool (*)(void* context, int32_t index, int64_t timestamp,
                               int32_t offset_delta);
Status VisitRecords(std::span<const std::byte> batch, RecordVisitor visit, void* context);

}  // namespace millrace
