#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/log/dirty_files.h"
#include "core/log/log.h"
#include "core/log/log_services.h"
#include "core/log/log_view.h"
#include "core/log/prepared_segment.h"
#include "core/log/removal_queue.h"
#include "core/log/replacement.h"
#include "core/log/segment.h"
#include "core/log/spare_segments.h"

namespace millrace {

// The list of segments and the moves between them. Appending, rolling and closing are in
// log_impl.cc, reading in log_read.cc, everything that takes data away in log_remove.cc, and
// what compaction does in log_replace.cc.
//
// Everything here belongs to the decision thread but dirty_, which says itself what others may do.
class LogImpl final : public Log {
 public:
  LogImpl(Disk& disk, LogServices* services, std::string directory, const LogConfig& config);
  ~LogImpl() override;

  Status Recover(OpenTrust trust, Offset recovery_point, Offset log_start_offset, RecoverySync sync,
                 OpenReport* report);

  void Configure(const LogConfig& config) override;
  Status Append(std::span<std::byte> batch, const AppendOptions& options,
                Appended* appended) override;
  Status WriteGathered() override { return WriteOut(); }
  Status TakeLoss() override { return std::exchange(lost_, Status::Ok()); }
  Status Validate(std::span<const std::byte> batch, const AppendOptions& options,
                  Appended* verdict) const override;
  Result<TailSpace> ReserveTail(uint64_t bytes, int64_t now_ms, TailWay way) override;
  Result<TailSpace> ReserveRun(uint64_t bytes, size_t batches, int64_t now_ms) override;
  Status WriteTail(const TailSpace& space, uint64_t at, std::span<const std::byte> bytes) override;
  Status CheckTail() override;
  Status AppendInPlace(const TailSpace& space, std::span<const std::byte> batch,
                       const BatchHeader& header) override;
  Status AppendRun(const TailSpace& space, std::span<const std::byte> run,
                   std::span<const BatchHeader> headers) override;
  Status Roll() override;
  Result<std::shared_ptr<Replacement>> BeginReplacement(std::span<const Offset> bases) override;
  Status FinishReplacement(Replacement& replacement) override;
  std::function<Status()> PendingRemovals() override { return removals_.Finisher(); }
  Result<size_t> ListSegments(bool times, std::span<SegmentFacts> into) override;
  bool Rest() override;
  Status Close(bool clean) override;
  Status CloseUnsynced() override;

  Result<FileRegion> Read(Offset offset, uint64_t max_bytes, Offset limit,
                          bool whole_first_batch) override;
  std::unique_ptr<LogView> View(Offset from, size_t segments) override;
  Status Learn(LogView& view, Status outcome) override;
  Result<size_t> ReadHeaders(Offset from, Offset limit, std::span<BatchHeader> into) override;

  Status TruncateTo(Offset offset) override;
  Status ResetTo(Offset offset) override;
  Status AdvanceStart(Offset offset) override;
  Status Delete() override;

  Offset log_start_offset() const override { return log_start_; }
  Offset log_end_offset() const override {
    return gathered_.empty() ? dirty_.end() : gathered_.end_offset();
  }
  Offset durable_offset() const override { return dirty_.durable(); }
  bool needs_flush() const override {
    return dirty_.durable() < dirty_.end() || dirty_.names_dirty();
  }
  uint64_t size_bytes() const override;
  Offset active_base_offset() const override;
  Result<uint64_t> active_bytes() const override {
    if (segments_.empty()) return Status(Code::kClosed);
    return active().length() + gathered_.bytes();
  }
  bool failed() const override { return dirty_.failed(); }

  Result<DurablePoint> Flush() override { return dirty_.Flush(); }
  void StartWriteBack() override { dirty_.StartWriteBack(); }
  FileSystem* file_system() const override { return file_system_.get(); }
  bool BeginFlush() override { return dirty_.BeginFlush(); }
  bool settled() override { return dirty_.settled(); }
  Result<DurablePoint> EndFlush(bool synced) override { return dirty_.EndFlush(synced); }

 private:
  Segment& active() const { return *segments_.back(); }
  // kClosed or kFailed, when nothing may be changed any more.
  Status CheckUsable() const;
  // Passes `status` on; if it means that bytes we rely on are lost, the log has failed.
  Status Judge(Status status);
  // kNoSpace while the disk's reserve is given up and an append of `size` might use it.
  Status CheckRoom(uint64_t size);
  // Gives blocks back that lie ready for segments to come, before an append is refused for want of
  // them. False: there were none.
  bool GiveBackSpares();
  Status RollTo(Offset base_offset);
  // Whether a batch of this size may wait to be written.
  bool Gathers(uint64_t size, const AppendOptions& options) const;
  Status WriteOut();  // WriteGathered
  // Room for batches of these facts at the log's end, in a new segment where one is due.
  Status MakeRoom(uint64_t size, Offset last_offset, int64_t max_timestamp, int64_t now_ms,
                  bool* rolled, size_t batches = 1);
  // The same as ReserveTail and ReserveRun ask for it; `bytes` of the space are left out.
  Result<TailSpace> MakeTailRoom(uint64_t bytes, size_t batches, int64_t now_ms);
  // The space is still the log's end.
  bool AtEnd(const TailSpace& space) const;
  Result<std::shared_ptr<File>> NextFile(const std::string& path, uint64_t* allocated);
  void ListActive();
  void PrepareNext();
  bool FillsFast() const;
  Status CloseClean(bool sync);
  void LetGo();
  void EndSpares();
  // After segments came or went.
  void CountRolledBytes();

  // The segment that holds `offset`, or the first one behind it.
  size_t SegmentFor(Offset offset) const { return SegmentHolding(segments_, offset); }

  // Removes the files of `segment`, whose names are then free; blocks are given back in the
  // background.
  Status Remove(Segment& segment);
  // Replacing, in log_replace.cc. With the replacement's mutex held:
  Status Exchange(Replacement& replacement);
  // Before the log is cut: a replacement that is decided takes place, any other does not.
  void SettleReplacement();

  Status CutTo(Offset offset);
  Status StartOver(Offset offset);

  Disk& disk_;
  const std::unique_ptr<LogServices>
      own_services_;  // when none were given and the disk is not the real one
  LogServices& services_;
  std::string directory_;
  // That of the directory above, since logs beside each other share it. Null: there is none to sync
  // at once. Constant once the log is open.
  std::shared_ptr<FileSystem> file_system_;
  LogConfig config_;
  std::vector<std::unique_ptr<Segment>> segments_;  // by base offset; empty only when closed
  uint64_t rolled_bytes_ = 0;                       // of all segments but the active one
  Offset log_start_ = 0;
  bool active_listed_ = false;  // dirty_ has the active segment's open file
  GatheredBatches gathered_;    // behind the active segment's written end
  Status lost_;                 // why some could not be written, until TakeLoss
  DirtyFiles dirty_;
  const std::shared_ptr<SpareSegments> spares_;
  PreparedSegment prepared_;
  // When this process began to fill the active segment, and how long that was then.
  struct Pace {
    int64_t begin_ms;
    uint64_t begin_bytes;
  };
  std::optional<Pace> pace_;
  int64_t now_ms_ = 0;  // of the last append
  RemovalQueue removals_;
  std::shared_ptr<Replacement> replacement_;  // the last that began; null before the first
};

}  // namespace millrace
