#include "test/support/clean_log.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "core/base/bytes.h"

namespace millrace::test {
namespace {

std::vector<std::byte> Changed(std::span<const std::byte> bytes) {
  std::vector<std::byte> changed(bytes.begin(), bytes.end());
  for (std::byte& byte : changed) byte ^= std::byte{0x5a};
  return changed;
}

int64_t TakeVarint(std::span<const std::byte>* from) {
  uint64_t raw = 0;
  for (int shift = 0;; shift += 7) {
    const auto bits = std::to_integer<uint64_t>((*from)[0]);
    *from = from->subspan(1);
    raw |= (bits & 0x7f) << shift;
    if (bits < 0x80) return static_cast<int64_t>((raw >> 1) ^ (0 - (raw & 1)));
  }
}

std::optional<std::string> TakeField(std::span<const std::byte>* from) {
  const int64_t length = TakeVarint(from);
  if (length < 0) return std::nullopt;
  const auto size = static_cast<size_t>(length);
  std::string field(reinterpret_cast<const char*>(from->data()), size);
  *from = from->subspan(size);
  return field;
}

}  // namespace

Status FakeCodecs::Unfold(int16_t, std::span<const std::byte> records,
                          std::vector<std::byte>* into) {
  ++unfolded;
  *into = Changed(records);
  return Status::Ok();
}

Status FakeCodecs::Fold(int16_t, std::span<const std::byte> records, std::vector<std::byte>* into) {
  ++folded;
  *into = Changed(records);
  return Status::Ok();
}

Bytes FoldBatch(Bytes batch, int16_t codec) {
  const Bytes folded = Changed(std::span<const std::byte>(batch).subspan(kBatchHeaderBytes));
  std::copy(folded.begin(), folded.end(), batch.begin() + kBatchHeaderBytes);
  batch[22] |= static_cast<std::byte>(codec);
  FixChecksum(&batch);
  return batch;
}

std::vector<BatchHeader> HeadersIn(std::span<const std::byte> batches) {
  std::vector<BatchHeader> headers;
  while (!batches.empty()) {
    BatchHeader header;
    if (!ParseBatchHeader(batches, &header).ok()) std::abort();
    headers.push_back(header);
    batches = batches.subspan(static_cast<size_t>(header.size_bytes));
  }
  return headers;
}

std::vector<KeyedRecord> RecordsOf(std::span<const std::byte> batches) {
  std::vector<KeyedRecord> found;
  for (const BatchHeader& header : HeadersIn(batches)) {
    const auto batch = batches.first(static_cast<size_t>(header.size_bytes));
    batches = batches.subspan(batch.size());
    if (!BatchChecksumHolds(batch)) std::abort();
    if ((header.attributes & kBatchControl) != 0) continue;
    std::span<const std::byte> records = batch.subspan(kBatchHeaderBytes);
    Bytes unfolded;
    if ((header.attributes & kBatchCodecMask) != 0) {
      unfolded = Changed(records);
      records = unfolded;
    }
    for (int32_t i = 0; i < header.record_count; ++i) {
      (void)TakeVarint(&records);
      records = records.subspan(1);
      KeyedRecord record;
      record.timestamp = header.base_timestamp + TakeVarint(&records);
      if ((header.attributes & kBatchAppendTime) != 0) record.timestamp = header.max_timestamp;
      record.offset = header.base_offset + TakeVarint(&records);
      record.key = TakeField(&records);
      record.value = TakeField(&records);
      if (TakeVarint(&records) != 0) std::abort();  // tests use no headers
      found.push_back(std::move(record));
    }
    if (!records.empty()) std::abort();
  }
  return found;
}

CleanTask TaskFor(Log& log, const std::string& directory, const LogConfig& config,
                  const CleanOptions& options) {
  std::array<SegmentFacts, 512> facts;
  Result<size_t> count = log.ListSegments(false, facts);
  if (!count.ok() || *count == facts.size()) std::abort();
  CleanTask task;
  task.directory = directory;
  for (size_t i = 0; i + 1 < *count; ++i)
    task.segments.push_back({facts[i].base_offset, facts[i].size_bytes});
  task.end_offset = options.end.value_or(log.active_base_offset());
  task.first_dirty_offset = options.first_dirty;
  task.map_bytes = options.map_bytes;
  task.segment_bytes = config.segment_bytes;
  task.segment_index_bytes = config.segment_index_bytes;
  task.index_interval_bytes = config.index_interval_bytes;
  task.delete_retention_ms = options.delete_retention_ms;
  task.now_ms = options.now_ms;
  task.producers = options.producers;
  task.compacts = options.compacts;
  task.codec = options.codec;
  task.hash_seed = {17, 42};
  return task;
}

CleanResult Clean(Disk& disk, Log& log, const std::string& directory, const LogConfig& config,
                  const CleanOptions& options) {
  CleanResult result;
  FakeCodecs codecs;
  CleanPass pass(disk, TaskFor(log, directory, config, options), codecs);
  Result<OffsetMapFacts> map = pass.BuildMap();
  result.status = map.status();
  if (!map.ok()) return result;
  result.clean_end = map->clean_end_offset;
  for (;;) {
    Result<std::optional<CleanedGroup>> group = pass.NextGroup();
    result.status = group.status();
    if (!group.ok() || !group->has_value()) return result;
    result.groups.push_back(**group);
    result.status = log.ReplaceSegments((*group)->bases);
    if (!result.status.ok()) return result;
  }
}

}  // namespace millrace::test
