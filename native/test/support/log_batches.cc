#include "test/support/log_batches.h"

#include <cstdlib>

#include "core/base/bytes.h"
#include "core/base/crc32c.h"
#include "core/log/log_view.h"
#include "test/support/random.h"

namespace millrace::test {
namespace {

void PutVarlong(std::vector<std::byte>* to, int64_t value) {
  uint64_t raw = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  for (; raw >= 0x80; raw >>= 7) to->push_back(static_cast<std::byte>(raw | 0x80));
  to->push_back(static_cast<std::byte>(raw));
}

}  // namespace

std::vector<std::byte> MakeBatch(const BatchPlan& plan) {
  std::vector<std::byte> batch(kBatchHeaderBytes);
  Random random(plan.content + 1);
  for (int32_t i = 0; i < plan.records; ++i) {
    std::vector<std::byte> body(1);
    PutVarlong(&body, i * plan.timestamp_step);
    PutVarlong(&body, i);
    PutVarlong(&body, -1);
    PutVarlong(&body, static_cast<int64_t>(plan.value_bytes));
    for (size_t j = 0; j < plan.value_bytes; ++j)
      body.push_back(static_cast<std::byte>(random.Next()));
    PutVarlong(&body, 0);
    PutVarlong(&batch, static_cast<int64_t>(body.size()));
    batch.insert(batch.end(), body.begin(), body.end());
  }
  std::byte* bytes = batch.data();
  const int64_t last_step = plan.timestamp_step > 0 ? (plan.records - 1) * plan.timestamp_step : 0;
  StoreBigEndian<int32_t>(bytes + 8, static_cast<int32_t>(batch.size() - kBatchLengthEnd));
  StoreBigEndian<int8_t>(bytes + 16, 2);
  StoreBigEndian<int16_t>(bytes + 21, plan.codec);
  StoreBigEndian<int32_t>(bytes + 23, plan.records - 1);
  StoreBigEndian<int64_t>(bytes + 27, plan.base_timestamp);
  StoreBigEndian<int64_t>(bytes + 35, plan.base_timestamp + last_step);
  StoreBigEndian<int64_t>(bytes + 43, -1);
  StoreBigEndian<int16_t>(bytes + 51, -1);
  StoreBigEndian<int32_t>(bytes + 53, -1);
  StoreBigEndian<int32_t>(bytes + 57, plan.records);
  StoreBigEndian<uint32_t>(bytes + 17, Crc32c(std::span(batch).subspan(21)));
  return batch;
}

std::vector<std::byte> BytesOf(const FileRegion& region) {
  std::vector<std::byte> bytes(static_cast<size_t>(region.length()));
  Result<size_t> got = region.Read(0, bytes);
  bytes.resize(got.ok() ? *got : 0);
  return bytes;
}

std::vector<std::byte> ReadAll(Log& log, Offset from, Offset limit) {
  std::vector<std::byte> all;
  while (from < limit) {
    Result<FileRegion> region = ReadWaiting(log, from, 1 << 20, limit, true);
    if (!region.ok() || region->length() == 0) return all;
    std::vector<std::byte> bytes = BytesOf(*region);
    for (size_t at = 0; at < bytes.size();) {
      BatchHeader header;
      if (!ParseBatchHeader(std::span(bytes).subspan(at), &header).ok()) return all;
      from = header.last_offset + 1;
      at += static_cast<size_t>(header.size_bytes);
    }
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  return all;
}

std::vector<BatchHeader> HeadersOf(Log& log, Offset from, Offset limit) {
  std::vector<BatchHeader> headers;
  while (from < limit) {
    BatchHeader some[16];
    Result<size_t> count = log.ReadHeaders(from, limit, some);
    if (!count.ok() || *count == 0) return headers;
    headers.insert(headers.end(), some, some + *count);
    from = headers.back().last_offset + 1;
  }
  return headers;
}

std::vector<std::byte> ReadFile(Disk& disk, const std::string& path) {
  Result<std::shared_ptr<File>> file = disk.Open(path, OpenMode::kRead);
  if (!file.ok()) return {};
  Result<uint64_t> size = (*file)->Size();
  std::vector<std::byte> bytes(size.ok() ? static_cast<size_t>(*size) : 0);
  Result<size_t> got = (*file)->ReadAt(0, bytes);
  bytes.resize(got.ok() ? *got : 0);
  return bytes;
}

void WriteFile(Disk& disk, const std::string& path, std::span<const std::byte> bytes) {
  Result<std::shared_ptr<File>> file = disk.Open(path, OpenMode::kCreateOrOpen);
  if (!file.ok() || !(*file)->Truncate(0).ok() || !(*file)->WriteAt(0, bytes).ok()) std::abort();
}

bool FileExists(Disk& disk, const std::string& path) {
  return disk.Open(path, OpenMode::kRead).ok();
}

Result<FileRegion> ReadWaiting(Log& log, Offset offset, uint64_t max_bytes, Offset limit,
                               bool whole_first_batch) {
  Result<FileRegion> region = log.Read(offset, max_bytes, limit, whole_first_batch);
  if (region.ok() || region.status().code() != Code::kWouldBlock) return region;
  const std::unique_ptr<LogView> view = log.View(offset, 8);
  region = view->Read(offset, max_bytes, limit, whole_first_batch);
  const Status learned = log.Learn(*view, region.status());
  if (!learned.ok()) return learned;
  return region;
}

TimestampPosition FindTimestamp(Log& log, int64_t timestamp, Offset limit) {
  return *log.View(log.log_start_offset())->FindTimestamp(timestamp, 0, limit);
}

TimestampPosition FindMaxTimestamp(Log& log, Offset limit) {
  return *log.View(log.log_start_offset())->FindMaxTimestamp(0, limit);
}

}  // namespace millrace::test
