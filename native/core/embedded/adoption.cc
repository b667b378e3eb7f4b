#include "core/embedded/adoption.h"

#include <algorithm>

#include "core/embedded/batch_recovery.h"
#include "core/embedded/checkpoint.h"
#include "core/log/log_services.h"
#include "core/log/segment_names.h"

namespace millrace {
namespace {

constexpr size_t kOpenFiles = 8;

}  // namespace

// Most logs were never an app's, and cost one look at a name that is not there.
Status PrepareAdoption(Disk& disk, const std::string& directory, OpenPoint* point,
                       std::optional<BootId> boot_id) {
  Result<std::optional<Checkpoint>> checkpoint = ReadCheckpoint(disk, directory);
  if (!checkpoint.ok()) return checkpoint.status();
  if (!checkpoint->has_value()) return Status::Ok();
  const Checkpoint& known = **checkpoint;
  point->log_start_offset = std::max(point->log_start_offset, known.log_start_offset);
  if (known.clean) return Status::Ok();
  // The sidecar goes with a clean close, and when somebody else has opened the log: then the
  // checkpoint is of a time before.
  auto sidecar = disk.Open(JoinPath(directory, kSidecarName), OpenMode::kRead);
  if (sidecar.status().code() == Code::kNotFound) return Status::Ok();
  if (!sidecar.ok()) return sidecar.status();
  const BootId boot = boot_id.has_value() ? *boot_id : CurrentBootId();
  const OpenTrust trust = SameBoot(known.boot_id, boot) ? OpenTrust::kSameBoot : OpenTrust::kReboot;
  point->trust = std::max(point->trust, trust);
  point->recovery_point = known.recovery_point;
  LogServices services(kOpenFiles, LogServices::Background::kInline);
  return SealFromSidecar(disk, services.files(), directory, boot);
}

Status FinishAdoption(Disk& disk, const std::string& directory) {
  const Status status = disk.Unlink(JoinPath(directory, kSidecarName));
  return status.code() == Code::kNotFound ? Status::Ok() : status;
}

}  // namespace millrace
