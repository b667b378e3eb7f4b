#include "core/clean/batch_folder.h"

#include <algorithm>

#include "core/clean/record_iterator.h"

namespace millrace {
namespace {

constexpr int16_t kSpecial = kBatchAppendTime | kBatchTransactional | kBatchDeleteHorizon;

bool StandsAlone(const BatchHeader& header) {
  return header.producer_id >= 0 || (header.attributes & kSpecial) != 0;
}

}  // namespace

Status BatchFolder::Add(std::span<const std::byte> batch, const BatchHeader& header) {
  const int16_t codec = header.attributes & kBatchCodecMask;
  const bool control = (header.attributes & kBatchControl) != 0;
  if (control || header.record_count == 0 || codec == codec_) {
    if (Status status = Finish(); !status.ok()) return status;
    return cleaned_.Add(batch, header);
  }
  std::span<const std::byte> records = batch.subspan(kBatchHeaderBytes);
  if (codec != 0) {
    if (Status status = codecs_.Unfold(codec, records, &unfolded_); !status.ok()) return status;
    records = unfolded_;
  }
  if (!gathered_.empty()) {
    if (Joins(header, records.size())) return Append(records, header);
    if (Status status = Finish(); !status.ok()) return status;
  }
  header_ = header;
  alone_ = StandsAlone(header);
  gathered_.assign(batch.begin(), batch.begin() + kBatchHeaderBytes);
  gathered_.insert(gathered_.end(), records.begin(), records.end());
  return Status::Ok();
}

bool BatchFolder::Joins(const BatchHeader& header, size_t bytes) const {
  return !alone_ && !StandsAlone(header) && header.leader_epoch == header_.leader_epoch &&
         gathered_.size() - kBatchHeaderBytes + bytes <= kBatchBytes &&
         header.last_offset - header_.base_offset <= INT32_MAX;
}

// The records count their offsets and times from the beginning of the batch they join.
Status BatchFolder::Append(std::span<const std::byte> bytes, const BatchHeader& header) {
  RecordIterator records(bytes, header.record_count);
  const Offset offset_step = header.base_offset - header_.base_offset;
  const auto time_step = static_cast<int64_t>(static_cast<uint64_t>(header.base_timestamp) -
                                              static_cast<uint64_t>(header_.base_timestamp));
  for (RecordView record; records.Next(&record);) {
    const int64_t delta = offset_step + record.offset_delta;
    if (delta > INT32_MAX) return Status(Code::kCorrupt);
    AppendMoved(record,
                static_cast<int64_t>(static_cast<uint64_t>(record.timestamp_delta) +
                                     static_cast<uint64_t>(time_step)),
                static_cast<int32_t>(delta), &gathered_);
  }
  if (!records.sound()) return Status(Code::kCorrupt);
  header_.last_offset = header.last_offset;
  header_.max_timestamp = std::max(header_.max_timestamp, header.max_timestamp);
  header_.record_count += header.record_count;
  return Status::Ok();
}

Status BatchFolder::Finish() {
  if (gathered_.empty()) return Status::Ok();
  const auto records = std::span<const std::byte>(gathered_).subspan(kBatchHeaderBytes);
  if (Status status = codecs_.Fold(codec_, records, &folded_); !status.ok()) return status;
  gathered_.resize(kBatchHeaderBytes);
  gathered_.insert(gathered_.end(), folded_.begin(), folded_.end());
  header_.attributes = static_cast<int16_t>((header_.attributes & ~kBatchCodecMask) | codec_);
  header_.size_bytes = static_cast<int32_t>(gathered_.size());
  SetLastOffsetDelta(gathered_, static_cast<int32_t>(header_.last_offset - header_.base_offset));
  RewriteBatchHeader(gathered_, header_.attributes, header_.base_timestamp, header_.max_timestamp,
                     header_.record_count);
  const Status status = cleaned_.Add(gathered_, header_);
  gathered_.clear();
  return status;
}

}  // namespace millrace
