#include "tail_readers.h"

#include <algorithm>

#include "program.h"

namespace millrace::loadgen {

void TailReaders::Start(const Endpoint& target, const std::string& topic, int32_t partitions,
                        EventLoop& loop, uint64_t first_tag, const Window& window) {
  topic_ = topic;
  first_tag_ = first_tag;
  window_ = &window;
  for (size_t i = 0; i < readers_.size(); ++i) {
    Reader& reader = readers_[i];
    for (int32_t partition = 0; partition < partitions; ++partition)
      reader.positions.push_back(FetchPosition{partition, 0});
    reader.connection.Open(target, loop, first_tag + i);
    Ask(reader, NowNs());
    reader.connection.Flush();
  }
}

void TailReaders::OnEvent(const epoll_event& event) {
  Reader& reader = readers_[event.data.u64 - first_tag_];
  bool readable = (event.events & ~static_cast<uint32_t>(EPOLLOUT)) != 0;
  if (readable && reader.connection.Receive(buffer_)) {
    int64_t now = NowNs();
    Answered(reader, now);
    Ask(reader, now);
  }
  reader.connection.Flush();
}

// The limits of a client as it comes: no wait for more than one byte.
void TailReaders::Ask(Reader& reader, int64_t now) {
  FetchLimits limits;
  limits.max_bytes = 50 << 20;
  limits.partition_max_bytes = 1 << 20;
  std::rotate(reader.positions.begin(), reader.positions.begin() + 1, reader.positions.end());
  reader.connection.Ask(topic_, limits, reader.positions, FetchScanner::Depth::kStamps, now);
}

void TailReaders::Answered(Reader& reader, int64_t now) {
  const FetchScanner& answer = reader.connection.answer();
  if (answer.error() != 0) ++errors_[answer.error()];
  for (const FetchScanner::Partition& partition : answer.partitions()) {
    if (partition.error != 0) ++errors_[partition.error];
    if (partition.next_offset < 0) continue;
    auto at = std::find_if(reader.positions.begin(), reader.positions.end(),
                           [&](const FetchPosition& p) { return p.partition == partition.index; });
    if (at == reader.positions.end() || partition.next_offset <= at->offset)
      Fatal("a fetch returned what was not asked for");
    at->offset = partition.next_offset;
    reader.records += partition.records;
    if (window_->Contains(now)) window_bytes_ += partition.batch_bytes;
  }
  for (int64_t due : answer.stamps()) {
    if (window_->Contains(due)) latency_.Record(now - due);
  }
}

int64_t TailReaders::slowest_records() const {
  auto fewer = [](const Reader& a, const Reader& b) { return a.records < b.records; };
  auto slowest = std::min_element(readers_.begin(), readers_.end(), fewer);
  return slowest == readers_.end() ? 0 : slowest->records;
}

}  // namespace millrace::loadgen
