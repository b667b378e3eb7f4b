#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/log/log.h"

namespace millrace::test {

// A batch as a client writes it: base offset 0, uncompressed, without producer id, checksum right.
struct BatchPlan {
  int32_t records = 1;
  size_t value_bytes = 100;
  uint64_t content = 0;           // values are drawn from it, so that two batches never look alike
  int64_t base_timestamp = 1000;  // record i has base_timestamp + i * timestamp_step
  int64_t timestamp_step = 1;
  int16_t codec = 0;  // other than 0: only the header says so, and the records are noise
};
std::vector<std::byte> MakeBatch(const BatchPlan& plan);

// All bytes of a region.
std::vector<std::byte> BytesOf(const FileRegion& region);
// A read that waits for the disk where it has to, by way of a view.
Result<FileRegion> ReadWaiting(Log& log, Offset offset, uint64_t max_bytes, Offset limit,
                               bool whole_first_batch);
// All bytes of [from, limit), region after region; stops at the first error.
std::vector<std::byte> ReadAll(Log& log, Offset from, Offset limit);
// A search over all of the log, as a thread would do it that may wait for the disk.
TimestampPosition FindTimestamp(Log& log, int64_t timestamp, Offset limit = INT64_MAX);
TimestampPosition FindMaxTimestamp(Log& log, Offset limit = INT64_MAX);
// The headers of [from, limit).
std::vector<BatchHeader> HeadersOf(Log& log, Offset from, Offset limit);

// The whole of a file, and a file's whole content replaced.
std::vector<std::byte> ReadFile(Disk& disk, const std::string& path);
void WriteFile(Disk& disk, const std::string& path, std::span<const std::byte> bytes);
bool FileExists(Disk& disk, const std::string& path);

}  // namespace millrace::test
