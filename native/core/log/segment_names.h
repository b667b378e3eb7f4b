#pragma once

#include <string>
#include <string_view>

#include "core/log/batch.h"

namespace millrace {

// What a name in a log's directory stands for. The base offset is written with 20 digits:
//
//   00000000000000000042.log          the batches from offset 42 on
//   00000000000000000042.index        offset index     00000000000000000042.timeindex   time index
//   00000000000000000042.txnindex   aborted transactions
//   00000000000000000042.log.cleaned, .index.cleaned, ...   what a cleaning pass writes
//   00000000000000000042.log.swap-00000000000000000099   a cleaned segment that has taken the place
//                     of all segments with base offsets from 42 to 99, whatever else is there
//   next.prepared     the file that becomes the next segment, allocated and synced ahead
//   spare-7.prepared  a removed segment's file that is kept to be that one day, without its bytes
//   00000000000000000042.log.cut-512   bytes that recovery found behind the valid prefix, from
//                     position 512 on
//   *.deleted         what another broker was about to remove
//
// Names that are none of these belong to others and are left alone; Kafka's tools in turn ignore
// `.prepared`, `.cut-` and `.swap-`, and remove `.cleaned`.
enum class FileKind {
  kLog,
  kOffsetIndex,
  kTimeIndex,
  kTransactionIndex,
  kCleaned,
  kSwap,
  kPrepared,
  kDeleted,
  kOther
};

struct FileName {
  FileKind kind = FileKind::kOther;
  Offset base_offset = -1;       // of the first six kinds
  Offset last_base_offset = -1;  // of a swap
};

inline constexpr std::string_view kPreparedName = "next.prepared";

FileName ParseFileName(std::string_view name);
std::string SegmentFileName(Offset base_offset, FileKind kind);  // one of the first four kinds
std::string CleanedFileName(Offset base_offset, FileKind kind);  // likewise
std::string SwapFileName(Offset base_offset, Offset last_base_offset);
std::string SpareFileName(uint64_t number);
std::string ParentDirectory(const std::string& directory);
std::string JoinPath(const std::string& directory, std::string_view name);

}  // namespace millrace
