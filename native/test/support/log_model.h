#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/log/log.h"
#include "test/support/sim_disk.h"

namespace millrace::test {

// A log on a simulated disk beside what must be true of it: which bytes were appended at which
// offset, and what was promised about them. It stands for the broker: it keeps recovery point, log
// start and clean-shutdown marker, on a disk that forgets nothing, and moves them in the order that
// log.h asks for.
class LogModel {
 public:
  LogModel(SimDisk& disk, const LogConfig& config) : disk_(&disk), config_(config) {}

  // Each returns false when the log said no; the model then allows the state before and the state
  // after.
  bool Open();
  bool Append(int32_t records, size_t value_bytes);  // acks=1: written
  bool Flush();                                      // acks=all of everything before
  void Checkpoint();  // the recovery point follows the durable offset
  bool Truncate(Offset offset);
  bool Reset(Offset offset);
  bool AdvanceStart(Offset offset);
  bool CloseCleanly();
  void Kill() { log_.reset(); }

  bool is_open() const { return log_ != nullptr; }
  Log& log() { return *log_; }
  const OpenReport& report() const { return report_; }
  Code open_code() const { return open_code_; }
  Offset end() const { return EndOf(batches_); }
  Offset promised_end() const { return promised_end_; }
  Offset boundary_before(Offset offset) const;  // where the batch that holds it begins

  // The same promises on the disk as a crash has left it. `power_loss`: only what was durable has
  // to be there.
  LogModel After(SimDisk& disk, bool power_loss) const;
  // Opens the log as the broker would after that crash, and checks that nothing promised is
  // missing, nothing is out of order and nothing was never appended; empty when all of it holds,
  // else what does not.
  std::string RecoverAndCheck();
  // All batches of the open log, by Read, by ReadHeaders and by every offset, are what the model
  // has.
  std::string CheckContent();

 private:
  struct Batch {
    Offset base_offset;
    Offset last_offset;
    std::vector<std::byte> bytes;
  };

  Offset EndOf(const std::vector<Batch>& batches) const;
  std::string Compare(const std::vector<Batch>& found, Offset start, Offset end) const;
  Result<std::vector<Batch>> ReadBatches();

  std::vector<Batch>
      batches_;  // what may be there, in order; a call that failed may have left the last ones
  Offset certain_end_ = 0;   // below it everything has to be there while the page cache is
  Offset promised_end_ = 0;  // below it everything has to be there whatever happens
  Offset reset_to_ = -1;     // a reset that failed: the log may be empty there instead
  Offset recovery_point_ = 0;
  Offset log_start_ = 0;
  bool clean_marker_ = true;  // there is nothing yet
  bool distrust_ = false;     // a sync failed: the page cache may not be believed either
  bool power_loss_ = false;   // since the log was last open
  uint64_t content_ = 0;
  SimDisk* disk_;
  LogConfig config_;
  OpenReport report_;
  Code open_code_ = Code::kOk;
  std::unique_ptr<Log> log_;
};

}  // namespace millrace::test
