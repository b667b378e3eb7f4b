#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/clean/clean_pass.h"
#include "core/log/log.h"
#include "test/support/batch_builder.h"

namespace millrace::test {

// A "compression" that anybody can undo: every byte is changed.
class FakeCodecs final : public RecordCodecs {
 public:
  Status Unfold(int16_t codec, std::span<const std::byte> records,
                std::vector<std::byte>* into) override;
  Status Fold(int16_t codec, std::span<const std::byte> records,
              std::vector<std::byte>* into) override;
  int unfolded = 0;
  int folded = 0;
};

// The same batch with its records folded.
Bytes FoldBatch(Bytes batch, int16_t codec);

struct KeyedRecord {
  Offset offset = -1;
  std::optional<std::string> key;
  std::optional<std::string> value;
  int64_t timestamp = -1;
  bool operator==(const KeyedRecord&) const = default;
};

// All records of batches that follow each other, control records left out.
std::vector<KeyedRecord> RecordsOf(std::span<const std::byte> batches);
std::vector<BatchHeader> HeadersIn(std::span<const std::byte> batches);

struct CleanOptions {
  Offset first_dirty = 0;
  std::optional<Offset> end;  // default: where the active segment begins
  int64_t now_ms = 1'000'000;
  int64_t delete_retention_ms = 1000;
  uint64_t map_bytes = 1 << 20;
  ProducersLast producers;
  bool compacts = true;
  int16_t codec = 0;
};

CleanTask TaskFor(Log& log, const std::string& directory, const LogConfig& config,
                  const CleanOptions& options);

struct CleanResult {
  Status status;  // of the first step that failed
  Offset clean_end = -1;
  std::vector<CleanedGroup> groups;
};

// One pass over `log`, each group put in place. It stops at the first failure.
CleanResult Clean(Disk& disk, Log& log, const std::string& directory, const LogConfig& config,
                  const CleanOptions& options = {});

}  // namespace millrace::test
