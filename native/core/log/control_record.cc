#include "core/log/control_record.h"

#include <optional>

#include "core/base/bytes.h"
#include "core/log/varint_cursor.h"

namespace millrace {
namespace {

constexpr size_t kTypeAt = 2;
constexpr size_t kKeyBytes = 4;
constexpr size_t kCoordinatorEpochAt = 2;
constexpr size_t kValueBytes = 6;

// A length-prefixed field, empty when it is null; nothing when it does not fit.
std::optional<std::span<const std::byte>> ReadField(VarintCursor* cursor) {
  int32_t length;
  if (!cursor->ReadVarint(&length)) return std::nullopt;
  const size_t size = length < 0 ? 0 : static_cast<size_t>(length);
  const std::span<const std::byte> field(cursor->at(), size);
  if (!cursor->Skip(size)) return std::nullopt;
  return field;
}

}  // namespace

void ReadControlRecord(std::span<const std::byte> batch, BatchHeader* header) {
  if (header->record_count <= 0 || batch.size() < kBatchHeaderBytes) return;
  VarintCursor cursor(batch.data() + kBatchHeaderBytes, batch.data() + batch.size());
  int32_t size;
  int64_t timestamp_delta;
  int32_t offset_delta;
  if (!cursor.ReadVarint(&size) || !cursor.Skip(1) || !cursor.ReadVarlong(&timestamp_delta) ||
      !cursor.ReadVarint(&offset_delta)) {
    return;
  }
  const auto key = ReadField(&cursor);
  if (!key.has_value() || key->size() < kKeyBytes) return;
  header->control_type = LoadBigEndian<int16_t>(key->data() + kTypeAt);
  const auto value = ReadField(&cursor);
  if (!value.has_value() || value->size() < kValueBytes) return;
  header->coordinator_epoch = LoadBigEndian<int32_t>(value->data() + kCoordinatorEpochAt);
}

}  // namespace millrace
