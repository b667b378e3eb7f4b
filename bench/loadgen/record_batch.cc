#include "record_batch.h"

#include "crc32c.h"
#include "wire.h"

namespace millrace::loadgen {
namespace {

// Letters that do not compress to nothing, should a device or file system below the broker try to.
std::string RandomText(size_t size) {
  std::string text(size, '\0');
  uint64_t state = 0x9e3779b97f4a7c15;
  for (char& letter : text) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    letter = static_cast<char>('!' + state % 94);
  }
  return text;
}

std::string Record(int32_t offset_delta, std::string_view value) {
  Writer body;
  body.Int8(0).Varint(0).Varint(offset_delta);  // attributes, timestamp delta, offset delta
  body.Varint(-1)
      .Varint(static_cast<int64_t>(value.size()))
      .Raw(value)
      .Varint(0);  // no key; value; no headers
  std::string bytes = body.Take();
  return Writer().Varint(static_cast<int64_t>(bytes.size())).Raw(bytes).Take();
}

}  // namespace

RecordBatch BuildRecordBatch(size_t batch_bytes, size_t value_bytes, int64_t timestamp_ms,
                             int32_t most_records) {
  // Values start at different places of one text, so that neighbours differ.
  constexpr size_t kSpread = 4096;
  const std::string text = RandomText(value_bytes + kSpread);
  std::string records;
  int32_t count = 0;
  while (count == 0 || count < most_records) {
    size_t start = static_cast<size_t>(count) * 61 % kSpread;
    std::string record = Record(count, std::string_view(text).substr(start, value_bytes));
    if (count > 0 && batch::kHeaderBytes + records.size() + record.size() > batch_bytes) break;
    records += record;
    ++count;
  }

  Writer writer;
  writer.Int64(0).Int32(
      static_cast<int32_t>(batch::kHeaderBytes - batch::kLengthCountsFrom + records.size()));
  writer.Int32(-1).Int8(2).Int32(0);               // leader epoch, magic, CRC (below)
  writer.Int16(0).Int32(count - 1);                // attributes, last offset delta
  writer.Int64(timestamp_ms).Int64(timestamp_ms);  // base and max timestamp
  writer.Int64(-1).Int16(-1).Int32(-1).Int32(count).Raw(
      records);  // producer id, epoch, sequence; records
  Bytes covered(writer.at(batch::kAttributes), writer.size() - batch::kAttributes);
  StoreBigEndian(writer.at(batch::kCrc), Crc32c(0, covered));
  return RecordBatch{writer.Take(), count};
}

void MakeTransactional(std::string& batch, const BatchProducer& producer) {
  StoreBigEndian(batch.data() + batch::kAttributes, batch::kTransactional);
  StoreBigEndian(batch.data() + batch::kProducerId, producer.id);
  StoreBigEndian(batch.data() + batch::kProducerEpoch, producer.epoch);
  StoreBigEndian(batch.data() + batch::kBaseSequence, producer.base_sequence);
  Bytes covered = Bytes(batch).subspan(batch::kAttributes);
  StoreBigEndian(batch.data() + batch::kCrc, Crc32c(0, covered));
}

}  // namespace millrace::loadgen
