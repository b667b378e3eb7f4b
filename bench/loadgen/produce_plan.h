#pragma once

#include <string>
#include <vector>

#include "options.h"
#include "send_queue.h"

namespace millrace::loadgen {

// The requests of a produce run, made once. A run sends the same few frames over and over: per
// request only the twelve-byte head differs, so neither a checksum nor a copy of the records costs
// the generator anything.
class ProducePlan {
 public:
  explicit ProducePlan(const Options& options);

  struct Request {
    std::string start;  // from the client id up to the records, or up to the end when small or of
                        // several partitions
    Bytes records;      // the rest, shared by the requests of all partitions
    int32_t record_count = 0;
    size_t batch_bytes = 0;  // of all its partitions
    int32_t partition_count = 0;
  };

  // One per group of partitions that share a request.
  const std::vector<Request>& requests() const { return requests_; }

  // The plan's bytes are lent to `out`: the plan must outlive it.
  void Send(size_t request, int32_t correlation_id, SendQueue& out) const;

 private:
  std::string batch_;
  std::vector<Request> requests_;
};

}  // namespace millrace::loadgen
