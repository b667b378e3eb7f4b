#include "core/clean/record_iterator.h"

#include <algorithm>

namespace millrace {
namespace {

using Bytes = std::span<const std::byte>;

// Zigzag; at most `longest` bytes. Takes what it read off the front.
bool TakeVarint(Bytes* from, size_t longest, int64_t* value) {
  uint64_t raw = 0;
  const size_t limit = std::min(longest, from->size());
  for (size_t i = 0; i < limit; ++i) {
    const auto bits = std::to_integer<uint64_t>((*from)[i]);
    raw |= (bits & 0x7f) << (7 * i);
    if (bits >= 0x80) continue;
    *from = from->subspan(i + 1);
    *value = static_cast<int64_t>((raw >> 1) ^ (0 - (raw & 1)));
    return true;
  }
  return false;
}

bool TakeLength(Bytes* from, int64_t* length) {
  return TakeVarint(from, 5, length) && *length >= -1 &&
         *length <= static_cast<int64_t>(from->size());
}

bool TakeField(Bytes* from, Bytes* field, bool* present) {
  int64_t length;
  if (!TakeLength(from, &length)) return false;
  *present = length >= 0;
  *field = from->first(static_cast<size_t>(std::max<int64_t>(length, 0)));
  *from = from->subspan(field->size());
  return true;
}

void AppendVarint(int64_t value, std::vector<std::byte>* to) {
  uint64_t raw = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  for (; raw >= 0x80; raw >>= 7) to->push_back(static_cast<std::byte>(raw | 0x80));
  to->push_back(static_cast<std::byte>(raw));
}

size_t VarintSize(int64_t value) {
  uint64_t raw = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  size_t size = 1;
  for (; raw >= 0x80; raw >>= 7) ++size;
  return size;
}

}  // namespace

bool RecordIterator::Next(RecordView* record) {
  if (left_ <= 0 || rest_.empty() || !sound_) return false;
  const Bytes begin = rest_;
  int64_t length;
  sound_ = TakeLength(&rest_, &length) && length > 0;
  if (!sound_) return false;
  Bytes body = rest_.first(static_cast<size_t>(length));
  rest_ = rest_.subspan(body.size());
  record->whole = begin.first(begin.size() - rest_.size());
  record->attributes = body[0];
  body = body.subspan(1);
  int64_t offset_delta = 0;
  sound_ = TakeVarint(&body, 10, &record->timestamp_delta);
  record->after_time = body;
  sound_ = sound_ && TakeVarint(&body, 5, &offset_delta) && offset_delta >= 0 &&
           offset_delta <= INT32_MAX;
  record->after_offset = body;
  sound_ = sound_ && TakeField(&body, &record->key, &record->has_key) &&
           TakeField(&body, &record->value, &record->has_value);
  record->offset_delta = static_cast<int32_t>(offset_delta);
  --left_;
  return sound_;
}

void AppendWithDelta(const RecordView& record, int64_t timestamp_delta,
                     std::vector<std::byte>* to) {
  const size_t size = 1 + VarintSize(timestamp_delta) + record.after_time.size();
  AppendVarint(static_cast<int64_t>(size), to);
  to->push_back(record.attributes);
  AppendVarint(timestamp_delta, to);
  to->insert(to->end(), record.after_time.begin(), record.after_time.end());
}

void AppendMoved(const RecordView& record, int64_t timestamp_delta, int32_t offset_delta,
                 std::vector<std::byte>* to) {
  const size_t size =
      1 + VarintSize(timestamp_delta) + VarintSize(offset_delta) + record.after_offset.size();
  AppendVarint(static_cast<int64_t>(size), to);
  to->push_back(record.attributes);
  AppendVarint(timestamp_delta, to);
  AppendVarint(offset_delta, to);
  to->insert(to->end(), record.after_offset.begin(), record.after_offset.end());
}

}  // namespace millrace
