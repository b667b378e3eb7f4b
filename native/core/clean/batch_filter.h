#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/clean/offset_map.h"
#include "core/clean/record_codecs.h"
#include "core/clean/record_iterator.h"
#include "core/clean/transactions.h"

namespace millrace {

// The last that a log knows of a producer: its last batch of data or, at -1, only a marker with
// this epoch.
struct ProducerLast {
  int16_t epoch = -1;
  Offset last_data_offset = -1;
};
using ProducersLast = std::unordered_map<int64_t, ProducerLast>;

// What cleaning leaves of one batch, by the rules of Kafka's cleaner:
//
//   - Of a key the record with the largest offset stays; records without a key go.
//   - A tombstone that stays gives its batch a delete horizon, if it has none: now and
//     delete.retention.ms. Behind the horizon tombstones go. A marker whose transaction has no data
//     left is treated like a tombstone.
//   - What was aborted goes.
//   - The last batch of each producer, and a batch that is to be kept in any case, stays without
//     records when all of them go.
//   - Offsets stay, and with them holes; so do base and last offset of a batch, its base sequence,
//     leader epoch and codec.
//
// The delete horizon stands in the place of the base timestamp, with bit 6 of the attributes, and
// the timestamp deltas count from it (KIP-534). One thread.
class BatchFilter {
 public:
  struct Rules {
    Offset end_offset = 0;  // the map knows all keys of the cleaned log below it
    int64_t now_ms = 0;
    int64_t delete_retention_ms = 0;
    // Batches that are changed lose their codec: somebody folds them afterwards.
    bool unfolds = false;
  };
  struct Counts {
    uint64_t batches_read = 0;
    uint64_t batches_kept = 0;
    uint64_t records_read = 0;
    uint64_t records_kept = 0;
    uint64_t records_without_key = 0;

    Counts operator-(const Counts& before) const {
      return {batches_read - before.batches_read, batches_kept - before.batches_kept,
              records_read - before.records_read, records_kept - before.records_kept,
              records_without_key - before.records_without_key};
    }
  };
  // Empty bytes: the batch goes. Else they are the batch itself, or belong to the filter and are
  // valid until the next call.
  struct Left {
    std::span<const std::byte> bytes;
    BatchHeader header{};
  };

  // All but the rules outlive the filter.
  BatchFilter(const OffsetMap& map, TransactionTracker& transactions,
              const ProducersLast& producers, RecordCodecs& codecs, const Rules& rules)
      : map_(map),
        transactions_(transactions),
        producers_(producers),
        codecs_(codecs),
        rules_(rules) {}

  // Batches come in the order of the log. `batch` is whole and its checksum holds; `keep` keeps it
  // even if it has no records. A transaction whose index entry belongs to this batch's segment is
  // added to `named`. kCorrupt when the records are none.
  Result<Left> Filter(std::span<const std::byte> batch, const BatchHeader& header, bool keep,
                      std::vector<AbortedTransaction>* named);

  const Counts& counts() const { return counts_; }

 private:
  // What is to be done with one batch, and what is known of it so far.
  struct Work {
    std::span<const std::byte> batch;
    const BatchHeader& header;
    std::span<const std::byte> records;  // unfolded
    bool control = false;
    bool horizon_passed = false;  // of a batch that has one
    bool discard = false;         // all records go
    bool empty_marker = false;    // a marker without a transaction
    int32_t kept = 0;
    bool tombstones = false;  // among those kept
    bool all_kept = true;
    int64_t max_timestamp = -1;
  };

  bool IsLastOfProducer(const BatchHeader& header) const;
  Status Judge(Work& work);
  bool Keeps(const Work& work, const RecordView& record);
  Result<Left> Write(const Work& work);
  Left WriteEmpty(const Work& work);
  Left Unchanged(const Work& work);
  Left Finish(const Work& work, int16_t attributes, int64_t base_timestamp, int64_t max_timestamp,
              int32_t count);

  const OffsetMap& map_;
  TransactionTracker& transactions_;
  const ProducersLast& producers_;
  RecordCodecs& codecs_;
  const Rules rules_;
  Counts counts_;
  std::vector<std::byte> unfolded_;
  std::vector<std::byte> folded_;
  // Records of the batch at hand that are kept and follow each other; borrowed.
  std::vector<std::span<const std::byte>> runs_;
  std::vector<std::byte> output_;
};

// The kind of a control record, -1 when it cannot be told.
int16_t MarkerType(const RecordView& record);

}  // namespace millrace
