#include "core/log/segment_names.h"

#include <cassert>
#include <charconv>
#include <cinttypes>
#include <cstdio>

namespace millrace {
namespace {

constexpr size_t kDigits = 20;
constexpr std::string_view kLogSuffix = ".log";
constexpr std::string_view kOffsetIndexSuffix = ".index";
constexpr std::string_view kTimeIndexSuffix = ".timeindex";
constexpr std::string_view kTransactionIndexSuffix = ".txnindex";
constexpr std::string_view kCleanedSuffix = ".cleaned";
constexpr std::string_view kSparePrefix = "spare-";
constexpr std::string_view kSpareSuffix = ".prepared";
constexpr std::string_view kSwapInfix = ".log.swap-";

// The offset that 20 digits stand for, or -1.
Offset ParseDigits(std::string_view digits) {
  Offset offset = -1;
  if (digits.size() < kDigits) return -1;
  const char* end = digits.data() + kDigits;
  auto [stopped, error] = std::from_chars(digits.data(), end, offset);
  return error != std::errc() || stopped != end ? -1 : offset;
}

std::string Digits(Offset offset) {
  char digits[kDigits + 1];
  std::snprintf(digits, sizeof digits, "%020" PRId64, offset);
  return digits;
}

std::string_view SuffixOf(FileKind kind) {
  switch (kind) {
    case FileKind::kLog:
      return kLogSuffix;
    case FileKind::kOffsetIndex:
      return kOffsetIndexSuffix;
    case FileKind::kTimeIndex:
      return kTimeIndexSuffix;
    case FileKind::kTransactionIndex:
      return kTransactionIndexSuffix;
    default:
      assert(false && "not a segment's file");
      return {};
  }
}

}  // namespace

FileName ParseFileName(std::string_view name) {
  const bool spare = name.starts_with(kSparePrefix) && name.ends_with(kSpareSuffix);
  if (name == kPreparedName || spare) return {FileKind::kPrepared, -1};
  if (name.ends_with(".deleted")) return {FileKind::kDeleted, -1};
  const Offset base_offset = ParseDigits(name);
  if (base_offset < 0) return {};
  const std::string_view suffix = name.substr(kDigits);
  if (suffix.ends_with(kCleanedSuffix)) return {FileKind::kCleaned, base_offset};
  if (suffix.starts_with(kSwapInfix) && suffix.size() == kSwapInfix.size() + kDigits) {
    const Offset last = ParseDigits(suffix.substr(kSwapInfix.size()));
    return last < base_offset ? FileName() : FileName{FileKind::kSwap, base_offset, last};
  }
  for (FileKind kind : {FileKind::kLog, FileKind::kOffsetIndex, FileKind::kTimeIndex,
                        FileKind::kTransactionIndex}) {
    if (suffix == SuffixOf(kind)) return {kind, base_offset};
  }
  return {};
}

std::string SegmentFileName(Offset base_offset, FileKind kind) {
  return Digits(base_offset).append(SuffixOf(kind));
}

std::string CleanedFileName(Offset base_offset, FileKind kind) {
  return SegmentFileName(base_offset, kind).append(kCleanedSuffix);
}

std::string SwapFileName(Offset base_offset, Offset last_base_offset) {
  return Digits(base_offset).append(kSwapInfix).append(Digits(last_base_offset));
}

std::string SpareFileName(uint64_t number) {
  return std::string(kSparePrefix).append(std::to_string(number)).append(kSpareSuffix);
}

std::string ParentDirectory(const std::string& directory) {
  const size_t slash = directory.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : directory.substr(0, slash);
}

std::string JoinPath(const std::string& directory, std::string_view name) {
  return std::string(directory).append("/").append(name);
}

}  // namespace millrace
