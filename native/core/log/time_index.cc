#include "core/log/time_index.h"

#include <array>

#include "core/base/bytes.h"

namespace millrace {
namespace {

TimestampOffset Decode(const std::byte* from, Offset base_offset) {
  return {LoadBigEndian<int64_t>(from), base_offset + LoadBigEndian<uint32_t>(from + 8)};
}

}  // namespace

void TimeIndex::Encode(const TimestampOffset& entry, Offset base_offset, std::byte* to) {
  StoreBigEndian<int64_t>(to, entry.timestamp);
  StoreBigEndian<uint32_t>(to + 8, static_cast<uint32_t>(entry.offset - base_offset));
}

Result<std::optional<TimestampOffset>> TimeIndex::EntryBefore(const Result<size_t>& count) const {
  if (!count.ok()) return count.status();
  if (*count == 0) return std::optional<TimestampOffset>();
  std::array<std::byte, kEntryBytes> bytes;
  if (Status status = file_.Read(*count - 1, bytes); !status.ok()) return status;
  return std::optional<TimestampOffset>(Decode(bytes.data(), base_offset_));
}

Result<std::optional<TimestampOffset>> TimeIndex::Last() const {
  return EntryBefore(file_.entries());
}

Result<std::optional<TimestampOffset>> TimeIndex::Floor(int64_t timestamp) {
  return EntryBefore(file_.CountWhile(
      [&](const std::byte* entry) { return Decode(entry, base_offset_).timestamp <= timestamp; }));
}

Result<std::optional<TimestampOffset>> TimeIndex::Below(Offset offset) {
  return EntryBefore(file_.CountWhile(
      [&](const std::byte* entry) { return Decode(entry, base_offset_).offset < offset; }));
}

void TimeIndex::Append(const TimestampOffset& entry) {
  std::array<std::byte, kEntryBytes> bytes;
  Encode(entry, base_offset_, bytes.data());
  file_.Append(bytes.data());
}

Status TimeIndex::CutTo(Offset offset) {
  if (Status status = file_.Load(); !status.ok()) return status;
  Result<size_t> kept = file_.CountWhile(
      [&](const std::byte* entry) { return Decode(entry, base_offset_).offset < offset; });
  return kept.ok() ? file_.CutTo(*kept) : kept.status();
}

}  // namespace millrace
