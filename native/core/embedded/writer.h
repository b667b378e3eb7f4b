#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/millisecond_clock.h"
#include "core/base/unique_fd.h"
#include "core/embedded/batch_run.h"
#include "core/embedded/checkpoint.h"
#include "core/embedded/open_batch.h"
#include "core/embedded/record_writer.h"
#include "core/log/log.h"

namespace millrace {

struct EmbeddedOptions {
  LogConfig log;
  // A batch is sealed before it gets larger, unless its first record alone is.
  uint32_t seal_bytes = 4096;
  // Wall clock in milliseconds; null: the system's.
  int64_t (*now_ms)() = nullptr;
  // Of the kernel that runs; nothing: it is asked.
  std::optional<BootId> boot_id;
};

class EmbeddedWriter;

struct OpenedLog {
  std::unique_ptr<Log> log;
  std::unique_ptr<EmbeddedWriter> writer;  // goes before the log
};

// The one writer of an embedded log: the open batch, the sidecar, the lock and the checkpoint
// (open_batch.h draws the files). Beneath it lies a Log, which its user flushes, reads and closes;
// nobody else appends to that.
//
// Thread: the decision thread's, but for Open, PutCheckpoint and Finish, which wait for the disk
// and are for any thread while nothing else is called.
// Invariant: the log's end is the open batch's base offset; every record below end_offset() is
// found again after the process is killed.
class EmbeddedWriter {
 public:
  // Makes the directory, with those above it, where it is missing. kLocked: somebody writes there.
  static Result<OpenedLog> Open(Disk& disk, const std::string& directory,
                                const EmbeddedOptions& options, OpenReport* report,
                                LogServices* services = nullptr);
  ~EmbeddedWriter();

  // Appends one record at end_offset(). `timestamp` in milliseconds; nothing: now. On an error it
  // is not in the log, and the log as it was.
  Status Append(const RecordParts& record, std::optional<int64_t> timestamp);
  // The same of a record that is a value, at this time.
  Status AppendValue(std::span<const std::byte> value);
  // Appends a record for each length, whose values follow each other in `bytes`, all of the same
  // time; `*appended` of them are in the log when it returns.
  Status AppendValues(std::span<const std::byte> bytes, std::span<const uint32_t> lengths,
                      size_t* appended);
  // The open batch becomes one of the log's, if there is one.
  Status Seal();
  // The same, and a flush follows.
  Status SealForFlush();

  Offset end_offset() const { return space_base_ + count_; }
  uint32_t open_records() const { return count_; }
  uint64_t open_bytes() const { return count_ == 0 ? 0 : static_cast<uint64_t>(next_ - begin_); }
  // Bytes of batches sealed since the last call: for whoever schedules flushes.
  uint64_t TakeSealedBytes() { return std::exchange(sealed_bytes_, 0); }

  // Before a start of the log is moved, and after it was compacted below an offset, which its user
  // decides: it is durable when it returns success.
  Status PutCheckpoint(Offset log_start_offset, Offset recovery_point, Offset compacted_offset);
  Offset compacted_offset() const { return compacted_offset_; }
  // After the log's start moved, segments came or went, or something became durable.
  void TellReaders(bool files_changed);

  // After the log was closed cleanly at `end`: the next open believes its files. The sidecar goes.
  Status Finish(Offset log_start_offset, Offset end);

 private:
  EmbeddedWriter(Disk& disk, std::string directory, const EmbeddedOptions& options, UniqueFd lock,
                 Log& log)
      : disk_(disk),
        directory_(std::move(directory)),
        options_(options),
        boot_id_(options.boot_id.has_value() ? *options.boot_id : CurrentBootId()),
        lock_(std::move(lock)),
        log_(log),
        space_base_(log.log_end_offset()) {}

  Status MakeSidecar();
  Status Begin(size_t record_bytes, int64_t now_ms);
  Status Put(const RecordParts& record, int64_t timestamp);
  // As AppendValues, but as sealed batches. kNoSpace: fewer at once may still have room.
  Status AppendRuns(std::span<const std::byte> bytes, std::span<const uint32_t> lengths,
                    int64_t now_ms, size_t* appended);
  // The space lies in a segment that readers were not told of.
  bool IsNew(const TailSpace& space) const;
  // No batch is open, and the log ends at this place of its active segment.
  void PublishEnd(const TailSpace& space, uint64_t position);
  // What was put is found again from here on. After a failure nothing more is appended, and what
  // was put since the last time is not in the log.
  Status Publish();
  void TakeBack();
  int64_t NowMs() { return options_.now_ms != nullptr ? options_.now_ms() : clock_.Now(); }

  Disk& disk_;
  const std::string directory_;
  const EmbeddedOptions options_;
  const BootId boot_id_;
  const UniqueFd lock_;   // given up with the descriptor; none on a simulated disk
  UniqueFd broker_lock_;  // likewise; only where a broker could have the directory
  Log& log_;
  std::unique_ptr<Mapping> page_;
  std::optional<Sidecar> sidecar_;  // over page_
  MillisecondClock clock_;

  // The open batch: [begin_, next_), while count_ > 0, in space_ or, where that is not in memory,
  // in staging_, of which the bytes before published_ are in the file.
  TailSpace space_;
  std::vector<std::byte> staging_;
  std::byte* end_ = nullptr;  // of the space
  std::byte* published_ = nullptr;
  bool failed_ = false;
  // Flushes come often, and with little: the next batches are written, not stored.
  bool flushes_often_ = false;
  uint64_t bytes_since_flush_ = 0;
  Offset space_base_;  // of the batch, or the log's end
  std::byte* begin_ = nullptr;
  std::byte* next_ = nullptr;
  uint32_t count_ = 0;
  int64_t base_timestamp_ = 0;
  int64_t max_timestamp_ = -1;
  uint64_t sealed_bytes_ = 0;
  uint64_t file_changes_ = 0;
  Offset compacted_offset_ = 0;  // as the checkpoint has it
  BatchRun run_;
};

}  // namespace millrace
