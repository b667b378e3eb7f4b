#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "wire.h"

namespace millrace::loadgen {

// Reads a Fetch v11 response as its bytes come in, without keeping them: of the records it looks at
// each batch's header only, or, when asked to verify, at every byte. A response of 50 MB needs 61
// bytes of memory.
class FetchScanner {
 public:
  struct Partition {
    int32_t index = 0;
    int16_t error = 0;
    int64_t high_watermark = 0;
    int64_t next_offset = -1;  // after the last whole batch; -1 without one
    int64_t batch_bytes = 0;   // of whole batches, as are the records
    int64_t records = 0;
  };
  // kVerify recomputes the CRC-32C of every whole batch; kStamps reads the time at each one's end
  // (record_batch.h); kFrameOnly looks at nothing but the size of the answer.
  enum class Depth { kHeaders, kVerify, kStamps, kFrameOnly };

  // Prepares for the next response.
  void Begin(Depth depth);

  // Takes bytes of the response in order; `bytes` must not reach past it. False when they make no
  // sense.
  bool Consume(Bytes bytes);
  // How many of the coming bytes carry nothing that is looked at. They may be passed to Skip()
  // instead of Consume().
  size_t skippable() const;
  void Skip(size_t count);

  // Bytes up to the end of the response; before its head is there, up to the end of that.
  size_t left() const { return frame_left_; }
  bool done() const { return state_ == State::kDone; }

  int64_t frame_bytes() const { return frame_bytes_; }
  int32_t correlation_id() const { return correlation_id_; }
  int16_t error() const { return error_; }
  const std::vector<Partition>& partitions() const { return partitions_; }
  // Of each whole batch of the response.
  const std::vector<int64_t>& stamps() const { return stamps_; }
  int64_t verified_batches() const { return verified_batches_; }
  int64_t corrupt_batches() const { return corrupt_batches_; }

 private:
  // What the next `need_` bytes are. kPayload bytes are streamed, the others gathered in scratch_
  // first.
  enum class State {
    kHead,
    kTopicName,
    kTopic,
    kPartition,
    kRecordsLength,
    kBatchHeader,
    kPayload,
    kStamp,
    kTruncated,
    kDone
  };

  void Expect(State state, size_t need);
  bool Gathered();
  bool BatchHeader();
  void PayloadEnd();
  void BatchEnd();
  void NextBatch();
  void NextPartition();
  void NextTopic();

  State state_ = State::kDone;
  size_t need_ = 0;
  std::string scratch_;
  size_t frame_left_ = 0;

  int32_t topics_left_ = 0;
  int32_t partitions_left_ = 0;
  int64_t records_left_ =
      0;  // bytes of the current partition's records that were not looked at yet
  Depth depth_ = Depth::kHeaders;
  uint32_t expected_crc_ = 0;
  uint32_t crc_ = 0;
  int64_t batch_bytes_ = 0;
  int64_t batch_next_offset_ = 0;
  int64_t batch_records_ = 0;

  int64_t frame_bytes_ = 0;
  int32_t correlation_id_ = 0;
  int16_t error_ = 0;
  std::vector<Partition> partitions_;
  std::vector<int64_t> stamps_;
  int64_t verified_batches_ = 0;
  int64_t corrupt_batches_ = 0;
};

}  // namespace millrace::loadgen
