#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

#include "core/base/disk.h"
#include "core/base/status.h"
#include "core/log/batch.h"

namespace millrace {

// What a topic's configuration means to its log. Sizes in bytes, times in milliseconds.
struct LogConfig {
  uint32_t segment_bytes = 1u << 30;         // segment.bytes
  int64_t segment_ms = 604'800'000;          // segment.ms
  uint32_t index_interval_bytes = 4096;      // index.interval.bytes
  uint32_t segment_index_bytes = 10u << 20;  // segment.index.bytes: one index file's largest size
  // Appends go on in what LogServices::KeepFree keeps from others: what frees space is written
  // here.
  bool uses_reserve = false;
  // Segments that are written from now on are mapped, and appended to by copying into memory
  // (mapped_tail.h) instead of by pwrite.
  bool mapped = false;
  // So many files of removed segments are kept to be used again (spare_segments.h).
  uint32_t spare_segments = 0;
};

// The batches that one write may append.
inline constexpr size_t kMostBatchesAtOnce = 30;

// Where the next batch of a mapped log goes: to be filled in place and then taken in by
// AppendInPlace.
struct TailSpace {
  std::span<std::byte> bytes;  // empty where it is to be written by WriteTail or AppendRun
  Offset base_offset = 0;      // what the batch has to begin with
  Offset segment_base_offset = 0;
  uint64_t position = 0;  // of the batch within its segment
};

// How far the files may be trusted when a log is opened (design §5, Recovery).
enum class OpenTrust : int32_t {
  kClean = 0,  // the clean-shutdown marker was there: nothing is scanned but the last index entries
  kSameBoot = 1,  // the process died, the kernel did not: only the last append may be incomplete
  // The kernel died, or a sync had failed before the process ended: any byte at or above the
  // recovery point may be lost or torn, or be in the cache and not on the disk.
  kReboot = 2,
};

struct OpenReport {
  Offset log_start_offset = 0;
  Offset log_end_offset = 0;
  uint64_t segments = 0;
  uint64_t scanned_bytes = 0;  // log bytes read to check batches
  uint64_t indexes_rebuilt = 0;
  uint64_t cut_bytes =
      0;  // bytes moved aside behind the longest valid prefix (kReboot), or a torn last append
  Offset cut_from_offset = -1;  // first offset that was cut away, -1 when none
};

// One segment's file as a reader sees it; see FileRegion.
class SegmentFile;
// What the logs of a process share: the bounded set of open files and the thread that prepares
// segments.
class LogServices;
// Segments giving way to a cleaned one (replacement.h).
class Replacement;
// The log as of one moment, for a thread that may wait for the disk (log_view.h).
class LogView;

// Bytes of a segment that were promised to a reader. Holding it keeps the file open and its name's
// removal harmless. `Valid()` turns false when a truncation cut into the segment after the region
// was made: whoever is sending must then close the connection rather than send or pad. It asks, and
// then hands the bytes over, while it holds KeepWhole(). Any thread.
class FileRegion {
 public:
  FileRegion() = default;  // empty: valid, no descriptor
  FileRegion(const std::shared_ptr<SegmentFile>& segment, std::shared_ptr<File> file,
             uint64_t position, uint64_t length);
  // `generation` is the segment's when the position was looked up; without, that is now.
  FileRegion(std::shared_ptr<SegmentFile> segment, std::shared_ptr<File> file, uint64_t generation,
             uint64_t position, uint64_t length);
  bool Valid() const;
  // As long as it is held a region that is valid stays so. Not longer than the region itself.
  std::shared_lock<std::shared_mutex> KeepWhole() const;
  int descriptor() const;
  uint64_t position() const { return position_; }
  uint64_t length() const { return length_; }
  // No batch of the region holds an offset at or above it; more than their last one's end where
  // that would have to be looked for.
  Offset end_offset() const { return end_offset_; }
  void set_end_offset(Offset end_offset) { end_offset_ = end_offset; }
  // Copies up to `into.size()` bytes from `from` (relative to the region); for simulated disks and
  // in-process readers. Fewer only at the region's end or after a truncation: check Valid() before
  // believing the bytes.
  Result<size_t> Read(uint64_t from, std::span<std::byte> into) const;
  // For whoever sends: the file ends before the region does. Unless that is a truncation's doing,
  // somebody else cut it, and the log fails when it next looks.
  void NoteCutShort() const;
  // Likewise: the byte at `from` (relative to the region) cannot be read. Readers are told so
  // before they are promised it again.
  void NoteUnreadable(uint64_t from) const;

 private:
  std::shared_ptr<SegmentFile> segment_;
  std::shared_ptr<File> file_;
  uint64_t generation_ = 0;
  uint64_t position_ = 0;
  uint64_t length_ = 0;
  Offset end_offset_ = 0;
};

struct TimestampPosition {
  Offset offset = -1;
  int64_t timestamp = -1;
  int32_t leader_epoch = -1;
  // The record lies in a compressed batch, whose records are not read here: `offset` is the batch's
  // base offset and `timestamp` its max timestamp, and the caller decompresses that batch to find
  // the record. For FindTimestamp the batch is the first with a max timestamp at or after the
  // wanted one, so the record is in it (or, where the log start or the limit lies within the batch,
  // possibly behind it).
  bool in_compressed_batch = false;
};

// What a flush pass may move the watermark to.
struct DurablePoint {
  Offset offset = 0;
};

// When what recovery found is made durable: before Open returns, or with the log's first flush,
// which the caller asks for and waits for before anything else is done with the log.
enum class RecoverySync { kNow, kWithFirstFlush };

// What retention goes by.
struct SegmentFacts {
  Offset base_offset = 0;
  uint64_t size_bytes = 0;
  int64_t max_timestamp = -1;  // of its records; -1 when none has one
  int64_t modified_ms = 0;     // when its file was last written
};

// One partition's log: an ordered list of segments in a directory of its own, in Kafka's file
// formats.
//
// Threads: every method is for the decision thread, except where it says otherwise. Flush threads
// call only Flush and StartWriteBack; senders touch only FileRegion.
// Invariant: durable <= log_end and log_start <= log_end, and everything from log_start to log_end
// is readable. The start may lie above durable: what is lost below it was to go anyway.
class Log {
 public:
  virtual ~Log() = default;

  // Opens or creates (with its directory, which is fsynced in its parent before the first flush
  // reports durable). Bytes below `recovery_point` are trusted; what is done above it depends on
  // `trust`. Damage below the recovery point, and damage that `trust` cannot explain, is kCorrupt
  // and leaves every file as it was. Bytes above a valid prefix are kept aside in `<base
  // offset>.log.cut-<position>`. Without `services` (which outlive the log), logs on PosixDisk()
  // share the process's own and logs on other disks do everything on the calling thread.
  static Result<std::unique_ptr<Log>> Open(Disk& disk, const std::string& directory,
                                           const LogConfig& config, OpenTrust trust,
                                           Offset recovery_point, Offset log_start_offset,
                                           OpenReport* report, LogServices* services = nullptr,
                                           RecoverySync sync = RecoverySync::kNow);

  virtual void Configure(const LogConfig& config) = 0;  // takes effect with the next append

  // Checks one record batch (exactly one), stamps offsets, leader epoch and (if asked) append time
  // into `batch` in place, and copies it into the page cache. Waits neither for disk nor for
  // followers. On any error nothing has moved and the log is as before;
  // `appended->first_bad_record` may be set.
  virtual Status Append(std::span<std::byte> batch, const AppendOptions& options,
                        Appended* appended) = 0;
  // With kAppendGather a small batch may have its offsets and not be written yet: its bytes stay
  // where they are until WriteGathered was called, which rolling, truncating, closing and an append
  // without the flag do themselves. Reads and flushes see what is written. Nothing is acknowledged
  // before WriteGathered has succeeded. When it fails, the log ends where it was written to; since
  // the offsets of the others were told, it takes nothing, and WriteGathered fails again, until
  // TakeLoss.
  virtual Status WriteGathered() { return Status::Ok(); }
  // What is decided upon the offsets of those that could not be written is undone: the log goes on
  // from its end. Why they could not; ok when none were lost.
  virtual Status TakeLoss() { return Status::Ok(); }
  // The checks of Append alone, changing nothing.
  virtual Status Validate(std::span<const std::byte> batch, const AppendOptions& options,
                          Appended* verdict) const = 0;

  // For logs with LogConfig::mapped. Space for a batch of at most `bytes`, writable until the log
  // is next asked for anything but reading and flushing. Nobody else looks at it.
  //
  // With kWrite there is the same space on the disk, but none in memory. A page that is stored to
  // after it went to the device costs the next sync a commit of the file system's journal, and one
  // that is written by pwrite does not: it is the way for logs that are synced often.
  enum class TailWay { kMemory, kWrite };
  virtual Result<TailSpace> ReserveTail(uint64_t /*bytes*/, int64_t /*now_ms*/, TailWay /*way*/) {
    return Status(Code::kInvalidArgument);
  }
  // The same, without space in memory, for at most kMostBatchesAtOnce batches of `bytes` together.
  virtual Result<TailSpace> ReserveRun(uint64_t /*bytes*/, size_t /*batches*/, int64_t /*now_ms*/) {
    return Status(Code::kInvalidArgument);
  }
  // Puts bytes of an unfinished batch where they will stay, `at` bytes behind its beginning.
  virtual Status WriteTail(const TailSpace& /*space*/, uint64_t /*at*/,
                           std::span<const std::byte> /*bytes*/) {
    return Status(Code::kInvalidArgument);
  }
  // Whether what was put into the space since may be told of: kFailed when the log has failed,
  // kCorrupt when it fails by this look, since a page was lost underneath. Cheap enough for each
  // record.
  virtual Status CheckTail() { return Status(Code::kInvalidArgument); }
  // `batch` is whole, has this header and its checksum, and lies in the space, or (kWrite)
  // anywhere: as Append, but it is believed.
  virtual Status AppendInPlace(const TailSpace& /*space*/, std::span<const std::byte> /*batch*/,
                               const BatchHeader& /*header*/) {
    return Status(Code::kInvalidArgument);
  }
  // After ReserveRun for as many: the same of whole batches, one behind the other in `run`, by one
  // write. On any error none of them is in the log, and the log is as before.
  virtual Status AppendRun(const TailSpace& /*space*/, std::span<const std::byte> /*run*/,
                           std::span<const BatchHeader> /*headers*/) {
    return Status(Code::kInvalidArgument);
  }

  // The bytes from the batch that contains `offset` up to `limit` (exclusive, an offset at a batch
  // boundary), at most `max_bytes`, from one segment. With `whole_first_batch` the first batch is
  // returned whole even above `max_bytes`; without, a too large first batch gives an empty region.
  // offset == limit gives an empty region; an offset outside [log_start, log_end] gives
  // kOffsetOutOfRange. Never waits for the disk: kWouldBlock when what has to be looked at is not
  // in the page cache, and then a view reads it on a thread that may wait.
  virtual Result<FileRegion> Read(Offset offset, uint64_t max_bytes, Offset limit,
                                  bool whole_first_batch) = 0;
  // The log as it is now: from the segment that holds `from` on, `segments` at most. Null when the
  // log is closed. The view may outlive the log, but not the services.
  virtual std::unique_ptr<LogView> View(Offset from, size_t segments = SIZE_MAX) = 0;
  // Takes back a view that answered `outcome`, with what it found out about the files. kWouldBlock
  // instead of the outcome when the log was cut under the view: what it saw may be wrong, and
  // looking again tells. Damage that it met makes the log fail.
  virtual Status Learn(LogView& view, Status outcome) = 0;

  // Up to `into.size()` headers of the batches from the one that contains `from`, below `limit`;
  // returns how many.
  virtual Result<size_t> ReadHeaders(Offset from, Offset limit, std::span<BatchHeader> into) = 0;

  // Drops everything at and above `offset` (followers, repair), and of a batch that holds it in its
  // middle the whole; when that batch holds the log start, too, the log goes on empty from there.
  // Files and indexes are cut and synced before it returns, so it waits for the
  // disk and for a running Flush. Before, the caller has persisted a recovery point at or below
  // `offset`, or the start of the batch that holds it: a crash in between leaves less than the old
  // one claims.
  virtual Status TruncateTo(Offset offset) = 0;
  // Drops everything and continues at `offset`. The caller has persisted `offset` as log start, and
  // a recovery point at or below it, before.
  virtual Status ResetTo(Offset offset) = 0;
  // Moves the log start; whole segments below it are no longer there, and their files go in the
  // background (regions that were handed out stay readable). The caller has persisted the new start
  // before.
  virtual Status AdvanceStart(Offset offset) = 0;
  virtual Status Roll() = 0;
  // Puts the cleaned segment that lies in the directory under the base offset of the first of these
  // consecutive, sealed, durable segments (clean/clean_pass.h) in the place of all of them. In
  // steps, so that the decision thread waits for no disk: it begins, a thread that may wait calls
  // Commit, the decision thread finishes, and a thread that may wait calls what PendingRemovals
  // returns. Once committed, a crash finds the new segment, and before it the old ones. Positions
  // in regions that were handed out, and views, go on meaning the old files.
  // kWouldBlock: the segments were cut, or the log's start is behind them, and the cleaned files
  // are gone. After a failure to make the new name durable the log has failed. What fails in the
  // last step is tried again by the next removal, truncation, replacement or start.
  virtual Result<std::shared_ptr<Replacement>> BeginReplacement(std::span<const Offset> bases) = 0;
  virtual Status FinishReplacement(Replacement& replacement) = 0;
  // Files that are no longer the log's are gone, and names are right, when it returns success.
  virtual std::function<Status()> PendingRemovals() = 0;
  // All steps on the calling thread.
  Status ReplaceSegments(std::span<const Offset> bases);
  // Facts of up to `into.size()` segments, oldest first, the active one included; returns how many.
  // Without `times` only offsets and sizes, which ask no file.
  virtual Result<size_t> ListSegments(bool times, std::span<SegmentFacts> into) = 0;
  // Lets go of the mappings and descriptors that serve appending, and of preallocated space, when
  // everything is durable and no flush runs (else it changes nothing); the next append takes them
  // again. For partitions that were not written for a while. True when nothing is left to let go
  // of.
  virtual bool Rest() = 0;

  virtual Offset log_start_offset() const = 0;
  virtual Offset log_end_offset() const = 0;
  virtual Offset durable_offset() const = 0;  // any thread
  // A flush would make something durable: records, or what recovery has left to the first flush.
  virtual bool needs_flush() const { return durable_offset() < log_end_offset(); }
  virtual uint64_t size_bytes() const = 0;
  virtual Offset active_base_offset() const = 0;
  // Where the active segment's batches end.
  virtual Result<uint64_t> active_bytes() const { return Status(Code::kClosed); }
  // Any thread. After a failed sync or foreign damage nothing is accepted any more, only read.
  virtual bool failed() const = 0;

  // Flush threads. Syncs everything from the published durable offset to the end as it was when the
  // call began, older files first, the directory when a name in it is new, then publishes and
  // returns the new durable offset. One thread at a time per log (the pool sees to it). After an
  // error the log has failed for good.
  virtual Result<DurablePoint> Flush() = 0;
  // Begins write-back of what Flush would sync, without waiting. Flush threads.
  virtual void StartWriteBack() = 0;

  // Flush in two halves, for many logs at once: the first writes everything back, then the caller
  // syncs the logs' file system, then the second publishes; where the file system could not be
  // synced it syncs file by file. Flush threads, both on the same one.
  virtual FileSystem* file_system() const { return nullptr; }  // null: none can be synced at once
  // True: all that is left is to empty the device's cache, which the sync of any file does where
  // the file system says so.
  virtual bool BeginFlush() { return false; }
  // Whether it looks as if BeginFlush would say so.
  virtual bool settled() { return false; }
  virtual Result<DurablePoint> EndFlush(bool /*synced*/) { return Flush(); }

  // Clean close: flushes, trims files to their length, syncs. Close without `clean` only lets go of
  // everything.
  virtual Status Close(bool clean) = 0;
  // A clean close that syncs what is not durable, but leaves what it trims, and the indexes, to a
  // sync of the file system. Where none is to be had it syncs all.
  virtual Status CloseUnsynced() { return Close(true); }
  // Closes and removes the directory and all files in it (renames it to `<name>-delete` first, so
  // that a crash in between leaves only a directory that start-up sweeps away).
  virtual Status Delete() = 0;
};

}  // namespace millrace
