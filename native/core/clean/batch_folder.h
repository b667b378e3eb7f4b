#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/clean/cleaned_segment.h"
#include "core/clean/record_codecs.h"
#include "core/log/batch.h"

namespace millrace {

// Compresses the batches of a cleaned segment on their way into it. Batches that follow each other
// and differ in nothing but offsets and times become one, of so many bytes of records before they
// are folded: small batches fold badly, and of a large one all is unfolded to read one record.
//
//   - Offsets and timestamps of the records stay, and holes between them.
//   - What belongs to a producer, has append time or a delete horizon is folded by itself, since
//     its header says something of this batch alone. Markers, empty batches and what has the codec
//     already stay as they are.
//   - A batch gets the codec also where that makes it longer: its header tells that it was folded.
//
// One thread.
class BatchFolder {
 public:
  static constexpr size_t kBatchBytes = 64 << 10;

  // `codec` as in a batch's attributes, not 0. The others outlive the folder.
  BatchFolder(int16_t codec, RecordCodecs& codecs, CleanedSegment& cleaned)
      : codec_(codec), codecs_(codecs), cleaned_(cleaned) {}

  // Batches come in the order of the log; `batch` is whole. kCorrupt when its records are none.
  Status Add(std::span<const std::byte> batch, const BatchHeader& header);
  // What was added is in the cleaned segment.
  Status Finish();

 private:
  bool Joins(const BatchHeader& header, size_t bytes) const;
  Status Append(std::span<const std::byte> records, const BatchHeader& header);

  const int16_t codec_;
  RecordCodecs& codecs_;
  CleanedSegment& cleaned_;
  BatchHeader header_{};             // of the batch being gathered, if there is one
  std::vector<std::byte> gathered_;  // its header, not yet right, and its records
  bool alone_ = false;               // nothing joins it
  std::vector<std::byte> unfolded_;
  std::vector<std::byte> folded_;
};

}  // namespace millrace
