#include "core/clean/batch_filter.h"

#include <algorithm>

#include "core/base/bytes.h"

namespace millrace {
namespace {

bool Has(const BatchHeader& header, int16_t attribute) {
  return (header.attributes & attribute) != 0;
}

int64_t Add(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

int64_t Subtract(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}

// A horizon that no clock reaches is still one.
int64_t HorizonOf(int64_t now_ms, int64_t retention_ms) {
  int64_t horizon;
  return __builtin_add_overflow(now_ms, retention_ms, &horizon) ? INT64_MAX : horizon;
}

void Append(std::vector<std::byte>* to, std::span<const std::byte> bytes) {
  to->insert(to->end(), bytes.begin(), bytes.end());
}

}  // namespace

int16_t MarkerType(const RecordView& record) {
  return record.key.size() < 4 ? int16_t{-1} : LoadBigEndian<int16_t>(record.key.data() + 2);
}

bool BatchFilter::IsLastOfProducer(const BatchHeader& header) const {
  if (header.producer_id < 0) return false;
  const auto known = producers_.find(header.producer_id);
  if (known == producers_.end()) return false;
  if (known->second.last_data_offset >= 0)
    return header.last_offset == known->second.last_data_offset;
  return Has(header, kBatchControl) && header.producer_epoch == known->second.epoch;
}

Result<BatchFilter::Left> BatchFilter::Filter(std::span<const std::byte> batch,
                                              const BatchHeader& header, bool keep,
                                              std::vector<AbortedTransaction>* named) {
  ++counts_.batches_read;
  Work work{.batch = batch, .header = header, .records = batch.subspan(kBatchHeaderBytes)};
  if (header.last_offset >= rules_.end_offset) {
    // Not looked at by this pass: its keys are not in the map, its transaction may be open.
    counts_.records_read += static_cast<uint64_t>(header.record_count);
    counts_.records_kept += static_cast<uint64_t>(header.record_count);
    return Unchanged(work);
  }
  const int16_t codec = header.attributes & kBatchCodecMask;
  const auto unfold = [&] {
    if (codec == 0 || header.record_count == 0) return Status::Ok();
    if (Status status = codecs_.Unfold(codec, work.records, &unfolded_); !status.ok())
      return status;
    work.records = unfolded_;
    return Status::Ok();
  };
  work.control = Has(header, kBatchControl);
  work.horizon_passed = Has(header, kBatchDeleteHorizon) && header.base_timestamp <= rules_.now_ms;

  if (work.control) {
    if (Status status = unfold(); !status.ok()) return status;
    bool obsolete = true;  // one without records was cleaned before
    if (header.record_count > 0) {
      RecordIterator records(work.records, header.record_count);
      RecordView marker;
      if (!records.Next(&marker)) return Status(Code::kCorrupt);
      obsolete = transactions_.OnMarker(header, MarkerType(marker), named);
    }
    work.discard = obsolete && work.horizon_passed;
    work.empty_marker = obsolete;
  } else {
    work.discard = transactions_.OnData(header);
  }
  const bool keep_empty = keep || IsLastOfProducer(header);
  if (work.discard && !keep_empty) {
    counts_.records_read += static_cast<uint64_t>(header.record_count);
    return Left();
  }
  if (!work.control && !work.discard) {
    if (Status status = unfold(); !status.ok()) return status;
  }
  if (Status status = Judge(work); !status.ok()) return status;
  if (work.kept > 0) return Write(work);
  return keep_empty ? WriteEmpty(work) : Left();
}

Status BatchFilter::Judge(Work& work) {
  runs_.clear();
  counts_.records_read += static_cast<uint64_t>(work.header.record_count);
  if (work.discard) {
    work.all_kept = false;
    return Status::Ok();
  }
  RecordIterator records(work.records, work.header.record_count);
  RecordView record;
  while (records.Next(&record)) {
    if (!Keeps(work, record)) {
      work.all_kept = false;
      continue;
    }
    if (!runs_.empty() && runs_.back().data() + runs_.back().size() == record.whole.data()) {
      runs_.back() = {runs_.back().data(), runs_.back().size() + record.whole.size()};
    } else {
      runs_.push_back(record.whole);
    }
    ++work.kept;
    work.tombstones |= !record.has_value;
    work.max_timestamp =
        std::max(work.max_timestamp, Add(work.header.base_timestamp, record.timestamp_delta));
  }
  counts_.records_kept += static_cast<uint64_t>(work.kept);
  return records.sound() ? Status::Ok() : Status(Code::kCorrupt);
}

bool BatchFilter::Keeps(const Work& work, const RecordView& record) {
  if (work.control) return true;
  if (!record.has_key) {
    ++counts_.records_without_key;
    return false;
  }
  if (!record.has_value && work.horizon_passed) return false;
  const Offset offset = work.header.base_offset + record.offset_delta;
  return offset >= map_.Find(HashKey(map_.seed(), record.key));
}

Result<BatchFilter::Left> BatchFilter::Write(const Work& work) {
  const BatchHeader& header = work.header;
  const bool sets_horizon =
      (work.tombstones || work.empty_marker) && !Has(header, kBatchDeleteHorizon);
  if (work.all_kept && !sets_horizon) return Unchanged(work);

  int64_t base_timestamp = header.base_timestamp;
  int16_t attributes = header.attributes;
  if (sets_horizon) {
    base_timestamp = HorizonOf(rules_.now_ms, rules_.delete_retention_ms);
    attributes = static_cast<int16_t>(attributes | kBatchDeleteHorizon);
  }
  output_.resize(kBatchHeaderBytes);
  for (const std::span<const std::byte> run : runs_) {
    if (!sets_horizon) {
      Append(&output_, run);
      continue;
    }
    RecordIterator records(run, work.kept);
    for (RecordView record; records.Next(&record);) {
      const int64_t timestamp = Add(header.base_timestamp, record.timestamp_delta);
      AppendWithDelta(record, Subtract(timestamp, base_timestamp), &output_);
    }
  }
  const int16_t codec = header.attributes & kBatchCodecMask;
  if (rules_.unfolds) {
    attributes = static_cast<int16_t>(attributes & ~kBatchCodecMask);
  } else if (codec != 0) {
    const auto records = std::span<const std::byte>(output_).subspan(kBatchHeaderBytes);
    if (Status status = codecs_.Fold(codec, records, &folded_); !status.ok()) return status;
    output_.resize(kBatchHeaderBytes);
    Append(&output_, folded_);
  }
  const int64_t max_timestamp =
      Has(header, kBatchAppendTime) ? header.max_timestamp : work.max_timestamp;
  return Finish(work, attributes, base_timestamp, max_timestamp, work.kept);
}

BatchFilter::Left BatchFilter::Unchanged(const Work& work) {
  ++counts_.batches_kept;
  return {work.batch, work.header};
}

BatchFilter::Left BatchFilter::WriteEmpty(const Work& work) {
  const auto attributes = static_cast<int16_t>(
      work.header.attributes & (kBatchAppendTime | kBatchTransactional | kBatchControl));
  output_.resize(kBatchHeaderBytes);
  return Finish(work, attributes, -1, work.header.max_timestamp, 0);
}

BatchFilter::Left BatchFilter::Finish(const Work& work, int16_t attributes, int64_t base_timestamp,
                                      int64_t max_timestamp, int32_t count) {
  std::copy_n(work.batch.begin(), kBatchHeaderBytes, output_.begin());
  RewriteBatchHeader(output_, attributes, base_timestamp, max_timestamp, count);
  Left left{output_, work.header};
  left.header.attributes = attributes;
  left.header.base_timestamp = base_timestamp;
  left.header.max_timestamp = max_timestamp;
  left.header.record_count = count;
  left.header.size_bytes = static_cast<int32_t>(output_.size());
  ++counts_.batches_kept;
  return left;
}

}  // namespace millrace
