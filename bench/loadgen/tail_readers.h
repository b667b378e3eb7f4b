#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fetch_connection.h"
#include "histogram.h"
#include "window.h"

namespace millrace::loadgen {

// Consumers that wait at the end of every partition of a topic while it is written, each on one
// connection and with the whole of it to itself. What they read carries the time at which it was
// due to be sent (record_batch.h), so that from there to the arrival of the whole response, which
// is when a client can hand the records on, is the end-to-end latency.
class TailReaders {
 public:
  explicit TailReaders(size_t count) : readers_(count) {}

  // Begins at the first offset of a topic that is still empty. Events of reader i come with tag
  // `first_tag` + i; the loop and `window` must outlive it.
  void Start(const Endpoint& target, const std::string& topic, int32_t partitions, EventLoop& loop,
             uint64_t first_tag, const Window& window);
  bool Owns(uint64_t tag) const { return tag - first_tag_ < readers_.size(); }
  void OnEvent(const epoll_event& event);

  size_t count() const { return readers_.size(); }
  // Records that the reader which is furthest behind has read.
  int64_t slowest_records() const;
  // Of what came due in the window, by every reader. Batches that are not read yet are not in it.
  const Histogram& latency() const { return latency_; }
  int64_t window_bytes() const { return window_bytes_; }
  const ErrorCounts& errors() const { return errors_; }

 private:
  struct Reader {
    FetchConnection connection;
    std::vector<FetchPosition> positions;
    int64_t records = 0;
  };

  void Ask(Reader& reader, int64_t now);
  void Answered(Reader& reader, int64_t now);

  std::vector<Reader> readers_;
  std::string topic_;
  uint64_t first_tag_ = 0;
  const Window* window_ = nullptr;
  std::vector<char> buffer_ = std::vector<char>(128 << 10);
  Histogram latency_;
  int64_t window_bytes_ = 0;
  ErrorCounts errors_;
};

}  // namespace millrace::loadgen
