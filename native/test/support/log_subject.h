#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/log/log.h"
#include "test/support/log_batches.h"

namespace millrace::test {

// Segments of a few batches, each with several index entries.
LogConfig SmallSegments();

// A log and the bytes that were appended to it, as they were stamped. What a test does not expect
// ends the process.
class Subject {
 public:
  Subject(Disk& disk, std::string directory, LogConfig config = SmallSegments(),
          LogServices* services = nullptr, OpenTrust trust = OpenTrust::kClean);

  // Lets go of the log, without closing it, and opens it again.
  void Open(OpenTrust trust, Offset recovery_point, Offset log_start = 0);
  Code TryOpen(OpenTrust trust, Offset recovery_point, Offset log_start = 0);
  void CloseAndOpen();
  void Drop() { log_.reset(); }

  Status Append(const BatchPlan& plan, AppendOptions options = {}, Appended* appended = nullptr);
  // Batches of one to three records, each some 10 ms later than the one before.
  void AppendMany(int count);
  void Flush();

  Log& operator*() { return *log_; }
  Log* operator->() { return log_.get(); }
  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  std::string LogPath(Offset base_offset) const;
  Offset end() const { return log_->log_end_offset(); }
  // All that can be read.
  std::vector<std::byte> Content() { return ReadAll(*log_, log_->log_start_offset(), end()); }
  // What was appended, from the batch with this base offset on, and up to the batch that holds the
  // other.
  std::vector<std::byte> Appended(Offset from = 0, Offset to = INT64_MAX) const;

  LogConfig config;
  OpenReport report;
  std::vector<std::vector<std::byte>> batches;

 private:
  Disk& disk_;
  const std::string directory_;
  LogServices* services_;
  std::unique_ptr<Log> log_;
};

}  // namespace millrace::test
