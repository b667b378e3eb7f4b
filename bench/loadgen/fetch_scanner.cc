#include "fetch_scanner.h"

#include <algorithm>

#include "crc32c.h"
#include "record_batch.h"

namespace millrace::loadgen {
namespace {

constexpr size_t kHeadBytes =
    22;  // size, correlation id, throttle time, error, session id, topic count
constexpr size_t kPartitionBytes =
    34;  // index, error, high watermark, last stable and log start offset, aborted count
constexpr size_t kAbortedBytes = 16;

}  // namespace

void FetchScanner::Begin(Depth depth) {
  depth_ = depth;
  partitions_.clear();
  stamps_.clear();
  frame_left_ = kHeadBytes;
  Expect(State::kHead, kHeadBytes);
}

void FetchScanner::Expect(State state, size_t need) {
  state_ = state;
  need_ = need;
  scratch_.clear();
}

bool FetchScanner::Consume(Bytes bytes) {
  while (!bytes.empty()) {
    if (state_ == State::kDone) return false;
    size_t part = std::min(need_ - scratch_.size(), bytes.size());
    if (state_ == State::kPayload || state_ == State::kTruncated) {
      if (depth_ == Depth::kVerify && state_ == State::kPayload)
        crc_ = Crc32c(crc_, bytes.first(part));
      Skip(part);
    } else {
      if (state_ != State::kHead && part > frame_left_) return false;
      scratch_.append(bytes.data(), part);
      frame_left_ -= part;
      if (scratch_.size() == need_ && !Gathered()) return false;
    }
    bytes = bytes.subspan(part);
  }
  return true;
}

size_t FetchScanner::skippable() const {
  bool streamed =
      (state_ == State::kPayload && depth_ != Depth::kVerify) || state_ == State::kTruncated;
  return streamed ? need_ : 0;
}

void FetchScanner::Skip(size_t count) {
  need_ -= count;
  frame_left_ -= count;
  if (need_ > 0) return;
  if (state_ == State::kPayload) {
    PayloadEnd();
  } else {
    NextPartition();
  }
}

// Acts on the `need_` bytes in scratch_ and says what comes next. Nothing may be expected past the
// frame's end.
bool FetchScanner::Gathered() {
  Reader reader{Bytes(scratch_)};
  switch (state_) {
    case State::kHead: {
      int32_t size = reader.Int32();
      if (size < static_cast<int32_t>(kHeadBytes - 4)) return false;
      frame_bytes_ = size + 4;
      frame_left_ = static_cast<size_t>(frame_bytes_) - kHeadBytes;
      correlation_id_ = reader.Int32();
      reader.Int32();
      error_ = reader.Int16();
      reader.Int32();
      topics_left_ = depth_ == Depth::kFrameOnly ? 0 : reader.Int32();
      if (depth_ == Depth::kFrameOnly && frame_left_ > 0) {
        Expect(State::kTruncated, frame_left_);
      } else {
        NextTopic();
      }
      break;
    }
    case State::kTopicName: {
      int16_t length = reader.Int16();
      Expect(State::kTopic, static_cast<size_t>(std::max<int16_t>(length, 0)) + 4);
      break;
    }
    case State::kTopic:
      partitions_left_ = LoadBigEndian<int32_t>(scratch_.data() + scratch_.size() - 4);
      NextPartition();
      break;
    case State::kPartition: {
      Partition partition;
      partition.index = reader.Int32();
      partition.error = reader.Int16();
      partition.high_watermark = reader.Int64();
      reader.Skip(16);
      partitions_.push_back(partition);
      auto aborted = static_cast<size_t>(std::max(reader.Int32(), 0));
      // The preferred read replica and the length of the records follow the aborted transactions.
      Expect(State::kRecordsLength, aborted * kAbortedBytes + 8);
      break;
    }
    case State::kRecordsLength:
      records_left_ = std::max(LoadBigEndian<int32_t>(scratch_.data() + scratch_.size() - 4), 0);
      if (static_cast<size_t>(records_left_) > frame_left_) return false;
      NextBatch();
      break;
    case State::kBatchHeader:
      if (!BatchHeader()) return false;
      break;
    case State::kStamp:
      stamps_.push_back(reader.Int64());
      BatchEnd();
      break;
    default:
      return false;
  }
  return state_ == State::kDone ? frame_left_ == 0 : need_ <= frame_left_;
}

bool FetchScanner::BatchHeader() {
  const char* header = scratch_.data();
  auto length = LoadBigEndian<int32_t>(header + batch::kLength);
  int64_t payload = length - static_cast<int64_t>(batch::kHeaderBytes - batch::kLengthCountsFrom);
  if (payload < 0 || header[batch::kMagic] != 2) return false;
  records_left_ -= static_cast<int64_t>(batch::kHeaderBytes);
  batch_bytes_ = static_cast<int64_t>(batch::kHeaderBytes) + payload;
  batch_next_offset_ = LoadBigEndian<int64_t>(header + batch::kBaseOffset) +
                       LoadBigEndian<int32_t>(header + batch::kLastOffsetDelta) + 1;
  batch_records_ = LoadBigEndian<int32_t>(header + batch::kRecordCount);
  expected_crc_ = LoadBigEndian<uint32_t>(header + batch::kCrc);
  if (depth_ == Depth::kVerify) {
    crc_ = Crc32c(0, Bytes(header + batch::kAttributes, batch::kHeaderBytes - batch::kAttributes));
  }
  if (payload > records_left_) {
    // The answer's byte limit cut this batch short; the next request will begin with it.
    int64_t left = records_left_;
    records_left_ = 0;
    Expect(State::kTruncated, static_cast<size_t>(left));
    if (left == 0) NextPartition();
    return true;
  }
  records_left_ -= payload;
  if (depth_ == Depth::kStamps) {
    if (payload < static_cast<int64_t>(batch::kStampBytes)) return false;
    payload -= static_cast<int64_t>(batch::kStampBytes);
  }
  Expect(State::kPayload, static_cast<size_t>(payload));
  if (payload == 0) PayloadEnd();
  return true;
}

void FetchScanner::PayloadEnd() {
  if (depth_ == Depth::kStamps) {
    Expect(State::kStamp, batch::kStampBytes);
  } else {
    BatchEnd();
  }
}

void FetchScanner::BatchEnd() {
  Partition& partition = partitions_.back();
  partition.next_offset = batch_next_offset_;
  partition.batch_bytes += batch_bytes_;
  partition.records += batch_records_;
  if (depth_ == Depth::kVerify) {
    ++verified_batches_;
    if (crc_ != expected_crc_) ++corrupt_batches_;
  }
  NextBatch();
}

void FetchScanner::NextBatch() {
  if (records_left_ >= static_cast<int64_t>(batch::kHeaderBytes)) {
    Expect(State::kBatchHeader, batch::kHeaderBytes);
  } else if (records_left_ > 0) {
    auto left = static_cast<size_t>(records_left_);
    records_left_ = 0;
    Expect(State::kTruncated, left);
  } else {
    NextPartition();
  }
}

void FetchScanner::NextPartition() {
  if (partitions_left_-- > 0) {
    Expect(State::kPartition, kPartitionBytes);
  } else {
    NextTopic();
  }
}

void FetchScanner::NextTopic() {
  if (topics_left_-- > 0) {
    Expect(State::kTopicName, 2);
  } else {
    Expect(State::kDone, 0);
  }
}

}  // namespace millrace::loadgen
