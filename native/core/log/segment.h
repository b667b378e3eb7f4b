#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "core/log/batch_cursor.h"
#include "core/log/dirty_files.h"
#include "core/log/gathered_batches.h"
#include "core/log/log.h"
#include "core/log/mapped_tail.h"
#include "core/log/offset_index.h"
#include "core/log/recent_batches.h"
#include "core/log/removal_queue.h"
#include "core/log/segment_file.h"
#include "core/log/segment_scan.h"
#include "core/log/time_index.h"

namespace millrace {

// What the end of a segment looks like, from the last index entry on.
struct SegmentTail {
  ScanResult scan;
  IndexProgress progress;
  std::optional<IndexImage>
      image;  // what the indexes have to become when they are missing or wrong
};

// A run of batches in one file, and its two indexes (segment_names.h has the names, batch.h the
// bytes of a batch):
//
//   .log, at rest:         | batch | batch | ... | batch |                       nothing else; the
//   size says where it ends .log, being written:   | batch | batch | ... | batch | zeros ... |
//   allocated ahead, in growing extents
//                                          written end --^           ^-- allocated end
//   torn last append:      | batch | batch | ... | part of a batch | zeros ... | the process died
//   in pwrite after a power loss:    | batch | batch | ? any 4 KB page new, or as it was before
//   (zeros), or cut off ? |
//
// A batch of zeros has magic 0, so a walk over the batches stops at the zeros; recovery.cc says
// what is done then. Bytes behind the written end are never left from an append that failed, nor
// from before a truncation: both cut the file.
//
// Decision thread, but for what SegmentFile says; the segment is handed to the flush thread by way
// of DirtySegment, and to threads that may wait for the disk as a view, which is theirs alone. In
// ReadMode::kCachedOnly nothing waits for the disk, opening files included. Invariant: length_ <=
// allocated_ while open_ is set; every byte below length_ belongs to a whole batch.
class Segment {
 public:
  Segment(Disk& disk, OpenFiles& files, const std::string& directory, Offset base_offset,
          uint32_t index_interval_bytes);

  // A new, empty segment: `log` was just created.
  void Begin(std::shared_ptr<File> log, uint64_t allocated);
  // One that lies at rest; without `progress` it is found out when it is needed.
  void TakeOver(uint64_t length, Offset end_offset, const std::optional<IndexProgress>& progress);

  Offset base_offset() const { return base_offset_; }
  Offset end_offset() const { return end_offset_; }
  uint64_t length() const { return length_; }
  const std::shared_ptr<SegmentFile>& file() const { return file_; }
  OffsetIndex& offset_index() { return offset_index_; }
  TimeIndex& time_index() { return time_index_; }
  uint64_t generation() const { return view_of_.value_or(file_->generation()); }
  Result<std::shared_ptr<File>> Open(ReadMode mode = ReadMode::kWait) const;  // of the .log
  RemovalQueue::Segment files() {
    return {file_, offset_index_.file().file(), time_index_.file().file()};
  }

  // Appending (segment.cc).
  // Whether a batch of these facts has to go to a new segment: Kafka's rules.
  Result<bool> MustRoll(uint64_t size, Offset last_offset, int64_t max_timestamp, int64_t now_ms,
                        const LogConfig& config, size_t batches = 1);
  // Whether one more batch may wait beside `gathered` others to be written: not where the rules of
  // MustRoll depend on what they add.
  bool CanGather(size_t gathered, const LogConfig& config);
  // Prepares everything that could fail for want of space or descriptors, for so many batches (at
  // most kMostBatchesAtOnce) of `size` bytes together. Nothing has moved.
  Status Reserve(uint64_t size, const LogConfig& config, size_t batches = 1);
  // After Reserve. `syncs` counts those of the log so far: where they come so often that each makes
  // little durable, what the next batches will overwrite is written as zeros, a step ahead. Blocks
  // that were allocated and never written cost every sync a commit of the file system's journal;
  // blocks that were written before do not.
  Status WriteAhead(uint64_t size, uint64_t syncs);
  // Writes one stamped batch within what was reserved. On failure nothing has moved, unless
  // `damaged` says that the file could not be put back either.
  enum class Copy { kToMemory, kByWrite };  // where the segment is mapped
  Status Append(std::span<const std::byte> batch, const BatchHeader& header,
                const LogConfig& config, Copy copy = Copy::kToMemory);
  // The same for all of them, where the segment is not mapped, by one write.
  Status AppendGathered(std::span<const GatheredBatch> batches, const LogConfig& config);
  // Writes stamped batches, one behind the other in `run`, within what was reserved for as many:
  // all of them, or on failure, as with Append, none.
  Status AppendRun(std::span<const std::byte> run, std::span<const BatchHeader> headers,
                   const LogConfig& config);
  // Writes bytes behind the end, within what was reserved: parts of a batch that is to come.
  Status WriteBehind(uint64_t at, std::span<const std::byte> bytes) {
    return open_->WriteAt(length_ + at, bytes);
  }
  bool damaged() const { return damaged_; }
  // After a Reserve by LogConfig::mapped: the space for the next batch, in memory. Append takes a
  // batch that lies there for copied.
  std::span<std::byte> Tail(uint64_t size) const { return {tail_->at(length_), size}; }
  // A page of the mapped segment was lost underneath.
  bool tail_lost() const { return tail_ != nullptr && tail_->damaged(); }
  // Has pages sent to the device behind the end and, where batches are stored and not written, made
  // ready ahead of it.
  void AdvanceTail(LogServices& services, MappedTail::Next next) const {
    if (tail_ != nullptr) MappedTail::Advance(tail_, services, length_, allocated_, next);
  }
  // kCorrupt when somebody else cut the file that is written: what came after that lies behind a
  // hole.
  Status CheckUncut() const { return open_ == nullptr ? Status::Ok() : CheckUncut(*open_); }
  bool writing() const { return open_ != nullptr; }
  // For the flush, while the segment is written.
  DirtySegment Dirty() const;
  // Adds the time index's last entry. Cannot fail while the segment is written, since room for it
  // is kept.
  Status FinishTimeIndex();
  // The same, and stores both indexes: nothing is gathered any more.
  Status FinishIndexes();
  // After FinishIndexes, when the next segment exists: ends writing and hands the files to the
  // flush.
  DirtySegment Seal();
  // Lets go of the open .log, trimmed to what it holds; the next Reserve takes it again. The
  // indexes keep what they have gathered.
  Status Pause();
  // Ends writing: stores the indexes and trims all files to what they hold. On a full disk index
  // entries may be left out, which the next start makes again.
  Status Rest();
  // Whether Rest would change nothing.
  bool at_rest() const { return at_rest_; }
  // Of a segment whose index files are missing: the image, if it is small, becomes the indexes
  // without being written.
  bool GatherIndexes(const IndexImage& image);
  // Drops the batches from the one that holds `offset` on, if there are any. All files are trimmed,
  // synced and at rest. What was sent of the batches stays readable for whoever it was sent to.
  Status CutTo(Disk& disk, Offset offset);
  Status WriteIndexes(const IndexImage& image);
  // The image is read instead of the files, until they can be written: see Repair.
  Status HoldIndexes(const IndexImage& image);

  // Looking up (segment_lookup.cc).
  BatchCursor CursorAt(const std::shared_ptr<File>& log, uint64_t position,
                       ReadMode mode = ReadMode::kWait) const;
  // The first batch with a last offset >= `offset`; none when all are below.
  Result<std::optional<BatchPlace>> Find(Offset offset, ReadMode mode = ReadMode::kWait);
  // Where the first batch with a base offset >= `limit` begins, or the length.
  Result<uint64_t> BoundaryAt(Offset limit, ReadMode mode = ReadMode::kWait);
  // The last place at or below `limit` where a batch begins, looking from `from`, where one begins.
  Result<uint64_t> BoundaryBelow(uint64_t from, uint64_t limit, ReadMode mode = ReadMode::kWait);
  Result<TimestampOffset> MaxTimestamp();
  // At or above every offset that lies before `position`, where a batch begins: that batch's own if
  // it was lately looked up, else the segment's end.
  Offset EndBefore(uint64_t position) const;
  // The segment as it is now, for lookups of another thread. It changes nothing on the disk: where
  // an index is wrong it makes one in memory.
  std::unique_ptr<Segment> View() const;
  // Whether all that `view` could see is still there.
  bool Holds(const Segment& view) const { return file_->Holds(*view.view_of_, view.length_); }
  // Writes the indexes of a segment at rest that are wrong on the disk.
  Status Repair();
  // Takes over what a view of this segment, which holds, found out.
  void Learn(Segment& view);
  // When the .log was last written; known without asking once nothing is written any more.
  Result<int64_t> ModifiedMs();
  // What the end of the file looks like up to `size`. Changes nothing, neither here nor on the
  // disk.
  Result<SegmentTail> ReadTail(uint64_t size);

 private:
  struct Boundary {
    Offset offset = -1;
    uint64_t position = 0;
  };

  explicit Segment(const Segment* viewed);

  Status Grow(uint64_t end, const LogConfig& config);
  // A write behind the end has failed with `status`.
  Status TakeBack(Status status);
  void NoteAppended(uint64_t size, const BatchHeader& header, const LogConfig& config);
  Status ReserveMapped(uint64_t size, const LogConfig& config);
  // Cuts the .log to length_.
  Status Shorten(Disk& disk, File& log);
  Status ReplaceByPrefix(Disk& disk, File& log);
  Status StoreIndexes();
  Status RestIndexes();
  uint64_t NextExtent() const;
  void SetAllocated(uint64_t end);
  Status CheckUncut(File& log) const;
  Status LoadProgress();
  Result<int64_t> FirstTimestamp();
  // A cursor whose next batch is at or before the one that contains `offset`.
  Result<BatchCursor> CursorBefore(const std::shared_ptr<File>& log, Offset offset, ReadMode mode);
  Result<std::optional<OffsetEntry>> EntryFor(Offset offset, ReadMode mode);
  // A cursor on the entry's batch; none when there is no such batch.
  Result<std::optional<BatchCursor>> Follow(const std::shared_ptr<File>& log, uint64_t end,
                                            const OffsetEntry& entry, ReadMode mode) const;
  Status RebuildIndexes();
  // The image becomes the indexes: on the disk, or in a view in memory.
  Status UseIndexes(const IndexImage& image);
  Result<bool> Confirms(const std::shared_ptr<File>& log, uint64_t size,
                        const TimestampOffset& entry);
  Result<bool> ReadTailByIndex(const std::shared_ptr<File>& log, uint64_t size, SegmentTail* tail);
  void Remember(Offset offset, uint64_t position);

  Disk& disk_;
  const Offset base_offset_;
  const std::shared_ptr<SegmentFile> file_;
  OffsetIndex offset_index_;
  TimeIndex time_index_;

  Offset end_offset_;
  uint64_t length_ = 0;
  std::optional<IndexProgress> progress_;
  std::optional<int64_t> first_timestamp_;  // the first batch's largest
  std::optional<int64_t> created_ms_;   // when the first batch came, as far as this process knows
  uint32_t index_interval_bytes_;       // as last configured; for rebuilding
  std::array<Boundary, 4> boundaries_;  // lately used, any order: readers go on where they stopped
  size_t next_boundary_ = 0;
  std::optional<int64_t> modified_ms_;  // while it is not written

  const std::optional<uint64_t> view_of_;  // set in a view: the file's generation when it was made

  // While the segment is written.
  std::shared_ptr<File> open_;
  std::shared_ptr<MappedTail> tail_;  // of open_, where the segment is mapped
  uint64_t allocated_ = 0;
  uint64_t extent_ = 0;         // what the next Grow adds
  uint64_t stored_upto_ = 0;    // the length when the indexes were last stored
  uint64_t whole_until_ = 0;    // blocks below were written before
  uint64_t ahead_until_ = 0;    // whether to write ahead was decided up to here
  uint64_t syncs_by_then_ = 0;  // the log's, when it was
  RecentBatches recent_;
  bool damaged_ = false;
  bool at_rest_ = false;
};

}  // namespace millrace
