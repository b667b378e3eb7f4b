// The fault sweep over compaction: keyed records are appended, flushed, rolled and cleaned in
// turns, and the process dies at any disk call of it. Of each key the latest value that is there
// counts.
#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/log/log_services.h"
#include "test/support/clean_log.h"
#include "test/support/log_batches.h"
#include "test/support/random.h"
#include "test/support/sim_disk.h"
#include "test/support/sweep.h"

namespace millrace::test {
namespace {

const char* const kDirectory = "/data/compacted-0";
constexpr int32_t kLeaderEpoch = 7;
constexpr int64_t kRetentionMs = 1000;

LogConfig Config() {
  LogConfig config;
  config.segment_bytes = 1500;
  config.index_interval_bytes = 200;
  return config;
}

// A compacted log and what must be true of it, as LogModel is for others.
class CompactedLog {
 public:
  explicit CompactedLog(SimDisk& disk) : disk_(&disk) {}

  bool Open(OpenTrust trust) {
    log_.reset();
    Result<std::unique_ptr<Log>> log =
        Log::Open(*disk_, kDirectory, Config(), trust, recovery_point_, 0, nullptr, &services_);
    if (log.ok()) log_ = std::move(*log);
    return log.ok();
  }

  bool Append(Random& random) {
    BatchBuilder builder;
    builder.base_timestamp = 1000 + static_cast<int64_t>(appended_.size());
    for (uint64_t i = 0, records = 1 + random.Below(3); i < records; ++i) {
      RecordSpec record;
      record.key = "key-" + std::to_string(random.Below(6));
      if (!random.Chance(4)) record.value = std::to_string(random.Next()) + std::string(90, '.');
      builder.Add(record);
    }
    Bytes batch = builder.Build();
    Appended appended;
    const Status status =
        log_->Append(batch, AppendOptions{.leader_epoch = kLeaderEpoch}, &appended);
    const bool stamped = LoadBigEndian<int32_t>(batch.data() + kBatchLengthEnd) == kLeaderEpoch;
    if (status.ok() || (stamped && (disk_->crashed() || log_->failed()))) {
      for (KeyedRecord& record : RecordsOf(batch)) appended_.push_back(std::move(record));
    }
    if (status.ok()) certain_end_ = log_->log_end_offset();
    return status.ok();
  }

  bool Flush() {
    const Result<DurablePoint> point = log_->Flush();
    if (!point.ok()) return false;
    promised_end_ = point->offset;
    return true;
  }
  void Checkpoint() { recovery_point_ = log_->durable_offset(); }

  // Everything that is sealed, `now_ms` in the life of the log.
  bool Clean(int64_t now_ms, int16_t codec = 0) {
    if (!log_->Roll().ok() || !Flush()) return false;
    CleanOptions options;
    options.codec = codec;
    options.first_dirty = clean_end_;
    options.now_ms = now_ms;
    options.delete_retention_ms = kRetentionMs;
    cleaned_below_ = log_->active_base_offset();
    const CleanResult result = test::Clean(*disk_, *log_, kDirectory, Config(), options);
    if (result.status.ok()) clean_end_ = result.clean_end;
    return result.status.ok();
  }

  // The same without dropping anything.
  bool Fold(int16_t codec) {
    if (!log_->Roll().ok() || !Flush()) return false;
    CleanOptions options;
    options.compacts = false;
    options.codec = codec;
    return test::Clean(*disk_, *log_, kDirectory, Config(), options).status.ok();
  }

  bool CloseAndOpen() {
    const bool closed = log_->Close(true).ok();
    log_.reset();
    if (!closed) return false;
    promised_end_ = recovery_point_ = certain_end_;
    return Open(OpenTrust::kClean);
  }
  bool failed() const { return log_ == nullptr || log_->failed(); }

  // The same promises on the disk that a crash has left.
  std::unique_ptr<CompactedLog> After(SimDisk& disk, bool power_loss) const {
    auto after = std::make_unique<CompactedLog>(disk);
    after->appended_ = appended_;
    after->promised_end_ = promised_end_;
    after->certain_end_ = power_loss ? promised_end_ : certain_end_;
    after->recovery_point_ = recovery_point_;
    after->clean_end_ = clean_end_;
    after->cleaned_below_ = cleaned_below_;
    return after;
  }

  // What does not hold of the records that can be read; empty: everything does.
  std::string Check() {
    const Offset end = log_->log_end_offset();
    if (end < certain_end_) return "it ends at " + std::to_string(end);
    std::map<Offset, const KeyedRecord*> known;
    std::map<std::string, const KeyedRecord*> latest;
    for (const KeyedRecord& record : appended_) {
      if (record.offset >= end) continue;
      known[record.offset] = &record;
      latest[*record.key] = &record;
    }
    const std::vector<KeyedRecord> found = RecordsOf(ReadAll(*log_, 0, end));
    std::map<std::string, Offset> last;
    Offset before = -1;
    for (const KeyedRecord& record : found) {
      const std::string at = " at offset " + std::to_string(record.offset);
      if (record.offset <= before) return "wrong order" + at;
      before = record.offset;
      if (!known.contains(record.offset)) return "a record that was never appended" + at;
      if (*known[record.offset] != record) return "another record" + at;
      last[*record.key] = record.offset;
    }
    for (const auto& [key, record] : latest) {
      const auto there = last.find(key);
      // A tombstone may go, once it is old; and with it all that it deleted.
      if (there == last.end() && !record->value.has_value()) continue;
      if (there == last.end()) return key + " is lost";
      if (there->second != record->offset)
        return key + " is that of offset " + std::to_string(there->second) + ", not of " +
               std::to_string(record->offset);
    }
    // What no pass was given is all there.
    for (const auto& [offset, record] : known) {
      if (offset < cleaned_below_) continue;
      if (std::none_of(found.begin(), found.end(),
                       [&](const KeyedRecord& each) { return each.offset == offset; }))
        return "offset " + std::to_string(offset) + " was not cleaned and is lost";
    }
    return "";
  }

  std::string CheckNames() {
    const Result<std::vector<std::string>> names = disk_->List(kDirectory);
    if (!names.ok()) return "";
    for (const std::string& name : *names) {
      if (name.find(".cleaned") != std::string::npos || name.find(".swap") != std::string::npos)
        return name + " is left over";
    }
    return "";
  }

  // As the next process does it: opens, looks, goes on, cleans again, and looks again.
  std::string Recover(OpenTrust trust) {
    if (!Open(trust)) return "it is refused";
    certain_end_ = promised_end_ = log_->log_end_offset();
    while (!appended_.empty() && appended_.back().offset >= certain_end_) appended_.pop_back();
    if (std::string wrong = Check(); !wrong.empty()) return wrong;
    if (std::string wrong = CheckNames(); !wrong.empty()) return wrong;
    std::unique_ptr<SimDisk> again = disk_->Reboot(static_cast<uint64_t>(certain_end_) + 7);
    const std::unique_ptr<CompactedLog> second = After(*again, true);
    if (!second->Open(OpenTrust::kReboot)) return "it is refused after a second crash";
    if (std::string wrong = second->Check(); !wrong.empty()) return "second crash: " + wrong;
    Random random(99);
    if (!Append(random) || !Append(random) || !Clean(9'000'000)) return "it does not go on";
    return Check();
  }

 private:
  SimDisk* disk_;
  LogServices services_{3, LogServices::Background::kInline};
  std::unique_ptr<Log> log_;
  std::vector<KeyedRecord> appended_;  // what may be there
  Offset certain_end_ = 0;
  Offset promised_end_ = 0;
  Offset recovery_point_ = 0;
  Offset clean_end_ = 0;      // of the last pass that ended well
  Offset cleaned_below_ = 0;  // the highest offset that a pass was given
};

bool RunWorkload(CompactedLog& log) {
  Random random(5);
  if (!log.Open(OpenTrust::kClean)) return false;
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 12; ++i) {
      if (!log.Append(random)) return false;
      if (i % 5 == 4 && !log.Flush()) return false;
    }
    // Both ways of compression, too: as it compacts, and alone.
    if (round == 3 && !log.Fold(2)) return false;
    const int16_t codec = round >= 2 ? 1 : 0;
    if (!log.Clean(1'000'000 + round * 10 * kRetentionMs, codec)) return false;
    if (!log.Append(random)) return false;
    if (round == 0) log.Checkpoint();
    if (round == 1 && !log.Open(OpenTrust::kSameBoot)) return false;
    if (round == 2 && !log.CloseAndOpen()) return false;
  }
  return log.Flush();
}

std::unique_ptr<SimDisk> NewDisk(uint64_t seed) {
  auto disk = std::make_unique<SimDisk>(seed);
  REQUIRE(disk->MakeDirectory("/data").ok());
  REQUIRE(disk->SyncDirectory("/").ok());
  return disk;
}

std::vector<SimCall> CallsOfWorkload() {
  const auto disk = NewDisk(1);
  CompactedLog log(*disk);
  REQUIRE(RunWorkload(log));
  REQUIRE(log.Check() == "");
  return disk->calls();
}

}  // namespace

TEST_CASE(
    "fault sweep: compaction loses no latest value, brings nothing back and keeps the order") {
  const std::vector<SimCall> calls = CallsOfWorkload();
  MESSAGE("calls: " << calls.size());
  for (uint64_t n = 3; n <= calls.size() + 1; n += SweepStride(3)) {
    CAPTURE(n);
    CAPTURE(Describe(calls, n));
    const auto disk = NewDisk(n);
    disk->CrashAfter(n);
    CompactedLog log(*disk);
    (void)RunWorkload(log);
    const auto killed = disk->KillProcess(n);
    REQUIRE(log.After(*killed, false)->Recover(OpenTrust::kSameBoot) == "");
    for (uint64_t seed = n * 10; seed < n * 10 + 4; ++seed) {
      CAPTURE(seed);
      const auto next = disk->Reboot(seed);
      REQUIRE(log.After(*next, true)->Recover(OpenTrust::kReboot) == "");
      // And once more while it recovers.
      const auto shaky = disk->Reboot(seed);
      shaky->CrashAfter(1 + seed * 7 % 60);
      const auto started = log.After(*shaky, true);
      (void)started->Open(OpenTrust::kReboot);
      const auto after = shaky->Reboot(seed + 5);
      REQUIRE(log.After(*after, true)->Recover(OpenTrust::kReboot) == "");
    }
  }
}

TEST_CASE("fault sweep: a failure in the course of compaction loses no latest value") {
  const std::vector<SimCall> calls = CallsOfWorkload();
  for (uint64_t n = 3; n <= calls.size(); n += SweepStride(7)) {
    for (const Fault& fault : PlausibleFaults(calls[n - 1], n)) {
      CAPTURE(Describe(fault));
      CAPTURE(Describe(calls, n));
      const auto disk = NewDisk(n);
      if (fault.kind == Fault::Kind::kFailOnce) disk->FailCall(n, fault.error);
      if (fault.kind == Fault::Kind::kFailForGood) disk->FailFrom(n, fault.error, fault.kinds);
      if (fault.kind == Fault::Kind::kShortRead) disk->ShortenRead(n);
      CompactedLog log(*disk);
      (void)RunWorkload(log);
      disk->Heal();
      if (!log.failed()) REQUIRE(log.Check() == "");
      // A sync may have failed: nobody believes the page cache.
      const auto killed = disk->KillProcess(n);
      REQUIRE(log.After(*killed, true)->Recover(OpenTrust::kReboot) == "");
      const auto next = disk->Reboot(n);
      REQUIRE(log.After(*next, true)->Recover(OpenTrust::kReboot) == "");
    }
  }
}

}  // namespace millrace::test
