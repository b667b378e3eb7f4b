#include "test/support/batch_builder.h"

#include <algorithm>

#include "core/base/crc32c.h"

namespace millrace::test {
namespace {

template <typename T>
void Put(Bytes* to, T value) {
  to->resize(to->size() + sizeof(T));
  PutBigEndianAt(to, to->size() - sizeof(T), value);
}

void PutNullable(Bytes* to, const std::optional<std::string>& field) {
  BatchBuilder::PutVarint(to, field.has_value() ? static_cast<int64_t>(field->size()) : -1);
  if (field.has_value()) BatchBuilder::PutBytes(to, *field);
}

}  // namespace

void BatchBuilder::PutVarint(Bytes* to, int64_t value) {
  uint64_t bits = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  for (; bits >= 0x80; bits >>= 7) to->push_back(static_cast<std::byte>(bits | 0x80));
  to->push_back(static_cast<std::byte>(bits));
}

void BatchBuilder::PutBytes(Bytes* to, const std::string& bytes) {
  for (char c : bytes) to->push_back(static_cast<std::byte>(c));
}

Bytes BatchBuilder::RecordBody(const RecordSpec& record, int32_t offset_delta) {
  Bytes body{std::byte{0}};
  PutVarint(&body, record.timestamp_delta);
  PutVarint(&body, offset_delta);
  PutNullable(&body, record.key);
  PutNullable(&body, record.value);
  PutVarint(&body, static_cast<int64_t>(record.headers.size()));
  for (const auto& [key, value] : record.headers) {
    PutNullable(&body, key);
    PutNullable(&body, value);
  }
  return body;
}

BatchBuilder& BatchBuilder::Add(RecordSpec record) {
  items_.push_back(Item{std::move(record), {}, true});
  return *this;
}

BatchBuilder& BatchBuilder::AddMany(int count, size_t value_bytes) {
  for (int i = 0; i < count; ++i) {
    RecordSpec record;
    record.key = "key-" + std::to_string(i);
    record.value = std::string(value_bytes, static_cast<char>('a' + i % 26));
    record.timestamp_delta = i;
    Add(std::move(record));
  }
  return *this;
}

BatchBuilder& BatchBuilder::AddRaw(Bytes body, bool with_length) {
  items_.push_back(Item{std::nullopt, std::move(body), with_length});
  return *this;
}

Bytes BatchBuilder::Build() const {
  Bytes records;
  int32_t delta = first_offset_delta.value_or(0);
  int64_t largest_delta = INT64_MIN;
  for (const Item& item : items_) {
    Bytes body = item.record.has_value() ? RecordBody(*item.record, delta) : item.raw;
    if (item.record.has_value())
      largest_delta = std::max(largest_delta, item.record->timestamp_delta);
    if (item.with_length) PutVarint(&records, static_cast<int64_t>(body.size()));
    records.insert(records.end(), body.begin(), body.end());
    ++delta;
  }
  int32_t count = static_cast<int32_t>(items_.size());
  int64_t true_max = largest_delta == INT64_MIN ? base_timestamp : base_timestamp + largest_delta;
  Bytes batch;
  Put<int64_t>(&batch, base_offset);
  Put<int32_t>(&batch, static_cast<int32_t>(49 + records.size()));
  Put<int32_t>(&batch, leader_epoch);
  Put<int8_t>(&batch, magic);
  Put<uint32_t>(&batch, 0);
  Put<int16_t>(&batch, attributes);
  Put<int32_t>(&batch, last_offset_delta.value_or(count - 1));
  Put<int64_t>(&batch, base_timestamp);
  Put<int64_t>(&batch, max_timestamp.value_or(true_max));
  Put<int64_t>(&batch, producer_id);
  Put<int16_t>(&batch, producer_epoch);
  Put<int32_t>(&batch, base_sequence);
  Put<int32_t>(&batch, record_count.value_or(count));
  batch.insert(batch.end(), records.begin(), records.end());
  FixChecksum(&batch);
  return batch;
}

void FixChecksum(Bytes* batch) {
  PutBigEndianAt<uint32_t>(batch, 17, Crc32c(std::span<const std::byte>(*batch).subspan(21)));
}

}  // namespace millrace::test
