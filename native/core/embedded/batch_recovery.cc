#include "core/embedded/batch_recovery.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "core/embedded/open_batch.h"
#include "core/embedded/record_writer.h"
#include "core/log/segment.h"
#include "core/log/segment_names.h"

namespace millrace {
namespace {

// As long as it was made in this boot and names a batch.
Result<std::optional<OpenBatch>> LoadSidecar(Disk& disk, const std::string& directory,
                                             const BootId& boot_id) {
  Result<std::shared_ptr<File>> file =
      disk.Open(JoinPath(directory, kSidecarName), OpenMode::kRead);
  if (file.status().code() == Code::kNotFound) return std::optional<OpenBatch>();
  if (!file.ok()) return file.status();
  alignas(8) std::byte page[kSidecarBytes];
  Result<size_t> got = (*file)->ReadAt(0, page);
  if (!got.ok()) return got.status();
  const Sidecar sidecar(page);
  if (*got < kSidecarBytes || !sidecar.Known() || !SameBoot(sidecar.boot_id(), boot_id))
    return std::optional<OpenBatch>();
  return sidecar.Load();
}

Result<bool> IsLastSegment(Disk& disk, const std::string& directory, Offset base_offset) {
  Result<std::vector<std::string>> names = disk.List(directory);
  if (!names.ok()) return names.status();
  return std::none_of(names->begin(), names->end(), [&](const std::string& name) {
    const FileName parsed = ParseFileName(name);
    return parsed.kind == FileKind::kLog && parsed.base_offset > base_offset;
  });
}

// Whether a batch lies at the place already: it was sealed, or others have gone on there.
Result<bool> HasBatch(File& log, uint64_t position, uint64_t size) {
  std::vector<std::byte> bytes(kBatchHeaderBytes);
  Result<size_t> got = log.ReadAt(position, bytes);
  if (!got.ok()) return got.status();
  BatchHeader header;
  if (*got < bytes.size() || !PeekBatchHeader(bytes, &header).ok()) return false;
  const auto length = static_cast<uint64_t>(header.size_bytes);
  if (length > size - position) return false;
  bytes.resize(length);
  got = log.ReadAt(position, bytes);
  if (!got.ok()) return got.status();
  return *got == length && BatchChecksumHolds(bytes);
}

}  // namespace

Status SealFromSidecar(Disk& disk, OpenFiles& files, const std::string& directory,
                       const BootId& boot_id) {
  Result<std::optional<OpenBatch>> loaded = LoadSidecar(disk, directory, boot_id);
  if (!loaded.ok()) return loaded.status();
  if (!loaded->has_value()) return Status::Ok();
  const OpenBatch& open = **loaded;

  Result<bool> last = IsLastSegment(disk, directory, open.segment_base_offset);
  if (!last.ok()) return last.status();
  if (!*last) return Status::Ok();
  Segment segment(disk, files, directory, open.segment_base_offset, 4096);
  Result<std::shared_ptr<File>> log = segment.Open();
  if (log.status().code() == Code::kNotFound) return Status::Ok();
  if (!log.ok()) return log.status();
  Result<uint64_t> size = (*log)->Size();
  if (!size.ok()) return size.status();
  if (*size < uint64_t{open.position} + open.bytes) return Status::Ok();
  Result<bool> sealed = HasBatch(**log, open.position, *size);
  if (!sealed.ok()) return sealed.status();
  if (*sealed) return Status::Ok();
  Result<SegmentTail> tail = segment.ReadTail(open.position);
  if (!tail.ok()) return tail.status();
  const ScanResult& scan = tail->scan;
  if (scan.broken || scan.length != open.position || scan.end_offset != open.base_offset)
    return Status::Ok();

  if (open.bytes > 0) {
    if (open.bytes <= kBatchHeaderBytes || open.record_count == 0) return Status(Code::kCorrupt);
    std::vector<std::byte> batch(open.bytes);
    Result<size_t> got = (*log)->ReadAt(open.position, batch);
    if (!got.ok()) return got.status();
    if (*got < batch.size()) return Status(Code::kCorrupt);
    (void)WriteBatchHeader(batch, open.base_offset, open.base_timestamp, open.max_timestamp,
                           open.record_count);
    AppendOptions options;
    options.max_batch_bytes = UINT32_MAX;
    options.flags = kAppendInternal;  // its base offset is fixed
    BatchHeader header;
    Appended verdict;
    if (!CheckBatch(batch, options, &header, &verdict).ok()) return Status(Code::kCorrupt);
    const auto bytes = std::span(batch).first(kBatchHeaderBytes);
    if (Status status = (*log)->WriteAt(open.position, bytes); !status.ok()) return status;
  }
  // Behind it lies at most a record whose append has not returned.
  return (*log)->Truncate(uint64_t{open.position} + open.bytes);
}

}  // namespace millrace
