#include "options.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string_view>

#include "record_batch.h"

namespace millrace::loadgen {
namespace {

constexpr char kUsage[] = R"(usage: loadgen MODE --target HOST:PORT [--OPTION VALUE]...

modes
  produce   keep `depth` requests in flight on each connection; with --rate, send that many per second instead,
            and count each latency from the moment the request was due
  transactions  each connection is a transactional producer: begin, one request of records, commit, again
  fetch     read a topic from its beginning, again and again, or --once
  echo      serve on --target (port 0: any): answer every frame with --reply-bytes bytes; ends with its input
  touch     write --bytes of memory once and give it back
  evict     write the files below --path to the disk and drop them from the page cache
  percentiles  of the numbers on its standard input, as the other modes have them of their times

all     --pid N (read that process's CPU time)  --raw (the target is an echo server)  --topic NAME  --connections 1
        --warmup 0  --duration 5 (seconds)
produce --depth 1  --acks all|1|0  --request-bytes 0 (per request; 0: one record)  --record-bytes 100 (of the value)
        --partitions 1  --partitions-per-request 1  --rate 0 (requests/s)  --total-bytes 0 (instead of a duration)
        --topic-config NAME=VALUE  --keep-topic  --readers 0 (consumers at the topic's end, each of all of it)
        --slice 0 (seconds; latencies by slices of the time, too)
transactions  --record-bytes 100  --partitions 1  --partitions-per-request 1  --topic-config NAME=VALUE  --keep-topic
        --records 1 (per transaction, spread over its partitions)
        --transaction-version 2 (1: partitions are added by requests of their own, and epochs stay)
fetch   --max-bytes 52428800  --partition-max-bytes 1048576  --verify-every 64 (responses; 0: never)  --keep-topic
        --once (to the end, and no longer than --duration)
)";

[[noreturn]] void Usage(const char* problem, std::string_view what) {
  std::fprintf(stderr, "loadgen: %s '%.*s'\n%s", problem, static_cast<int>(what.size()),
               what.data(), kUsage);
  std::exit(2);
}

// The arguments that are left, each taken once.
class Arguments {
 public:
  Arguments(int argc, char** argv) : next_(argv), end_(argv + argc) {}

  bool empty() const { return next_ == end_; }
  std::string_view Take() { return *next_++; }
  std::string_view ValueOf(std::string_view option) {
    if (empty()) Usage("no value for", option);
    return Take();
  }
  template <typename T>
  T NumberOf(std::string_view option, T lowest, T highest = std::numeric_limits<T>::max()) {
    std::string_view text = ValueOf(option);
    T value{};
    auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
    if (!whole || !(value >= lowest) || value > highest) Usage("bad value for", option);
    return value;
  }

 private:
  char** next_;
  char** end_;
};

Mode ModeNamed(std::string_view name) {
  if (name == "produce") return Mode::kProduce;
  if (name == "fetch") return Mode::kFetch;
  if (name == "transactions") return Mode::kTransactions;
  if (name == "echo") return Mode::kEcho;
  if (name == "touch") return Mode::kTouch;
  if (name == "evict") return Mode::kEvict;
  if (name == "percentiles") return Mode::kPercentiles;
  Usage("unknown mode", name);
}

int16_t AcksNamed(std::string_view text) {
  if (text == "all") return -1;
  if (text == "1") return 1;
  if (text == "0") return 0;
  Usage("acks must be all, 1 or 0, not", text);
}

TopicConfig ConfigFrom(std::string_view text) {
  size_t equals = text.find('=');
  if (equals == std::string_view::npos) Usage("not NAME=VALUE:", text);
  return TopicConfig{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

constexpr double kLongest = 3'600;
constexpr int64_t kLargestRequest = 256 << 20;

bool ParseShared(std::string_view name, Arguments& arguments, Options& options) {
  if (name == "--target")
    options.target = ParseEndpoint(arguments.ValueOf(name));
  else if (name == "--pid")
    options.broker_pid = arguments.NumberOf<int>(name, 1);
  else if (name == "--raw")
    options.raw = true;
  else if (name == "--topic")
    options.topic = arguments.ValueOf(name);
  else if (name == "--keep-topic")
    options.keep_topic = true;
  else if (name == "--connections")
    options.connections = arguments.NumberOf<int>(name, 1, 15'000);
  else if (name == "--warmup")
    options.warmup_seconds = arguments.NumberOf<double>(name, 0, kLongest);
  else if (name == "--duration")
    options.seconds = arguments.NumberOf<double>(name, 0.01, kLongest);
  else
    return false;
  return true;
}

bool ParseProduce(std::string_view name, Arguments& arguments, Options& options) {
  if (name == "--depth")
    options.depth = arguments.NumberOf<int>(name, 1, 10'000);
  else if (name == "--acks")
    options.acks = AcksNamed(arguments.ValueOf(name));
  else if (name == "--request-bytes")
    options.request_bytes = arguments.NumberOf<int64_t>(name, 0, kLargestRequest);
  else if (name == "--record-bytes")
    options.record_bytes = arguments.NumberOf<int64_t>(name, 0, kLargestRequest);
  else if (name == "--partitions")
    options.partitions = arguments.NumberOf<int32_t>(name, 1, 100'000);
  else if (name == "--partitions-per-request") {
    options.partitions_per_request = arguments.NumberOf<int32_t>(name, 1, 100'000);
  } else if (name == "--rate")
    options.rate = arguments.NumberOf<double>(name, 0.1, 1e7);
  else if (name == "--total-bytes")
    options.total_bytes = arguments.NumberOf<int64_t>(name, 1);
  else if (name == "--readers")
    options.readers = arguments.NumberOf<int>(name, 0, 1'000);
  else if (name == "--slice")
    options.slice_seconds = arguments.NumberOf<double>(name, 0, kLongest);
  else if (name == "--topic-config")
    options.topic_configs.push_back(ConfigFrom(arguments.ValueOf(name)));
  else
    return false;
  return true;
}

bool ParseTransactions(std::string_view name, Arguments& arguments, Options& options) {
  if (name == "--record-bytes")
    options.record_bytes = arguments.NumberOf<int64_t>(name, 0, kLargestRequest);
  else if (name == "--partitions")
    options.partitions = arguments.NumberOf<int32_t>(name, 1, 100'000);
  else if (name == "--partitions-per-request")
    options.partitions_per_request = arguments.NumberOf<int32_t>(name, 1, 100'000);
  else if (name == "--records")
    options.records_per_transaction = arguments.NumberOf<int32_t>(name, 1, 1'000'000);
  else if (name == "--transaction-version")
    options.transaction_version = arguments.NumberOf<int>(name, 1, 2);
  else if (name == "--topic-config")
    options.topic_configs.push_back(ConfigFrom(arguments.ValueOf(name)));
  else
    return false;
  return true;
}

bool ParseFetch(std::string_view name, Arguments& arguments, Options& options) {
  if (name == "--max-bytes")
    options.max_bytes = arguments.NumberOf<int32_t>(name, 1);
  else if (name == "--partition-max-bytes")
    options.partition_max_bytes = arguments.NumberOf<int32_t>(name, 1);
  else if (name == "--once")
    options.once = true;
  else if (name == "--verify-every")
    options.verify_every = arguments.NumberOf<int64_t>(name, 0);
  else
    return false;
  return true;
}

bool ParseHelper(std::string_view name, Arguments& arguments, Options& options) {
  if (name == "--reply-bytes")
    options.reply_bytes = arguments.NumberOf<int64_t>(name, 0, kLargestRequest);
  else if (name == "--path")
    options.path = arguments.ValueOf(name);
  else if (name == "--bytes")
    options.touch_bytes = arguments.NumberOf<int64_t>(name, 1);
  else
    return false;
  return true;
}

void CheckProduce(const Options& options) {
  if (options.partitions % options.partitions_per_request != 0)
    Usage("--partitions must be a multiple of", "--partitions-per-request");
  if (options.acks == 0 && (options.rate > 0 || options.raw || options.readers > 0))
    Usage("nothing is known of single requests with", "--acks 0");
  if (!options.stamped()) return;
  if (options.raw) Usage("nothing can be read from", "--raw");
  if (options.partitions_per_request > 1) Usage("--readers need", "--partitions-per-request 1");
  if (options.record_bytes < static_cast<int64_t>(batch::kStampBytes))
    Usage("--readers need a time in", "--record-bytes");
}

void CheckTransactions(const Options& options) {
  if (options.mode != Mode::kTransactions) return;
  if (options.raw) Usage("no transactions with", "--raw");
  if (options.topic.empty()) Usage("no", "--topic");
  if (options.records_per_transaction % options.partitions_per_request != 0)
    Usage("--records must be a multiple of", "--partitions-per-request");
}

}  // namespace

Options ParseOptions(int argc, char** argv) {
  Arguments arguments(argc - 1, argv + 1);
  if (arguments.empty()) Usage("no mode", "");
  Options options;
  options.mode = ModeNamed(arguments.Take());
  while (!arguments.empty()) {
    std::string_view name = arguments.Take();
    bool known = ParseShared(name, arguments, options);
    if (!known && options.mode == Mode::kProduce) known = ParseProduce(name, arguments, options);
    if (!known && options.mode == Mode::kTransactions)
      known = ParseTransactions(name, arguments, options);
    if (!known && options.mode == Mode::kFetch) known = ParseFetch(name, arguments, options);
    if (!known) known = ParseHelper(name, arguments, options);
    if (!known) Usage("unknown option", name);
  }
  bool serves_nobody = options.mode == Mode::kTouch || options.mode == Mode::kEvict ||
                       options.mode == Mode::kPercentiles;
  if (!serves_nobody && options.target.host.empty()) Usage("no", "--target");
  if (options.mode == Mode::kFetch && !options.raw && options.topic.empty()) Usage("no", "--topic");
  if (options.mode == Mode::kTouch && options.touch_bytes == 0) Usage("no", "--bytes");
  if (options.mode == Mode::kEvict && options.path.empty()) Usage("no", "--path");
  CheckProduce(options);
  CheckTransactions(options);
  return options;
}

}  // namespace millrace::loadgen
