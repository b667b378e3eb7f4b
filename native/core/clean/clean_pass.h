#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/base/disk.h"
#include "core/clean/batch_filter.h"
#include "core/clean/io_budget.h"
#include "core/clean/offset_map.h"
#include "core/clean/record_codecs.h"
#include "core/clean/source_reader.h"
#include "core/clean/transactions.h"

namespace millrace {

// What one pass does to one log. Sizes in bytes, times in milliseconds.
struct CleanTask {
  struct Source {
    Offset base_offset = 0;
    uint64_t size_bytes = 0;  // all of the .log
  };

  std::string directory;
  std::vector<Source> segments;   // sealed, durable, consecutive from the log's first on
  Offset end_offset = 0;          // nothing at or above it is touched; at most the LSO
  Offset first_dirty_offset = 0;  // below it the log was cleaned before
  uint64_t map_bytes = 128u << 20;
  uint32_t segment_bytes = 1u << 30;
  uint32_t segment_index_bytes = 10u << 20;
  uint32_t index_interval_bytes = 4096;
  int64_t delete_retention_ms = 86'400'000;
  int64_t now_ms = 0;
  double bytes_per_second = std::numeric_limits<double>::infinity();  // read and written
  ProducersLast producers;                                            // all that the log knows
  HashSeed hash_seed;
  // False: all records stay, and the pass only folds. Then it may begin with any segment, and those
  // whose first batch has the codec already are left alone.
  bool compacts = true;
  int16_t codec = 0;  // what is written gets it (BatchFolder); 0: batches keep theirs
};

struct OffsetMapFacts {
  Offset clean_end_offset = 0;  // the log is clean below it once all groups are in place
  uint64_t keys = 0;
  uint64_t bytes_read = 0;
  double fill = 0;  // of 0 to 1
};

struct CleanedGroup {
  std::vector<Offset> bases;  // for Log::ReplaceSegments
  uint64_t bytes_read = 0;
  uint64_t bytes_written = 0;
  BatchFilter::Counts counts;
};

// Kafka's compaction of one log, on files that nobody writes any more: the map of the last offset
// of each key of the dirty part, then for group after group of segments a new one with what is to
// stay. The log goes on being used; each group takes effect when the log replaces its segments. A
// pass that fails has changed nothing but files of its own names.
//
// Every batch that is read is checked. The last batch of a group is kept, without records if all of
// them went: so a cleaned segment reaches to the next one, and recovery goes on taking a segment
// that ends early for a damaged one.
//
// One thread, which waits for the disk. The log must not be deleted meanwhile. A truncation or a
// moved log start may make the pass fail, or the replacement be refused.
class CleanPass {
 public:
  // `disk`, `codecs` and `stop`, which may be null and ends the pass soon once it is not 0, outlive
  // the pass.
  CleanPass(Disk& disk, CleanTask task, RecordCodecs& codecs, std::atomic<int32_t>* stop = nullptr);

  // Once, first. kWouldBlock while a replacement in this log has not been finished.
  Result<OffsetMapFacts> BuildMap();
  // Nothing after the last group.
  Result<std::optional<CleanedGroup>> NextGroup();

  // Where the pass met damage or failed to read: -1 when that was nowhere.
  Offset fault_segment() const { return fault_segment_; }
  int64_t fault_position() const { return fault_position_; }

 private:
  using Source = CleanTask::Source;

  Status CheckNames();
  Status FindFolded();
  enum class Mapped { kAll, kUntilEnd, kUntilFull };
  Result<Mapped> MapSegment(const Source& source, SourceReader& reader,
                            TransactionTracker& transactions);
  // False when the map has no room for all of the batch's keys.
  Result<bool> MapBatch(const SourceReader& reader, TransactionTracker& transactions);
  Result<std::shared_ptr<File>> OpenSource(const Source& source);
  Result<size_t> GroupEnd(size_t begin) const;
  Result<Offset> EndOf(size_t index) const;
  Result<CleanedGroup> CleanGroup(size_t begin, size_t end);
  Result<BatchFilter::Left> LeaveOf(const SourceReader& reader, bool keep,
                                    std::vector<AbortedTransaction>* named);
  std::vector<AbortedTransaction> AbortedWithin(size_t begin, size_t end) const;
  Status Fault(const Source& source, const SourceReader& reader, Status status);

  Disk& disk_;
  const CleanTask task_;
  RecordCodecs& codecs_;
  IoBudget budget_;
  std::unique_ptr<OffsetMap> map_;
  std::vector<AbortedTransaction> aborted_;
  std::unordered_set<Offset> transaction_indexes_;  // base offsets of segments that have one
  std::optional<TransactionTracker> transactions_;  // of the groups
  std::optional<BatchFilter> filter_;
  Offset clean_end_ = 0;
  size_t next_ = 0;                     // segment
  std::vector<bool> folded_;            // segments that are left alone; of a pass that only folds
  BatchFilter::Counts folding_counts_;  // likewise
  std::vector<std::byte> buffer_;
  std::vector<std::byte> unfolded_;
  Offset fault_segment_ = -1;
  int64_t fault_position_ = -1;
};

}  // namespace millrace
