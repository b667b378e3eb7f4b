#include <sstream>

#include "core/log/segment_names.h"
#include "test/support/log_host.h"
#include "test/support/random.h"

namespace millrace::test {
namespace {

const std::string kRoot = "/data";
const char* const kCleanMarker = ".kafka_cleanshutdown";
const char* const kMetadata = "partition.metadata";

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool Gone(const Status& status) { return status.ok() || status.code() == Code::kNotFound; }

}  // namespace

std::string LogHost::PathOf(int log) const { return JoinPath(kRoot, NameOf(log)); }

Offset LogHost::Checkpoint::Of(const std::string& name) const {
  auto found = offsets.find(name);
  return found == offsets.end() ? 0 : found->second;
}

Offset LogHost::Checkpoint::Highest(const std::string& name) const {
  auto found = possible.find(name);
  const Offset written =
      found == possible.end() || found->second.empty() ? 0 : *found->second.rbegin();
  return std::max(written, Of(name));
}

bool LogHost::ReadFile(const std::string& path, std::string* content, bool* there) {
  Result<std::shared_ptr<File>> file = disk_->Open(path, OpenMode::kRead);
  *there = file.ok();
  if (!file.ok()) return file.status().code() == Code::kNotFound;
  Result<uint64_t> size = (*file)->Size();
  if (!size.ok()) return false;
  content->resize(static_cast<size_t>(*size));
  Result<size_t> got = (*file)->ReadAt(0, std::as_writable_bytes(std::span(*content)));
  return got.ok() && *got == content->size();
}

// To a temporary, which is synced and renamed, and the directory synced.
bool LogHost::ReplaceFile(const std::string& directory, const std::string& name,
                          const std::string& text) {
  const std::string path = JoinPath(directory, name);
  Result<std::shared_ptr<File>> file = disk_->Open(path + ".tmp", OpenMode::kCreateOrOpen);
  if (!file.ok() || !(*file)->Truncate(0).ok()) return false;
  if (!(*file)->WriteAt(0, std::as_bytes(std::span(text))).ok()) return false;
  if (!(*file)->Sync().ok()) return false;
  return disk_->Rename(path + ".tmp", path).ok() && disk_->SyncDirectory(directory).ok();
}

bool LogHost::Load(Checkpoint& checkpoint) {
  std::string text;
  bool there = false;
  checkpoint.offsets.clear();
  if (!ReadFile(JoinPath(kRoot, checkpoint.file), &text, &there)) return false;
  std::istringstream lines(text);
  std::string name;
  Offset offset = 0;
  while (lines >> name >> offset) checkpoint.offsets[name] = offset;
  for (int log = 0; log < kLogs; ++log) {
    std::set<Offset>& possible = checkpoint.possible[NameOf(log)];
    if (possible.empty()) possible = {0};
    const Offset found = checkpoint.Of(NameOf(log));
    if (!possible.contains(found))
      Blame(log, std::string(checkpoint.file) + " says " + std::to_string(found));
    // After a kill the directory may still be unsynced: a power loss can bring the other file back.
    if (power_lost_) possible = {found};
  }
  return true;
}

bool LogHost::Write(Checkpoint& checkpoint) {
  std::string text;
  for (int log = 0; log < kLogs; ++log) {
    const std::string name = NameOf(log);
    const Offset offset = checkpoint.Of(name);
    checkpoint.possible[name].insert(offset);
    if (offset > 0) text += name + " " + std::to_string(offset) + "\n";
  }
  if (!ReplaceFile(kRoot, checkpoint.file, text)) return false;
  for (int log = 0; log < kLogs; ++log)
    checkpoint.possible[NameOf(log)] = {checkpoint.Of(NameOf(log))};
  return true;
}

bool LogHost::SetAndWrite(Checkpoint& checkpoint, int log, Offset offset) {
  checkpoint.offsets[NameOf(log)] = offset;
  return Write(checkpoint);
}

// Before a directory of this name exists again: what the files say of an older one would make the
// new one look damaged.
bool LogHost::Forget(int log) {
  for (Checkpoint* checkpoint : {&recovery_points_, &log_starts_}) {
    checkpoint->offsets.erase(NameOf(log));
    if (checkpoint->Highest(NameOf(log)) > 0 && !Write(*checkpoint)) return false;
  }
  return true;
}

bool LogHost::TakeCleanMarker(bool* was_there) {
  const std::string path = JoinPath(kRoot, kCleanMarker);
  std::string content;
  if (!ReadFile(path, &content, was_there)) return false;
  if (*was_there && !closed_cleanly_) Blame(0, "the clean marker came back");
  if (!*was_there) return true;
  if (!disk_->Unlink(path).ok() || !disk_->SyncDirectory(kRoot).ok()) return false;
  closed_cleanly_ = false;
  return true;
}

bool LogHost::Claim(int log, bool* is_new) {
  const std::string path = PathOf(log);
  const std::string id = std::to_string(TopicOf(log).id);
  std::string owner;
  bool owned = false;
  if (!ReadFile(JoinPath(path, kMetadata), &owner, &owned)) return false;
  if (owned && owner != id && !SetAside(path, owner)) return false;
  Result<std::vector<std::string>> names = disk_->List(path);
  *is_new = names.status().code() == Code::kNotFound;
  if (!names.ok() && !*is_new) return false;
  if (*is_new && (!Forget(log) || !disk_->MakeDirectory(path).ok())) return false;
  return (owned && owner == id) || ReplaceFile(path, kMetadata, id);
}

bool LogHost::SetAside(const std::string& path, const std::string& owner) {
  return disk_->Rename(path, path + "." + owner + "-stray").ok();
}

bool LogHost::RemoveTree(const std::string& path) {
  Result<std::vector<std::string>> names = disk_->List(path);
  if (!names.ok()) return false;
  for (const std::string& name : *names) {
    if (!Gone(disk_->Unlink(JoinPath(path, name)))) return false;
  }
  return disk_->RemoveDirectory(path).ok();
}

// What deletions left behind goes, and what belongs to no topic is set aside.
bool LogHost::Sweep() {
  Result<std::vector<std::string>> names = disk_->List(kRoot);
  if (!names.ok()) return false;
  for (const std::string& name : *names) {
    if (EndsWith(name, "-delete") && !RemoveTree(JoinPath(kRoot, name))) return false;
    for (int log = 0; log < kLogs; ++log) {
      if (name != NameOf(log) || TopicOf(log).exists) continue;
      const std::string owner = "unknown-" + std::to_string(next_id_++);
      if (!SetAside(PathOf(log), owner)) return false;
    }
  }
  return true;
}

// Somebody else's doing, while no process runs. `how` says which files and what becomes of them.
bool LogHost::DamageIndexes(int log, uint64_t how) {
  Result<std::vector<std::string>> names = disk_->List(PathOf(log));
  if (!names.ok()) return names.status().code() == Code::kNotFound;
  Random random(how);
  for (const std::string& name : *names) {
    const FileKind kind = ParseFileName(name).kind;
    if (kind != FileKind::kOffsetIndex && kind != FileKind::kTimeIndex) continue;
    if (how > 0 && random.Chance(3)) continue;
    const std::string path = JoinPath(PathOf(log), name);
    if (how == 0 || random.Chance(2)) {
      if (!disk_->Unlink(path).ok()) return false;
      continue;
    }
    Result<std::shared_ptr<File>> file = disk_->Open(path, OpenMode::kReadWrite);
    if (!file.ok()) return false;
    Result<uint64_t> size = (*file)->Size();
    if (!size.ok()) return false;
    const uint64_t at = random.Below(*size);
    const uint64_t noise = random.Next();
    const bool cut = random.Chance(3);
    const Status status =
        cut ? (*file)->Truncate(at | 1)
            : (*file)->WriteAt(at, std::as_bytes(std::span(&noise, 1)).first(1 + noise % 8));
    if (!status.ok()) return false;
  }
  return true;
}

}  // namespace millrace::test
