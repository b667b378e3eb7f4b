#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "messages.h"
#include "socket.h"

namespace millrace::loadgen {

struct TopicConfig {
  std::string name;
  std::string value;
};

// One request and its answer, header taken off, on a blocking connection.
std::string Exchange(int fd, Api api, int32_t correlation_id, std::string_view rest);

// What has to happen around a measurement, on a blocking connection of its own: topics and offsets.
// Every call ends the program if the broker refuses, since there is nothing to measure then.
class Admin {
 public:
  // Connects and checks that the broker serves the versions which this program speaks.
  explicit Admin(const Endpoint& target);

  // Creates `topic` and returns once this broker leads all of its partitions.
  void CreateTopic(std::string_view topic, int32_t partitions,
                   const std::vector<TopicConfig>& configs);
  // How many partitions `topic` has; the connected broker must lead them all.
  int32_t PartitionCount(std::string_view topic);
  void DeleteTopic(std::string_view topic);

  // First and next offset of each partition: [log start, high watermark).
  struct Range {
    int64_t first = 0;
    int64_t next = 0;
  };
  std::vector<Range> Offsets(std::string_view topic, int32_t partitions);
  // The sum of the last stable offsets.
  int64_t StableRecords(std::string_view topic, int32_t partitions);

 private:
  static constexpr int8_t kReadUncommitted = 0;
  static constexpr int8_t kReadCommitted = 1;

  struct LeaderState {
    int32_t partitions = 0;
    int16_t error = 0;
    bool led_here = false;
  };

  struct ListedOffsets {
    std::vector<int64_t> offsets;  // by partition
    int16_t error = 0;             // of any partition
  };

  std::string Ask(Api api, std::string_view rest);
  LeaderState Leaders(std::string_view topic);
  ListedOffsets OffsetsAt(std::string_view topic, int32_t partitions, int64_t timestamp,
                          int8_t isolation = kReadUncommitted);

  Endpoint target_;
  Descriptor socket_;
  int32_t correlation_id_ = 0;
};

}  // namespace millrace::loadgen
