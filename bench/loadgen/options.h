#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "admin.h"
#include "socket.h"

namespace millrace::loadgen {

enum class Mode { kProduce, kFetch, kTransactions, kEcho, kTouch, kEvict, kPercentiles };

// What was asked for on the command line; main.cc prints the meaning of each.
struct Options {
  Mode mode = Mode::kProduce;
  Endpoint target;
  int broker_pid = 0;
  // The peer is this program's own echo server: nothing is set up, and of an answer only the frame
  // is looked at.
  bool raw = false;

  std::string topic;
  bool keep_topic = false;
  std::vector<TopicConfig> topic_configs;
  int32_t partitions = 1;

  int connections = 1;
  double warmup_seconds = 0;
  double seconds = 5;

  // Produce. A rate makes the loop open: requests leave when they are due, whatever is still
  // unanswered.
  int depth = 1;
  int16_t acks = -1;
  int64_t request_bytes = 0;
  int64_t record_bytes = 100;
  int32_t partitions_per_request = 1;
  double rate = 0;
  int64_t total_bytes = 0;
  // Consumers at the topic's end, in this process; each batch then carries its due time.
  int readers = 0;
  // Above 0, latencies are also reported by slices of so many seconds of the window.
  double slice_seconds = 0;
  bool stamped() const { return readers > 0; }

  // Transactions: each connection is a producer with an id of its own and one transaction at a
  // time.
  int transaction_version = 2;
  int32_t records_per_transaction = 1;

  // Fetch.
  int32_t max_bytes = 50 << 20;
  int32_t partition_max_bytes = 1 << 20;
  int64_t verify_every = 64;
  bool once = false;

  // Echo, touch and evict.
  int64_t reply_bytes = 0;
  int64_t touch_bytes = 0;
  std::string path;
};

// Ends the program with the usage and exit code 2 when the arguments make no sense.
Options ParseOptions(int argc, char** argv);

}  // namespace millrace::loadgen
