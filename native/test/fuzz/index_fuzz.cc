// Any bytes as an index: whatever they say, the log opens, every offset leads to its batch, and
// appending goes on. Only lookups by time may be misled, and only to another readable record.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "core/log/log_view.h"
#include "test/support/log_batches.h"
#include "test/support/log_subject.h"
#include "test/support/sim_disk.h"

namespace {

using namespace millrace;
using namespace millrace::test;

const char* const kDirectory = "/topic-0";

void Require(bool holds) {
  if (!holds) std::abort();
}

struct Template {
  std::map<std::string, std::vector<std::byte>> files;
  std::vector<std::string> indexes;
  std::vector<std::byte> content;
  Offset end = 0;
};

LogConfig Config() {
  LogConfig config;
  config.segment_bytes = 6000;
  config.index_interval_bytes = 200;
  return config;
}

Template Make() {
  Template made;
  SimDisk disk;
  Subject log(disk, kDirectory, Config());
  log.AppendMany(80);
  made.content = log.Appended();
  made.end = log.end();
  Require(log->Close(true).ok());
  Result<std::vector<std::string>> names = disk.List(kDirectory);
  for (const std::string& name : *names) {
    made.files[name] = ReadFile(disk, log.Path(name));
    if (!name.ends_with(".log")) made.indexes.push_back(name);
  }
  return made;
}

// The first byte chooses the index, the second what to do with the rest: it replaces the content,
// is laid over it, or follows it.
std::vector<std::byte> Harm(std::vector<std::byte> bytes, uint8_t how,
                            std::span<const std::byte> with) {
  if (how % 3 == 0) return {with.begin(), with.end()};
  if (how % 3 == 1) {
    const size_t from = bytes.empty() ? 0 : (how / 3) % bytes.size();
    for (size_t i = 0; i < with.size() && from + i < bytes.size(); ++i) bytes[from + i] = with[i];
    return bytes;
  }
  bytes.insert(bytes.end(), with.begin(), with.end());
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Template made = Make();
  if (size < 3) return 0;
  const std::string& harmed = made.indexes[data[0] % made.indexes.size()];
  const std::span<const std::byte> with(reinterpret_cast<const std::byte*>(data) + 3, size - 3);

  SimDisk disk;
  Require(disk.MakeDirectory(kDirectory).ok());
  for (const auto& [name, bytes] : made.files) {
    WriteFile(disk, std::string(kDirectory) + "/" + name,
              name == harmed ? Harm(bytes, data[1], with) : bytes);
  }
  const auto trust = static_cast<OpenTrust>(data[2] % 3);
  Subject log(disk, kDirectory, Config(), nullptr, trust);
  for (int round = 0; round < 2; ++round) {
    Require(log.end() == made.end);
    Require(log.Content() == made.content);
    for (Offset offset = 0; offset < made.end; ++offset) {
      Result<FileRegion> region = ReadWaiting(*log, offset, 1, INT64_MAX, true);
      Require(region.ok());
      BatchHeader header;
      Require(ParseBatchHeader(BytesOf(*region), &header).ok());
      Require(header.base_offset <= offset && header.last_offset >= offset);
    }
    for (int64_t timestamp = 900; timestamp < 3000; timestamp += 100) {
      Result<TimestampPosition> found = log->View(0)->FindTimestamp(timestamp, 0, INT64_MAX);
      Require(found.ok() && found->offset < made.end);
      Require(found->offset < 0 || found->timestamp >= timestamp);
    }
    Require(log->View(0)->FindMaxTimestamp(0, INT64_MAX).ok());
    if (round == 0) log.CloseAndOpen();
  }
  log.AppendMany(40);
  const Offset end = log.end();
  log.CloseAndOpen();
  Require(log.end() == end);
  return 0;
}
