#include <cinttypes>
#include <cstdio>

#include "histogram.h"
#include "modes.h"
#include "report.h"

namespace millrace::loadgen {

// For the tests of the histogram: nanoseconds, one a line.
int RunPercentiles() {
  Histogram histogram;
  int64_t value = 0;
  while (std::scanf("%" SCNd64, &value) == 1) histogram.Record(value);
  Report().Text("mode", "percentiles").Latency("micros", histogram).Print();
  return 0;
}

}  // namespace millrace::loadgen
