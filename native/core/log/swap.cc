#include "core/log/swap.h"

#include <vector>

#include "core/log/segment_names.h"

namespace millrace {
namespace {

constexpr FileKind kIndexKinds[] = {FileKind::kOffsetIndex, FileKind::kTimeIndex,
                                    FileKind::kTransactionIndex};

bool Missing(const Status& status) { return status.ok() || status.code() == Code::kNotFound; }

bool IsOfSegment(FileKind kind) {
  return kind == FileKind::kLog || kind == FileKind::kOffsetIndex || kind == FileKind::kTimeIndex ||
         kind == FileKind::kTransactionIndex;
}

}  // namespace

Status SyncNames(Disk& disk, OpenFiles& files, const std::string& directory) {
  Status status = disk.SyncDirectory(directory);
  if (status.code() != Code::kTooManyFiles) return status;
  files.CloseIdle();  // nothing was synced and nothing has failed yet
  return disk.SyncDirectory(directory);
}

Status FinishSwap(Disk& disk, OpenFiles& files, const std::string& directory,
                  const SwapNames& names) {
  Result<std::vector<std::string>> listed = disk.List(directory);
  if (listed.status().code() == Code::kTooManyFiles) {
    files.CloseIdle();
    listed = disk.List(directory);
  }
  if (!listed.ok()) return listed.status();
  for (const std::string& name : *listed) {
    const FileName parsed = ParseFileName(name);
    if (!IsOfSegment(parsed.kind) || parsed.base_offset <= names.base_offset ||
        parsed.base_offset > names.last_base_offset) {
      continue;
    }
    if (Status status = disk.Unlink(JoinPath(directory, name)); !Missing(status)) return status;
  }
  // One that is not there has its name already: they were all durable before the swap's.
  for (const FileKind kind : kIndexKinds) {
    Status status = disk.Rename(JoinPath(directory, CleanedFileName(names.base_offset, kind)),
                                JoinPath(directory, SegmentFileName(names.base_offset, kind)));
    if (!Missing(status)) return status;
  }
  if (Status status = SyncNames(disk, files, directory); !status.ok()) return status;
  const std::string swap = SwapFileName(names.base_offset, names.last_base_offset);
  Status status =
      disk.Rename(JoinPath(directory, swap),
                  JoinPath(directory, SegmentFileName(names.base_offset, FileKind::kLog)));
  if (!Missing(status)) return status;
  return SyncNames(disk, files, directory);
}

Status DropSwap(Disk& disk, OpenFiles& files, const std::string& directory,
                const SwapNames& names) {
  const std::string swap = SwapFileName(names.base_offset, names.last_base_offset);
  if (Status status = disk.Unlink(JoinPath(directory, swap)); !Missing(status)) return status;
  for (const FileKind kind : kIndexKinds) {
    const std::string name = CleanedFileName(names.base_offset, kind);
    if (Status status = disk.Unlink(JoinPath(directory, name)); !Missing(status)) return status;
  }
  return SyncNames(disk, files, directory);
}

}  // namespace millrace
