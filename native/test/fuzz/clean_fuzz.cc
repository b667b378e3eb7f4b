// Cleaning any bytes that claim to be a batch: no input makes the filter read or write outside its
// bytes, what it leaves is a batch again, and cleaning that changes nothing more.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "core/clean/batch_filter.h"
#include "test/support/clean_log.h"

namespace millrace::test {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

struct Cleaner {
  explicit Cleaner(std::span<const std::byte> key)
      : transactions({{5, 0, 40, 0}}, 0),
        producers({{7, {1, 9}}}),
        filter(map, transactions, producers, codecs, {int64_t{1} << 40, 1'000'000, 1000}) {
    map.Put(HashKey(map.seed(), key), int64_t{1} << 39);
  }
  OffsetMap map{50'000, {1, 2}};
  TransactionTracker transactions;
  ProducersLast producers;
  FakeCodecs codecs;
  BatchFilter filter;
  std::vector<AbortedTransaction> named;
};

void Run(std::span<const std::byte> input) {
  if (input.size() < 2) return;
  // Some key is known to be superseded: the first byte says how long it is.
  const auto key_bytes = std::min<size_t>(std::to_integer<size_t>(input[0]) & 7, input.size() - 2);
  const bool keep = (input[0] & std::byte{8}) != std::byte{0};
  const auto key = input.subspan(1, key_bytes);
  const auto batch = input.subspan(1 + key_bytes);
  BatchHeader header;
  if (!ParseBatchHeader(batch, &header).ok()) return;
  const auto whole = batch.first(static_cast<size_t>(header.size_bytes));
  Cleaner cleaner(key);
  const auto left = cleaner.filter.Filter(whole, header, keep, &cleaner.named);
  if (!left.ok() || left->bytes.empty()) return;
  BatchHeader written;
  Require(ParseBatchHeader(left->bytes, &written).ok());
  Require(static_cast<size_t>(written.size_bytes) == left->bytes.size());
  Require(written.base_offset == header.base_offset && written.last_offset == header.last_offset);
  Require(written.record_count <= header.record_count);
  if (left->bytes.data() == whole.data()) return;
  Require(BatchChecksumHolds(left->bytes));
  const std::vector<std::byte> once(left->bytes.begin(), left->bytes.end());
  Cleaner second(key);
  const auto again = second.filter.Filter(once, written, keep, &second.named);
  Require(again.ok());
  Require(again->bytes.size() <= once.size());
}

}  // namespace
}  // namespace millrace::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  millrace::test::Run(std::as_bytes(std::span(data, size)));
  return 0;
}
