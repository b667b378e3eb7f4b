#pragma once

#include <string>
#include <vector>

#include "options.h"
#include "send_queue.h"

namespace millrace::loadgen {

// The requests of a produce run, made once. A run sends the same few frames over and over: per
// request only the twelve-byte head differs, and where they are stamped the batch's CRC and last
// bytes: so neither a checksum nor a copy of the records costs the generator anything.
class ProducePlan {
 public:
  explicit ProducePlan(const Options& options);

  struct Request {
    std::string start;  // from the client id up to the records, or up to the end when small or of
                        // several partitions and without a stamp
    Bytes records;      // the rest, shared by the requests of all partitions
    int32_t record_count = 0;
    size_t batch_bytes = 0;  // of all its partitions
    int32_t partition_count = 0;
  };

  // One per group of partitions that share a request.
  const std::vector<Request>& requests() const { return requests_; }

  // The plan's bytes are lent to `out`: the plan must outlive it. `stamp` goes into the batch if
  // the options ask for stamps.
  void Send(size_t request, int32_t correlation_id, int64_t stamp, SendQueue& out) const;

 private:
  void AppendStamped(const Request& request, int64_t stamp, SendQueue& out) const;

  std::string batch_;
  bool stamped_;
  uint32_t crc_before_stamp_ = 0;
  std::vector<Request> requests_;
};

}  // namespace millrace::loadgen
