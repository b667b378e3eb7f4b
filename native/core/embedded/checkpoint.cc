#include "core/embedded/checkpoint.h"

#include <charconv>
#include <cstdio>
#include <map>
#include <string_view>

#include "core/log/segment_names.h"

namespace millrace {
namespace {

constexpr std::string_view kTemporaryName = "embedded-log.tmp";
constexpr size_t kMostBytes = 4096;
constexpr int64_t kVersion = 1;

using Lines = std::map<std::string, std::string, std::less<>>;

Lines Parse(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t sign = line.find('=');
    if (sign == std::string_view::npos) continue;
    lines.emplace(line.substr(0, sign), line.substr(sign + 1));
  }
  return lines;
}

bool Number(const Lines& lines, std::string_view name, int64_t* value) {
  const auto found = lines.find(name);
  if (found == lines.end()) return false;
  const std::string& text = found->second;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), *value);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && *value >= 0;
}

std::string Hex(const BootId& id) {
  std::string text;
  for (const std::byte byte : id) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(byte));
    text += digits;
  }
  return text;
}

bool FromHex(const std::string& text, BootId* id) {
  if (text.size() != 2 * id->size()) return false;
  for (size_t i = 0; i < id->size(); ++i) {
    uint8_t value;
    const char* digits = text.data() + 2 * i;
    const auto parsed = std::from_chars(digits, digits + 2, value, 16);
    if (parsed.ec != std::errc() || parsed.ptr != digits + 2) return false;
    (*id)[i] = std::byte{value};
  }
  return true;
}

Status PutFile(Disk& disk, const std::string& path, const std::string& text) {
  Result<std::shared_ptr<File>> file = disk.Open(path, OpenMode::kCreateOrOpen);
  if (!file.ok()) return file.status();
  if (Status status = (*file)->Truncate(0); !status.ok()) return status;
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  if (Status status = (*file)->WriteAt(0, bytes); !status.ok()) return status;
  return (*file)->Sync();
}

}  // namespace

Result<std::optional<Checkpoint>> ReadCheckpoint(Disk& disk, const std::string& directory) {
  Result<std::shared_ptr<File>> file =
      disk.Open(JoinPath(directory, kCheckpointName), OpenMode::kRead);
  if (file.status().code() == Code::kNotFound) return std::optional<Checkpoint>();
  if (!file.ok()) return file.status();
  std::string text(kMostBytes, '\0');
  Result<size_t> got = (*file)->ReadAt(0, std::as_writable_bytes(std::span(text)));
  if (!got.ok()) return got.status();
  const Lines lines = Parse(std::string_view(text).substr(0, *got));
  Checkpoint checkpoint;
  int64_t version;
  int64_t clean;
  const auto boot = lines.find("boot");
  const bool sound = Number(lines, "version", &version) && version == kVersion &&
                     Number(lines, "clean", &clean) &&
                     Number(lines, "start", &checkpoint.log_start_offset) &&
                     Number(lines, "recovery", &checkpoint.recovery_point) &&
                     Number(lines, "end", &checkpoint.end_offset) && boot != lines.end() &&
                     FromHex(boot->second, &checkpoint.boot_id);
  if (!sound) return Status(Code::kCorrupt);
  checkpoint.clean = clean != 0;
  (void)Number(lines, "compacted", &checkpoint.compacted_offset);
  return std::optional<Checkpoint>(checkpoint);
}

Status WriteCheckpoint(Disk& disk, const std::string& directory, const Checkpoint& checkpoint) {
  const std::string temporary = JoinPath(directory, kTemporaryName);
  const std::string text = "version=" + std::to_string(kVersion) +
                           "\nboot=" + Hex(checkpoint.boot_id) +
                           "\nclean=" + (checkpoint.clean ? "1" : "0") +
                           "\nstart=" + std::to_string(checkpoint.log_start_offset) +
                           "\nrecovery=" + std::to_string(checkpoint.recovery_point) +
                           "\nend=" + std::to_string(checkpoint.end_offset) +
                           "\ncompacted=" + std::to_string(checkpoint.compacted_offset) + "\n";
  if (Status status = PutFile(disk, temporary, text); !status.ok()) return status;
  if (Status status = disk.Rename(temporary, JoinPath(directory, kCheckpointName)); !status.ok())
    return status;
  return disk.SyncDirectory(directory);
}

}  // namespace millrace
