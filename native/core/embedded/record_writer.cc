#include "core/embedded/record_writer.h"

#include "core/base/bytes.h"
#include "core/base/crc32c.h"

namespace millrace {

BatchHeader WriteBatchHeader(std::span<std::byte> batch, Offset base_offset, int64_t base_timestamp,
                             int64_t max_timestamp, uint32_t record_count) {
  constexpr size_t kAttributesAt = 21;  // the checksum covers all from here on
  std::byte* const to = batch.data();
  StoreBigEndian<int64_t>(to, base_offset);
  StoreBigEndian<int32_t>(to + 8, static_cast<int32_t>(batch.size() - kBatchLengthEnd));
  StoreBigEndian<int32_t>(to + 12, 0);  // leader epoch
  to[16] = std::byte{2};                // magic
  StoreBigEndian<int16_t>(to + kAttributesAt, 0);
  StoreBigEndian<int32_t>(to + 23, static_cast<int32_t>(record_count - 1));
  StoreBigEndian<int64_t>(to + 27, base_timestamp);
  StoreBigEndian<int64_t>(to + 35, max_timestamp);
  StoreBigEndian<int64_t>(to + 43, -1);  // producer id, epoch, sequence
  StoreBigEndian<int16_t>(to + 51, -1);
  StoreBigEndian<int32_t>(to + 53, -1);
  StoreBigEndian<int32_t>(to + 57, static_cast<int32_t>(record_count));
  StoreBigEndian<uint32_t>(to + 17, Crc32c(batch.subspan(kAttributesAt)));
  BatchHeader header{};
  header.base_offset = base_offset;
  header.last_offset = base_offset + record_count - 1;
  header.base_timestamp = base_timestamp;
  header.max_timestamp = max_timestamp;
  header.producer_id = -1;
  header.base_sequence = -1;
  header.producer_epoch = -1;
  header.record_count = static_cast<int32_t>(record_count);
  header.size_bytes = static_cast<int32_t>(batch.size());
  return header;
}

}  // namespace millrace
