#include "core/log/offset_index.h"

#include <array>

#include "core/base/bytes.h"

namespace millrace {
namespace {

OffsetEntry Decode(const std::byte* from, Offset base_offset) {
  // Written as signed numbers, read as unsigned ones, so that damage cannot make them negative.
  return {base_offset + LoadBigEndian<uint32_t>(from), LoadBigEndian<uint32_t>(from + 4)};
}

}  // namespace

void OffsetIndex::Encode(const OffsetEntry& entry, Offset base_offset, std::byte* to) {
  StoreBigEndian<uint32_t>(to, static_cast<uint32_t>(entry.last_offset - base_offset));
  StoreBigEndian<uint32_t>(to + 4, entry.position);
}

Result<OffsetEntry> OffsetIndex::At(size_t index, ReadMode mode) const {
  std::array<std::byte, kEntryBytes> bytes;
  if (Status status = file_.Read(index, bytes, mode); !status.ok()) return status;
  return Decode(bytes.data(), base_offset_);
}

Result<std::optional<OffsetEntry>> OffsetIndex::EntryBefore(const Result<size_t>& count,
                                                            ReadMode mode) const {
  if (!count.ok()) return count.status();
  if (*count == 0) return std::optional<OffsetEntry>();
  Result<OffsetEntry> entry = At(*count - 1, mode);
  if (!entry.ok()) return entry.status();
  return std::optional<OffsetEntry>(*entry);
}

Result<std::optional<OffsetEntry>> OffsetIndex::Last() const {
  return EntryBefore(file_.entries());
}

Result<std::optional<OffsetEntry>> OffsetIndex::Floor(Offset offset, ReadMode mode) {
  const auto holds = [&](const std::byte* entry) {
    return Decode(entry, base_offset_).last_offset <= offset;
  };
  return EntryBefore(file_.CountWhile(holds, mode), mode);
}

Result<std::optional<OffsetEntry>> OffsetIndex::FloorOfPosition(uint64_t position, ReadMode mode) {
  const auto holds = [&](const std::byte* entry) {
    return Decode(entry, base_offset_).position <= position;
  };
  return EntryBefore(file_.CountWhile(holds, mode), mode);
}

void OffsetIndex::Append(const OffsetEntry& entry) {
  std::array<std::byte, kEntryBytes> bytes;
  Encode(entry, base_offset_, bytes.data());
  file_.Append(bytes.data());
}

Status OffsetIndex::CutTo(Offset offset) {
  if (Status status = file_.Load(); !status.ok()) return status;
  Result<size_t> kept = file_.CountWhile(
      [&](const std::byte* entry) { return Decode(entry, base_offset_).last_offset < offset; });
  return kept.ok() ? file_.CutTo(*kept) : kept.status();
}

}  // namespace millrace
