#include "core/log/batch.h"

#include <algorithm>

#include "core/base/bytes.h"
#include "core/base/crc32c.h"
#include "core/log/varint_cursor.h"

namespace millrace {
namespace {

constexpr size_t kBaseOffsetAt = 0;
constexpr size_t kLengthAt = 8;
constexpr size_t kLeaderEpochAt = 12;
constexpr size_t kMagicAt = 16;
constexpr size_t kChecksumAt = 17;
constexpr size_t kAttributesAt = 21;  // the checksum covers everything from here
constexpr size_t kLastOffsetDeltaAt = 23;
constexpr size_t kBaseTimestampAt = 27;
constexpr size_t kMaxTimestampAt = 35;
constexpr size_t kProducerIdAt = 43;
constexpr size_t kProducerEpochAt = 51;
constexpr size_t kBaseSequenceAt = 53;
constexpr size_t kRecordCountAt = 57;

constexpr int8_t kMagic = 2;
constexpr int16_t kHighestCodec = 4;
constexpr int64_t kNoTimestamp = -1;

Status Verdict(Code code) { return Status(code); }

struct Record {
  int64_t timestamp_delta;
  int32_t offset_delta;
  bool has_key;
};

// A length-prefixed field; -1 is null where `nullable`. Inlined, with ReadRecord: a batch of small
// records took half as long again.
[[gnu::always_inline]] inline bool SkipField(VarintCursor* cursor, bool nullable, bool* present) {
  int32_t length;
  if (!cursor->ReadVarint(&length)) return false;
  *present = length >= 0;
  if (length < 0) return nullable && length == -1;
  return cursor->Skip(static_cast<size_t>(length));
}

// Steps over one record, which must fill its own length exactly.
[[gnu::always_inline]] inline bool ReadRecord(VarintCursor* records, Record* record) {
  int32_t length;
  if (!records->ReadVarint(&length) || length < 0) return false;
  if (static_cast<size_t>(length) > records->remaining()) return false;
  VarintCursor body = records->Split(static_cast<size_t>(length));
  bool present;
  int32_t headers;
  if (!body.Skip(1) || !body.ReadVarlong(&record->timestamp_delta) ||
      !body.ReadVarint(&record->offset_delta) || !SkipField(&body, true, &record->has_key) ||
      !SkipField(&body, true, &present) || !body.ReadVarint(&headers) || headers < 0) {
    return false;
  }
  // Each header takes at least two bytes, so this ends with the body.
  for (int32_t i = 0; i < headers; ++i) {
    if (!SkipField(&body, false, &present) || !SkipField(&body, true, &present)) return false;
  }
  return body.remaining() == 0;
}

VarintCursor RecordsOf(std::span<const std::byte> batch) {
  return VarintCursor(batch.data() + kBatchHeaderBytes, batch.data() + batch.size());
}

bool IsCompressed(const BatchHeader& header) { return (header.attributes & kBatchCodecMask) != 0; }

// Wraps around as Kafka does: the sum of two numbers that a client chose.
int64_t AddWrapping(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

int64_t SubtractSaturating(int64_t a, int64_t b) {
  int64_t difference;
  if (!__builtin_sub_overflow(a, b, &difference)) return difference;
  return a < b ? INT64_MIN : INT64_MAX;
}

// The bounds of message.timestamp.before.max.ms and .after.max.ms around now.
class TimestampBounds {
 public:
  explicit TimestampBounds(const AppendOptions& options) {
    // What the client wrote will be replaced.
    if ((options.flags & kAppendLogAppendTime) != 0) return;
    if (options.timestamp_before_max_ms != INT64_MAX) {
      earliest_ = SubtractSaturating(options.now_ms, options.timestamp_before_max_ms);
    }
    if (options.timestamp_after_max_ms != INT64_MAX) {
      latest_ =
          SubtractSaturating(options.now_ms, SubtractSaturating(0, options.timestamp_after_max_ms));
    }
  }
  bool Contain(int64_t timestamp) const {
    return (timestamp >= earliest_ && timestamp <= latest_) || timestamp == kNoTimestamp;
  }

 private:
  int64_t earliest_ = INT64_MIN;
  int64_t latest_ = INT64_MAX;
};

void LoadHeader(const std::byte* bytes, BatchHeader* header) {
  header->base_offset = LoadBigEndian<int64_t>(bytes + kBaseOffsetAt);
  header->last_offset =
      AddWrapping(header->base_offset, LoadBigEndian<int32_t>(bytes + kLastOffsetDeltaAt));
  header->base_timestamp = LoadBigEndian<int64_t>(bytes + kBaseTimestampAt);
  header->max_timestamp = LoadBigEndian<int64_t>(bytes + kMaxTimestampAt);
  header->producer_id = LoadBigEndian<int64_t>(bytes + kProducerIdAt);
  header->leader_epoch = LoadBigEndian<int32_t>(bytes + kLeaderEpochAt);
  header->base_sequence = LoadBigEndian<int32_t>(bytes + kBaseSequenceAt);
  header->record_count = LoadBigEndian<int32_t>(bytes + kRecordCountAt);
  header->size_bytes =
      LoadBigEndian<int32_t>(bytes + kLengthAt) + static_cast<int32_t>(kBatchLengthEnd);
  header->producer_epoch = LoadBigEndian<int16_t>(bytes + kProducerEpochAt);
  header->attributes = LoadBigEndian<int16_t>(bytes + kAttributesAt);
  header->control_type = -1;
  header->coordinator_epoch = -1;
}

// The batch's size in bytes from its length field, or 0 when no batch can have that length.
uint64_t SizeOf(const std::byte* bytes) {
  int64_t length = LoadBigEndian<int32_t>(bytes + kLengthAt);
  int64_t size = length + static_cast<int64_t>(kBatchLengthEnd);
  return size < static_cast<int64_t>(kBatchHeaderBytes) || size > INT32_MAX
             ? 0
             : static_cast<uint64_t>(size);
}

uint32_t ChecksumOf(std::span<const std::byte> batch) {
  return Crc32c(batch.subspan(kAttributesAt));
}

// What the header alone says about who may write such a batch and whether its counts agree.
Status CheckHeader(const std::byte* bytes, const BatchHeader& header,
                   const AppendOptions& options) {
  bool internal = (options.flags & kAppendInternal) != 0;
  int16_t codec = header.attributes & kBatchCodecMask;
  if (codec > kHighestCodec) return Verdict(Code::kBatchCompression);
  int64_t last_offset_delta = LoadBigEndian<int32_t>(bytes + kLastOffsetDeltaAt);
  if (header.record_count <= 0 || last_offset_delta != int64_t{header.record_count} - 1) {
    return Verdict(Code::kBatchInvalid);
  }
  if (header.producer_id >= 0 && header.producer_epoch < 0) return Verdict(Code::kBatchInvalid);
  bool transactional = (header.attributes & kBatchTransactional) != 0;
  if (transactional && header.producer_id < 0) return Verdict(Code::kBatchInvalid);
  if (internal) return Status::Ok();
  // Offsets are ours to give, control batches ours to write, the delete horizon is the cleaner's.
  bool ours = (header.attributes & (kBatchControl | kBatchDeleteHorizon)) != 0;
  if (ours || header.base_offset != 0) return Verdict(Code::kBatchInvalid);
  if (header.producer_id >= 0 && header.base_sequence < 0) return Verdict(Code::kBatchInvalid);
  return Status::Ok();
}

[[gnu::noinline]] void NoteFault(Appended* verdict, const RecordFault& fault) {
  if (verdict->faults.size() < kMaxRecordFaults) verdict->faults.push_back(fault);
}

// The records of one batch, uncompressed or unfolded. The structure of all of them is checked
// before a bad key or timestamp counts.
Status CheckRecords(VarintCursor records, const AppendOptions& options, BatchHeader* header,
                    Appended* verdict) {
  const TimestampBounds bounds(options);
  const bool keys_required = (options.flags & kAppendRequireKeys) != 0;
  int64_t max_timestamp = kNoTimestamp;
  bool bad_timestamp = false;
  for (int32_t index = 0; index < header->record_count; ++index) {
    Record record;
    if (!ReadRecord(&records, &record) || record.offset_delta != index) {
      verdict->first_bad_record = index;
      verdict->faults.clear();
      return Verdict(Code::kBatchInvalid);
    }
    int64_t timestamp = AddWrapping(header->base_timestamp, record.timestamp_delta);
    max_timestamp = std::max(max_timestamp, timestamp);
    bool key_missing = keys_required && !record.has_key;
    bool out_of_bounds = !key_missing && !bounds.Contain(timestamp);
    if (key_missing || out_of_bounds) [[unlikely]] {
      bad_timestamp |= out_of_bounds;
      NoteFault(verdict, {index,
                          key_missing ? RecordFault::Kind::kKeyMissing
                                      : RecordFault::Kind::kTimestampOutOfBounds,
                          timestamp});
    }
  }
  if (records.remaining() != 0) {
    verdict->faults.clear();
    return Verdict(Code::kBatchInvalid);
  }
  if (!verdict->faults.empty()) {
    verdict->first_bad_record = verdict->faults.front().index;
    return Verdict(bad_timestamp ? Code::kBatchTimestamp : Code::kBatchInvalid);
  }
  // In a batch with append time, the records' own timestamps no longer count.
  if ((header->attributes & kBatchAppendTime) == 0) header->max_timestamp = max_timestamp;
  return Status::Ok();
}

}  // namespace

Status PeekBatchHeader(std::span<const std::byte> bytes, BatchHeader* header) {
  if (bytes.size() < kBatchHeaderBytes) return Verdict(Code::kBatchCorrupt);
  if (LoadBigEndian<int8_t>(bytes.data() + kMagicAt) != kMagic) return Verdict(Code::kBatchMagic);
  if (SizeOf(bytes.data()) == 0) return Verdict(Code::kBatchCorrupt);
  LoadHeader(bytes.data(), header);
  bool offsets_hold = header->base_offset >= 0 && header->last_offset >= header->base_offset;
  return offsets_hold && header->record_count >= 0 ? Status::Ok() : Verdict(Code::kBatchCorrupt);
}

Status ParseBatchHeader(std::span<const std::byte> bytes, BatchHeader* header) {
  if (Status status = PeekBatchHeader(bytes, header); !status.ok()) return status;
  return static_cast<size_t>(header->size_bytes) <= bytes.size() ? Status::Ok()
                                                                 : Verdict(Code::kBatchCorrupt);
}

bool BatchChecksumHolds(std::span<const std::byte> batch) {
  return batch.size() >= kBatchHeaderBytes &&
         ChecksumOf(batch) == LoadBigEndian<uint32_t>(batch.data() + kChecksumAt);
}

Status CheckBatch(std::span<const std::byte> batch, const AppendOptions& options,
                  BatchHeader* header, Appended* verdict) {
  verdict->first_bad_record = -1;
  verdict->faults.clear();
  // The magic byte has the same place in every version of the format, and older ones are named
  // before they are misread.
  // What is not one whole batch is invalid rather than corrupt: a client sends corrupt ones again.
  if (batch.size() <= kMagicAt) return Verdict(Code::kBatchInvalid);
  int8_t magic = LoadBigEndian<int8_t>(batch.data() + kMagicAt);
  if (magic == 0 || magic == 1) return Verdict(Code::kBatchMagic);
  if (magic != kMagic) return Verdict(Code::kBatchCorrupt);
  uint64_t size = SizeOf(batch.data());
  if (size == 0) return Verdict(Code::kBatchCorrupt);
  if (size > batch.size()) return Verdict(Code::kBatchInvalid);
  if (size > options.max_batch_bytes) return Verdict(Code::kBatchTooLarge);
  if (!BatchChecksumHolds(batch.first(size))) return Verdict(Code::kBatchCorrupt);
  if (size < batch.size()) return Verdict(Code::kBatchInvalid);  // more than the one batch

  LoadHeader(batch.data(), header);
  if (Status status = CheckHeader(batch.data(), *header, options); !status.ok()) return status;
  if ((header->attributes & kBatchAppendTime) != 0 && (options.flags & kAppendInternal) == 0) {
    return Verdict(Code::kBatchTimestamp);  // only a broker may call a timestamp append time
  }
  if (!IsCompressed(*header)) {
    Status status = CheckRecords(RecordsOf(batch), options, header, verdict);
    if (!status.ok()) return status;
  } else if ((options.flags & kAppendCheckedInside) == 0) {
    const TimestampBounds bounds(options);
    if (!bounds.Contain(header->base_timestamp) || !bounds.Contain(header->max_timestamp)) {
      return Verdict(Code::kBatchTimestamp);
    }
  }
  verdict->max_timestamp = header->max_timestamp;
  return Status::Ok();
}

Status CheckUnfolded(std::span<std::byte> batch, std::span<const std::byte> records,
                     const AppendOptions& options, Appended* verdict) {
  AppendOptions outside = options;
  outside.flags |= kAppendCheckedInside;
  BatchHeader header;
  if (Status status = CheckBatch(batch, outside, &header, verdict); !status.ok()) return status;
  if (!IsCompressed(header)) return Status(Code::kInvalidArgument);
  const int64_t claimed = header.max_timestamp;
  VarintCursor cursor(records.data(), records.data() + records.size());
  if (Status status = CheckRecords(cursor, options, &header, verdict); !status.ok()) return status;
  verdict->max_timestamp = header.max_timestamp;
  if (header.max_timestamp != claimed) {
    StoreBigEndian<int64_t>(batch.data() + kMaxTimestampAt, header.max_timestamp);
    StoreBigEndian<uint32_t>(batch.data() + kChecksumAt, ChecksumOf(batch));
  }
  return Status::Ok();
}

void StampBatch(std::span<std::byte> batch, Offset base_offset, const AppendOptions& options,
                BatchHeader* header) {
  std::byte* bytes = batch.data();
  header->last_offset = base_offset + header->record_count - 1;
  header->base_offset = base_offset;
  header->leader_epoch = options.leader_epoch;
  StoreBigEndian<int64_t>(bytes + kBaseOffsetAt, base_offset);
  StoreBigEndian<int32_t>(bytes + kLeaderEpochAt, options.leader_epoch);

  if ((options.flags & kAppendLogAppendTime) != 0) {
    header->attributes = static_cast<int16_t>(header->attributes | kBatchAppendTime);
    header->max_timestamp = options.now_ms;
  }
  if (header->attributes == LoadBigEndian<int16_t>(bytes + kAttributesAt) &&
      header->max_timestamp == LoadBigEndian<int64_t>(bytes + kMaxTimestampAt)) {
    return;
  }
  StoreBigEndian<int16_t>(bytes + kAttributesAt, header->attributes);
  StoreBigEndian<int64_t>(bytes + kMaxTimestampAt, header->max_timestamp);
  StoreBigEndian<uint32_t>(bytes + kChecksumAt, ChecksumOf(batch));
}

void RewriteBatchHeader(std::span<std::byte> batch, int16_t attributes, int64_t base_timestamp,
                        int64_t max_timestamp, int32_t record_count) {
  std::byte* bytes = batch.data();
  StoreBigEndian<int32_t>(bytes + kLengthAt, static_cast<int32_t>(batch.size() - kBatchLengthEnd));
  StoreBigEndian<int16_t>(bytes + kAttributesAt, attributes);
  StoreBigEndian<int64_t>(bytes + kBaseTimestampAt, base_timestamp);
  StoreBigEndian<int64_t>(bytes + kMaxTimestampAt, max_timestamp);
  StoreBigEndian<int32_t>(bytes + kRecordCountAt, record_count);
  StoreBigEndian<uint32_t>(bytes + kChecksumAt, ChecksumOf(batch));
}

void SetLastOffsetDelta(std::span<std::byte> batch, int32_t delta) {
  StoreBigEndian<int32_t>(batch.data() + kLastOffsetDeltaAt, delta);
}

Status VisitRecords(std::span<const std::byte> batch, RecordVisitor visit, void* context) {
  BatchHeader header;
  if (Status status = ParseBatchHeader(batch, &header); !status.ok()) return status;
  if (IsCompressed(header)) return Status(Code::kInvalidArgument);
  const bool append_time = (header.attributes & kBatchAppendTime) != 0;
  VarintCursor records = RecordsOf(batch.first(static_cast<size_t>(header.size_bytes)));
  for (int32_t index = 0; index < header.record_count; ++index) {
    Record record;
    if (!ReadRecord(&records, &record)) return Verdict(Code::kBatchInvalid);
    int64_t timestamp = append_time ? header.max_timestamp
                                    : AddWrapping(header.base_timestamp, record.timestamp_delta);
    if (!visit(context, index, timestamp, record.offset_delta)) return Status::Ok();
  }
  return records.remaining() == 0 ? Status::Ok() : Verdict(Code::kBatchInvalid);
}

}  // namespace millrace
