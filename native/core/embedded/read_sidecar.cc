#include "core/embedded/read_sidecar.h"

#include "core/log/segment_names.h"

namespace millrace {

Result<std::unique_ptr<ReadSidecar>> ReadSidecar::Open(const std::string& directory) {
  auto file = PosixDisk().Open(JoinPath(directory, kSidecarName), OpenMode::kRead);
  if (!file.ok()) return file.status();
  Result<FileFacts> facts = (*file)->Look();
  if (!facts.ok()) return facts.status();
  // One that is being made.
  if (facts->size < kSidecarBytes || !facts->named) return Status(Code::kNotFound);
  auto mapping = (*file)->Map(kSidecarBytes, false);
  if (!mapping.ok()) return mapping.status();
  std::unique_ptr<ReadSidecar> sidecar(
      new ReadSidecar(std::move(*file), std::move(*mapping)));  // private constructor
  // That of a boot before says nothing.
  if (!sidecar->page_.Known() || !SameBoot(sidecar->page_.boot_id(), CurrentBootId()))
    return Status(Code::kNotFound);
  if (sidecar->page_.facts().state != SidecarState::kOpen) return Status(Code::kNotFound);
  return sidecar;
}

bool ReadSidecar::Current() const {
  if (mapping_->damaged() || page_.facts().state != SidecarState::kOpen) return false;
  const Result<FileFacts> facts = file_->Look();
  return facts.ok() && facts->named && facts->size >= kSidecarBytes;
}

std::optional<OpenBatch> ReadSidecar::Load(SidecarFacts* facts) const {
  const std::optional<OpenBatch> batch = page_.Load();
  *facts = page_.facts();
  if (mapping_->damaged()) return std::nullopt;
  return batch;
}

}  // namespace millrace
