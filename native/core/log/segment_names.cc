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

std::string_view SuffixOf(FileKind kind) {
  switch (kind) {
    case FileKind::kLog:
      return kLogSuffix;
    case FileKind::kOffsetIndex:
      return kOffsetIndexSuffix;
    case FileKind::kTimeIndex:
      return kTimeIndexSuffix;
    default:
      assert(false && "not a segment's file");
      return {};
  }
}

}  // namespace

FileName ParseFileName(std::string_view name) {
  if (name == kPreparedName) return {FileKind::kPrepared, -1};
  if (name.ends_with(".deleted")) return {FileKind::kDeleted, -1};
  if (name.size() <= kDigits) return {};
  Offset base_offset = -1;
  const char* end = name.data() + kDigits;
  auto [stopped, error] = std::from_chars(name.data(), end, base_offset);
  if (error != std::errc() || stopped != end || base_offset < 0) return {};
  for (FileKind kind : {FileKind::kLog, FileKind::kOffsetIndex, FileKind::kTimeIndex}) {
    if (name.substr(kDigits) == SuffixOf(kind)) return {kind, base_offset};
  }
  return {};
}

std::string SegmentFileName(Offset base_offset, FileKind kind) {
  char digits[kDigits + 1];
  std::snprintf(digits, sizeof digits, "%020" PRId64, base_offset);
  return std::string(digits).append(SuffixOf(kind));
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
