#pragma once

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "test/support/clean_log.h"
#include "test/support/log_batches.h"
#include "test/support/random.h"
#include "test/support/sim_disk.h"

namespace millrace::test {

inline LogConfig CleanedSegments() {
  LogConfig config;
  config.segment_bytes = 2048;
  config.index_interval_bytes = 200;
  return config;
}

inline std::unique_ptr<SimDisk> NewCleanedDisk(uint64_t seed = 1) {
  auto disk = std::make_unique<SimDisk>(seed);
  if (!disk->MakeDirectory("/data").ok() || !disk->SyncDirectory("/").ok()) std::abort();
  return disk;
}

// How many names in the directory contain `part`.
inline size_t NamesWith(Disk& disk, const std::string& directory, const std::string& part) {
  const Result<std::vector<std::string>> names = disk.List(directory);
  if (!names.ok()) std::abort();
  return static_cast<size_t>(
      std::count_if(names->begin(), names->end(),
                    [&](const std::string& name) { return name.find(part) != std::string::npos; }));
}

// A log of keyed records beside what was appended to it. What a test does not expect ends the
// process.
class KeyedLog {
 public:
  explicit KeyedLog(Disk& disk, std::string directory = "/data/t-0",
                    LogConfig config = CleanedSegments(), LogServices* services = nullptr)
      : config(config), disk_(&disk), directory(std::move(directory)), services_(services) {
    Open(OpenTrust::kClean, 0);
  }

  Code TryOpen(OpenTrust trust, Offset recovery_point, Offset log_start = 0) {
    log_.reset();
    Result<std::unique_ptr<Log>> log =
        Log::Open(*disk_, directory, config, trust, recovery_point, log_start, &report, services_);
    if (log.ok()) log_ = std::move(*log);
    return log.status().code();
  }
  void Open(OpenTrust trust, Offset recovery_point, Offset log_start = 0) {
    if (TryOpen(trust, recovery_point, log_start) != Code::kOk) std::abort();
  }
  // On another disk, as a crash left it.
  void MoveTo(Disk& disk) {
    log_.reset();
    disk_ = &disk;
  }

  Offset Append(const BatchBuilder& builder, int16_t codec = 0) {
    Bytes batch = builder.Build();
    if (codec != 0) batch = FoldBatch(std::move(batch), codec);
    Appended appended;
    AppendOptions options;
    options.flags = kAppendInternal;
    if (!log_->Append(batch, options, &appended).ok()) std::abort();
    for (const KeyedRecord& record : RecordsOf(batch)) appended_.push_back(record);
    return appended.base_offset;
  }
  // One record in a batch of its own.
  Offset Put(const std::string& key, std::optional<std::string> value, int64_t timestamp = 1000) {
    BatchBuilder builder;
    builder.base_timestamp = timestamp;
    builder.Add({key, std::move(value)});
    return Append(builder);
  }
  // The next batch is the first of a new segment, and all before is sealed and durable.
  void Seal() {
    if (!log_->Roll().ok() || !log_->Flush().ok()) std::abort();
  }
  void Fill(Random& random, int batches, int keys, bool fold);

  std::vector<std::byte> Content() { return ReadAll(*log_, log_->log_start_offset(), end()); }
  std::vector<KeyedRecord> Records() { return RecordsOf(Content()); }
  const std::vector<KeyedRecord>& appended() const { return appended_; }
  CleanResult CleanAll(const CleanOptions& options = {}) {
    return Clean(*disk_, *log_, directory, config, options);
  }
  Offset end() const { return log_->log_end_offset(); }
  Log* operator->() { return log_.get(); }
  Log& operator*() { return *log_; }
  size_t segments() const {
    std::vector<SegmentFacts> facts(512);
    return *log_->ListSegments(false, facts);
  }

  LogConfig config;
  OpenReport report;

 private:
  Disk* disk_;

 public:
  const std::string directory;

 private:
  LogServices* services_;
  std::unique_ptr<Log> log_;
  std::vector<KeyedRecord> appended_;
};

inline void KeyedLog::Fill(Random& random, int batches, int keys, bool fold) {
  for (int i = 0; i < batches; ++i) {
    BatchBuilder builder;
    builder.base_timestamp = static_cast<int64_t>(1000 + 10 * appended_.size() + random.Below(500));
    const auto records = 1 + random.Below(4);
    for (uint64_t record = 0; record < records; ++record) {
      RecordSpec spec;
      if (!random.Chance(40)) {
        spec.key = "key-" + std::to_string(random.Below(static_cast<uint64_t>(keys)));
      }
      if (!random.Chance(6)) {
        spec.value = std::to_string(random.Next());
        spec.value->resize(random.Below(90), '.');
      }
      spec.timestamp_delta = static_cast<int64_t>(random.Below(20));
      builder.Add(spec);
    }
    Append(builder, fold && random.Chance(3) ? 4 : 0);
    if (random.Chance(50)) Seal();
  }
}

// What Kafka's rules leave of `records` when all keys below `end` are known.
inline std::vector<KeyedRecord> ExpectKept(const std::vector<KeyedRecord>& records, Offset end,
                                           bool tombstones) {
  std::map<std::string, Offset> last;
  for (const KeyedRecord& record : records) {
    if (record.offset < end && record.key.has_value()) last[*record.key] = record.offset;
  }
  std::vector<KeyedRecord> kept;
  for (const KeyedRecord& record : records) {
    const bool keep =
        record.offset >= end || (record.key.has_value() && last[*record.key] == record.offset &&
                                 (tombstones || record.value.has_value()));
    if (keep) kept.push_back(record);
  }
  return kept;
}

}  // namespace millrace::test
