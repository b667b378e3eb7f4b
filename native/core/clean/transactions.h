#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/base/disk.h"
#include "core/log/batch.h"

namespace millrace {

// An entry of a transaction index (Kafka's .txnindex, big-endian, one after the other in the order
// of their last offsets, in the segment that holds the marker):
//
//   0  version int16 (0) | 2  producer id int64 | 10  first offset int64
//   18  last offset, the marker's, int64 | 26  last stable offset when it ended int64
struct AbortedTransaction {
  static constexpr size_t kBytes = 34;

  int64_t producer_id = -1;
  Offset first_offset = -1;
  Offset last_offset = -1;
  Offset last_stable_offset = -1;
};

void EncodeAborted(const AbortedTransaction& transaction, std::byte* to);

// All transaction indexes of a log, those of its active segment included: a transaction may have
// been aborted long behind its data. A half-written entry at an end belongs to what is still open.
// `bases` gets the base offsets of the segments that have one. kCorrupt, and the segment in
// `damaged`, for a version that we do not know.
Result<std::vector<AbortedTransaction>> ReadAborted(Disk& disk, const std::string& directory,
                                                    std::unordered_set<Offset>* bases,
                                                    Offset* damaged);

// Which transactions are open as a walk goes over the batches of a log in order. Every transaction
// is decided below the walk's end: what is not known as aborted was committed. One thread.
class TransactionTracker {
 public:
  // `aborted` in any order; those that end below `from`, where the walk begins, do not count.
  TransactionTracker(std::vector<AbortedTransaction> aborted, Offset from);

  // Of a batch of data: whether it was aborted.
  bool OnData(const BatchHeader& header);
  // Of a marker: whether the walk has met no batch of its transaction, so that the marker says
  // nothing any more. An aborted transaction whose data was met, and that the index of this segment
  // therefore has to name, is added to `named`. `type`: kAbort, kCommit, or another.
  static constexpr int16_t kAbort = 0;
  static constexpr int16_t kCommit = 1;
  bool OnMarker(const BatchHeader& header, int16_t type, std::vector<AbortedTransaction>* named);

 private:
  struct Open {
    AbortedTransaction transaction;
    bool met = false;  // a batch of its data
  };
  void OpenUpTo(Offset offset);

  std::vector<AbortedTransaction> aborted_;  // by first offset
  size_t next_ = 0;
  std::unordered_map<int64_t, Open> open_aborted_;  // by producer
  std::unordered_set<int64_t> open_committed_;
};

}  // namespace millrace
