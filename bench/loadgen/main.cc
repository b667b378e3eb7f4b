// A load generator for any Kafka-compatible broker: one thread, frames made beforehand, one line of
// JSON as the result. bench/*.ts run it; `loadgen` alone prints its usage.
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "modes.h"

namespace {

using millrace::loadgen::Mode;
using millrace::loadgen::Options;

// Beyond the asked time a run may set up, drain and clean up. Past that something hangs, and
// SIGALRM ends it.
unsigned LimitSeconds(const Options& options) {
  constexpr double kAround = 150;
  double seconds = options.total_bytes > 0 ? 600 : options.seconds;
  if (options.mode == Mode::kEcho) seconds = 3'600;
  return static_cast<unsigned>(std::ceil(options.warmup_seconds + seconds + kAround));
}

}  // namespace

int main(int argc, char** argv) {
  Options options = millrace::loadgen::ParseOptions(argc, argv);
  alarm(LimitSeconds(options));
  switch (options.mode) {
    case Mode::kProduce:
      return millrace::loadgen::RunProduce(options);
    case Mode::kFetch:
      return millrace::loadgen::RunFetch(options);
    case Mode::kTransactions:
      return millrace::loadgen::RunTransactions(options);
    case Mode::kEcho:
      return millrace::loadgen::RunEcho(options);
    case Mode::kTouch:
      return millrace::loadgen::RunTouch(options);
    case Mode::kEvict:
      return millrace::loadgen::RunEvict(options);
    case Mode::kPercentiles:
      return millrace::loadgen::RunPercentiles();
  }
}
