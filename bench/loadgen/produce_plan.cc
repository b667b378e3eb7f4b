#include "produce_plan.h"

#include <cstring>

#include "crc32c.h"
#include "messages.h"
#include "program.h"
#include "record_batch.h"

namespace millrace::loadgen {
namespace {

// Up to here a copy into the send queue is cheaper than one more vector for the kernel.
constexpr size_t kCopyBytes = 16 << 10;

void CopyOrLend(Bytes bytes, SendQueue& out) {
  if (bytes.size() <= kCopyBytes) {
    out.Copy(bytes);
  } else {
    out.Lend(bytes);
  }
}

}  // namespace

ProducePlan::ProducePlan(const Options& options) : stamped_(options.stamped()) {
  int32_t per_request = options.partitions_per_request;
  auto batch_bytes = static_cast<size_t>(options.request_bytes / per_request);
  RecordBatch batch =
      BuildRecordBatch(batch_bytes, static_cast<size_t>(options.record_bytes), WallClockMs());
  batch_ = std::move(batch.bytes);
  if (stamped_) {
    // The CRC of what never changes goes on over the few bytes that do.
    size_t covered = batch_.size() - batch::kAttributes - batch::kStampBytes;
    crc_before_stamp_ = Crc32c(0, Bytes(batch_).subspan(batch::kAttributes, covered));
  }
  ProduceLayout layout;
  layout.topic = options.topic;
  layout.acks = options.acks;

  for (int32_t first = 0; first < options.partitions; first += per_request) {
    Writer writer = BeginProduce(layout, static_cast<size_t>(per_request));
    Request request;
    bool inlined = !stamped_ && (per_request > 1 || batch_.size() <= kCopyBytes);
    for (int32_t partition = first; partition < first + per_request; ++partition) {
      AppendPartitionHead(writer, partition, batch_.size());
      if (inlined) writer.Raw(batch_);
    }
    request.start = writer.Take();
    if (!inlined) request.records = batch_;
    request.record_count = batch.records * per_request;
    request.batch_bytes = batch_.size() * static_cast<size_t>(per_request);
    request.partition_count = per_request;
    requests_.push_back(std::move(request));
  }
}

void ProducePlan::Send(size_t index, int32_t correlation_id, int64_t stamp, SendQueue& out) const {
  const Request& request = requests_[index];
  char head[kRequestHeadBytes];
  StoreRequestHead(head, Api::kProduce, correlation_id,
                   request.start.size() + request.records.size());
  out.Copy(head);
  CopyOrLend(request.start, out);
  if (stamped_) {
    AppendStamped(request, stamp, out);
  } else if (!request.records.empty()) {
    out.Lend(request.records);
  }
}

void ProducePlan::AppendStamped(const Request& request, int64_t stamp, SendQueue& out) const {
  char last[batch::kStampBytes] = {};
  StoreBigEndian(last, stamp);
  char header[batch::kHeaderBytes];
  std::memcpy(header, batch_.data(), sizeof header);
  StoreBigEndian(header + batch::kCrc, Crc32c(crc_before_stamp_, last));
  out.Copy(header);
  size_t between = request.records.size() - sizeof header - sizeof last;
  CopyOrLend(request.records.subspan(sizeof header, between), out);
  out.Copy(last);
}

}  // namespace millrace::loadgen
