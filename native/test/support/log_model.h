#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/log/log.h"
#include "test/support/log_batches.h"
#include "test/support/sim_disk.h"

namespace millrace::test {

// Where a log lives, for as long as one process does.
struct LogPlace {
  SimDisk* disk = nullptr;
  LogServices* services = nullptr;
  std::string directory;
  LogConfig config;
};

// A log on a simulated disk beside what must be true of it: which bytes were appended at which
// offset, and what was promised about them. What the broker keeps about a log in files of its own
// (recovery point, log start, how the last process ended) is LogHost's, which moves it in the order
// that log.h asks for.
class LogModel {
 public:
  // Opens the log as the files say that it was left, and checks that nothing promised is missing,
  // nothing is out of order and nothing was never appended. Empty when all of it holds; else what
  // does not, or `refused` set where the disk would not let it open.
  std::string Open(const LogPlace& place, OpenTrust trust, Offset recovery_point, Offset log_start,
                   bool* refused);

  // Each returns false when the log said no; the model then allows the state before and the state
  // after.
  bool Append(int32_t records, size_t value_bytes, int64_t timestamp, uint64_t content);
  // So many, gathered and then written.
  bool AppendTogether(uint64_t batches, size_t value_bytes, int64_t timestamp, uint64_t content);
  bool Flush();  // acks=all of everything before
  bool Truncate(Offset offset);
  void GiveUp() { certain_end_ = promised_end_ = 0; }  // a reset is about to begin
  bool Reset(Offset offset);
  bool AdvanceStart(Offset offset);
  bool CloseCleanly();
  bool Delete();
  void Kill() { log_.reset(); }

  bool is_open() const { return log_ != nullptr; }
  Log& log() { return *log_; }
  const OpenReport& report() const { return report_; }
  Offset start() const { return log_start_; }
  Offset end() const { return batches_.empty() ? log_start_ : batches_.back().last_offset + 1; }
  Offset boundary_before(Offset offset) const;  // where the batch that holds it begins

  // The same promises without the log. `power_loss`: only what was durable has to be there.
  LogModel After() const;
  void LosePageCache() { certain_end_ = std::min(certain_end_, promised_end_); }

  // All batches of the open log, by Read, by ReadHeaders and by every offset, are what the model
  // has.
  std::string CheckContent();
  // Reads on from `offset`: the bytes are those that were appended, or there is an error.
  std::string CheckRead(Offset offset);
  // Of the names in the log's directory, only those are there that its segments account for; those
  // that begin with one of `others` are the host's.
  std::string CheckNames(const std::vector<std::string>& others) const;
  // Bytes that recovery put aside, as files.
  uint64_t CountPutAside() const;

 private:
  struct Batch {
    Offset base_offset;
    Offset last_offset;
    std::vector<std::byte> bytes;
  };

  // Append without the promise that comes with it.
  bool Take(const BatchPlan& plan, uint32_t flags);
  std::string Compare(const std::vector<Batch>& found, Offset start, Offset end) const;
  std::string CheckTimestamps(const std::vector<BatchHeader>& headers);
  std::string Learn(Offset asked_start);
  Result<std::vector<Batch>> ReadBatches();

  std::vector<Batch>
      batches_;  // what may be there, in order; a call that failed may have left the last ones
  Offset certain_end_ = 0;   // below it everything has to be there while the page cache is
  Offset promised_end_ = 0;  // below it everything has to be there whatever happens
  Offset reset_to_ = -1;     // a reset that failed: the log may be empty there instead
  Offset log_start_ = 0;
  bool started_ = false;  // it was open before, so that something may have to be there
  LogPlace place_;
  OpenReport report_;
  std::unique_ptr<Log> log_;
};

}  // namespace millrace::test
