// A log whose files were damaged in any way, opened with any trust: it opens or is refused without
// a change. What opens is a walkable log, is found the same by a second start, and goes on; after a
// power loss its batches above the recovery point are ones that were appended.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/log/log_view.h"
#include "test/support/log_subject.h"
#include "test/support/sim_disk.h"

namespace {

using namespace millrace;
using namespace millrace::test;

using Files = std::map<std::string, std::vector<std::byte>>;
using Bytes = std::vector<std::byte>;

const char* const kDirectory = "/topic-0";
constexpr size_t kBehindChecksum = 21;  // base offset and leader epoch lie before it

void Require(bool holds) {
  if (!holds) std::abort();
}

LogConfig Config() {
  LogConfig config;
  config.segment_bytes = 6000;
  config.index_interval_bytes = 400;
  return config;
}

struct Template {
  Files files;  // as a killed process leaves them
  std::vector<std::string> names;
  std::set<Bytes> bodies;  // of the batches, without what the checksum leaves out
  Offset end = 0;
};

Bytes BodyOf(std::span<const std::byte> batch) {
  return {batch.begin() + kBehindChecksum, batch.end()};
}

Files FilesOn(SimDisk& disk) {
  Files files;
  Result<std::vector<std::string>> names = disk.List(kDirectory);
  Require(names.ok());
  for (const std::string& name : *names)
    files[name] = ReadFile(disk, std::string(kDirectory) + "/" + name);
  return files;
}

Template Make() {
  Template made;
  SimDisk disk;
  Subject log(disk, kDirectory, Config());
  log.AppendMany(70);
  for (const Bytes& batch : log.batches) made.bodies.insert(BodyOf(batch));
  made.end = log.end();
  made.files = FilesOn(disk);
  for (const auto& [name, bytes] : made.files) made.names.push_back(name);
  return made;
}

// Seven bytes each: file, kind, position (2), length (2), value.
void Harm(Files* files, const std::vector<std::string>& names, const uint8_t* data, size_t size) {
  for (; size >= 7; data += 7, size -= 7) {
    Bytes& bytes = (*files)[names[data[0] % names.size()]];
    const size_t position = std::min<size_t>(data[2] | data[3] << 8, bytes.size());
    const size_t length = std::min<size_t>(data[4] | data[5] << 8, bytes.size() - position);
    const auto from = bytes.begin() + static_cast<ptrdiff_t>(position);
    const auto value = static_cast<std::byte>(data[6]);
    switch (data[1] % 6) {
      case 0:
        if (position < bytes.size()) *from ^= value;
        break;
      case 1:
        std::fill(from, from + static_cast<ptrdiff_t>(length), std::byte{0});
        break;
      case 2:
        bytes.resize(position);
        break;
      case 3: {
        const Bytes piece(from, from + static_cast<ptrdiff_t>(length));
        const size_t to = bytes.size() * data[6] / 256;
        std::copy_n(piece.begin(), std::min(length, bytes.size() - to),
                    bytes.begin() + static_cast<ptrdiff_t>(to));
        break;
      }
      case 4:
        bytes.resize(bytes.size() + length % 4096, value);
        break;
      default:
        std::fill(from, from + static_cast<ptrdiff_t>(length), value);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Template made = Make();
  if (size < 3 || size > 3 + 7 * 20) return 0;
  const auto trust = static_cast<OpenTrust>(data[0] % 3);
  const Offset recovery_point = data[1] % (made.end + 1);
  Files files = made.files;
  Harm(&files, made.names, data + 3, size - 3);
  if (data[2] < made.names.size()) files.erase(made.names[data[2]]);

  SimDisk disk;
  Require(disk.MakeDirectory(kDirectory).ok());
  for (const auto& [name, bytes] : files)
    WriteFile(disk, std::string(kDirectory) + "/" + name, bytes);
  const Files before = FilesOn(disk);

  OpenReport report;
  {
    Result<std::unique_ptr<Log>> opened =
        Log::Open(disk, kDirectory, Config(), trust, recovery_point, 0, &report);
    if (!opened.ok()) {
      Require(opened.status().code() == Code::kCorrupt);
      const Files after = FilesOn(disk);
      for (const auto& [name, bytes] : before) {
        if (name.ends_with(".log")) Require(after.at(name) == bytes);
      }
      return 0;
    }
    Log& found = **opened;
    const Offset end = found.log_end_offset();
    Require(end >= recovery_point);
    const Bytes content = ReadAll(found, found.log_start_offset(), end);
    Offset next = found.log_start_offset();
    Offset previous = -1;
    bool damaged = false;  // where the trust says not to look, damage shows when it is read
    for (size_t at = 0; at < content.size() && !damaged;) {
      BatchHeader header;
      Require(ParseBatchHeader(std::span(content).subspan(at), &header).ok());
      std::span<const std::byte> batch =
          std::span(content).subspan(at, static_cast<size_t>(header.size_bytes));
      at += batch.size();
      damaged = header.base_offset != next;
      const bool looked_at = trust == OpenTrust::kReboot && previous >= recovery_point;
      // Nothing contradicts a too large offset of the last batch: no checksum covers it.
      Require(!damaged || !looked_at || (header.base_offset > next && at == content.size()));
      if (looked_at) Require(made.bodies.contains(BodyOf(batch)));
      previous = header.base_offset;
      next = header.last_offset + 1;
    }
    damaged |= next != end;
    (void)found.View(0)->FindTimestamp(1500, 0, INT64_MAX);
    (void)found.View(0)->FindMaxTimestamp(0, INT64_MAX);
    if (damaged || found.failed()) return 0;  // damage below what was checked, found while reading
    BatchPlan plan{.content = 12345};
    Bytes batch = MakeBatch(plan);
    Appended appended;
    Require(found.Append(batch, {}, &appended).ok());
    Require(appended.base_offset == end);
    Require(found.Close(true).ok());
  }
  {
    Result<std::unique_ptr<Log>> again =
        Log::Open(disk, kDirectory, Config(), OpenTrust::kClean, recovery_point, 0, &report);
    Require(again.ok());
    Require(report.cut_bytes == 0);
  }
  return 0;
}
