#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "histogram.h"
#include "messages.h"

namespace millrace::loadgen {

// One JSON object, field by field, printed as a line on standard output.
class Report {
 public:
  Report& Text(std::string_view name, std::string_view value);
  Report& Count(std::string_view name, int64_t value);
  Report& Number(std::string_view name, double value);
  Report& Flag(std::string_view name, bool value);
  // Percentiles in microseconds.
  Report& Latency(std::string_view name, const Histogram& histogram);
  // One object `{"micros": ...}` for each.
  Report& Slices(std::string_view name, std::span<const Histogram> slices);
  Report& Errors(std::string_view name, const ErrorCounts& errors);

  void Print() const;

 private:
  void Begin(std::string_view name);
  std::string text_ = "{";
};

}  // namespace millrace::loadgen
