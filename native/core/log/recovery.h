#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/log/log.h"
#include "core/log/segment.h"
#include "core/log/segment_names.h"

namespace millrace {

struct RecoveredLog {
  std::vector<std::unique_ptr<Segment>> segments;  // by base offset, at least one, all at rest
  bool names_dirty = false;    // in the directory, and perhaps its own in its parent
  bool last_unsynced = false;  // of the last segment; all other bytes are durable
};

// Opens the files of a log. First it only looks, and decides what every file has to become; a
// verdict of damage therefore leaves everything as it was. Then it changes the files, in an order
// that lets a second crash in the middle be recovered in the same way.
class Recovery {
 public:
  Recovery(Disk& disk, OpenFiles& files, const std::string& directory, const LogConfig& config,
           RecoverySync sync, OpenReport* report)
      : disk_(disk),
        files_(files),
        directory_(directory),
        config_(config),
        sync_(sync),
        report_(report) {}

  Result<RecoveredLog> Run(OpenTrust trust, Offset recovery_point, Offset log_start_offset);

 private:
  // One segment and what is to be done with its files.
  struct Found {
    std::unique_ptr<Segment> segment;
    uint64_t size = 0;           // of the .log
    uint64_t length = 0;         // what it is cut or trimmed to
    uint64_t checked_bytes = 0;  // of the last batches kept: they may not be on the disk
    uint64_t cut_end = 0;        // bytes [length, cut_end) are something other than zeros
    Offset end_offset = 0;
    std::optional<IndexProgress> progress;
    std::optional<IndexImage> image;
    bool touched = false;  // its indexes have to be brought to rest
  };

  Status FinishSwaps(Result<std::vector<std::string>>* names);
  Status ReadDirectory();
  Status Inspect();
  Status InspectClean();
  Status InspectSameBoot();
  Status InspectReboot();
  // The segment is what it was when it was rolled, perhaps not yet trimmed.
  Status CheckComplete(Found& found, Offset next_base_offset);
  Status CheckHeadersAbove(Found& found);
  Status CutTornAppend(Found& found);
  void Adopt(Found& found, SegmentTail tail);

  Status Apply();
  Status RemoveAll(const std::vector<std::string>& names);
  Status RemoveSegment(Offset base_offset);
  Result<std::string> NameAside(Offset base_offset, uint64_t from);
  Status PutSegmentAside(const Found& found);
  Status PutTailAside(const Found& found);
  Status Finish(Found& found);
  Status WriteAgain(const Found& found);
  Status CreateFirst();
  Status SyncAll();
  std::string PathOf(Offset base_offset, FileKind kind) const;
  RecoveredLog Collect();

  Disk& disk_;
  OpenFiles& files_;
  const std::string directory_;
  const LogConfig config_;
  const RecoverySync sync_;
  OpenReport* const report_;
  OpenTrust trust_ = OpenTrust::kClean;
  Offset recovery_point_ = 0;
  Offset log_start_ = 0;

  bool new_directory_ = false;
  bool names_changed_ = false;
  std::vector<std::string> leftovers_;  // names to be removed in any case
  std::vector<Found> obsolete_;         // wholly below the log start
  std::vector<Found> found_;            // by base offset
  std::vector<Found> cut_;              // behind the valid prefix
};

}  // namespace millrace
