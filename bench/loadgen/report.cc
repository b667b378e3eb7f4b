#include "report.h"

#include <cstdio>

namespace millrace::loadgen {
namespace {

std::string Fixed(double value, int decimals) {
  char text[64];
  int length = std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return std::string(text, static_cast<size_t>(length));
}

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (char letter : text) {
    if (letter == '"' || letter == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(letter) < 0x20 ? ' ' : letter;
  }
  return quoted + '"';
}

}  // namespace

void Report::Begin(std::string_view name) {
  if (text_.size() > 1) text_ += ',';
  text_ += Quoted(name);
  text_ += ':';
}

Report& Report::Text(std::string_view name, std::string_view value) {
  Begin(name);
  text_ += Quoted(value);
  return *this;
}

Report& Report::Count(std::string_view name, int64_t value) {
  Begin(name);
  text_ += std::to_string(value);
  return *this;
}

Report& Report::Number(std::string_view name, double value) {
  Begin(name);
  text_ += Fixed(value, 6);
  return *this;
}

Report& Report::Flag(std::string_view name, bool value) {
  Begin(name);
  text_ += value ? "true" : "false";
  return *this;
}

Report& Report::Latency(std::string_view name, const Histogram& histogram) {
  struct Point {
    const char* name;
    double percentile;
  };
  constexpr Point kPoints[] = {
      {"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99_9", 99.9}, {"p99_99", 99.99}};
  Begin(name);
  text_ += "{\"count\":" + std::to_string(histogram.count());
  text_ += ",\"mean\":" + Fixed(histogram.mean() / 1e3, 1);
  for (const Point& point : kPoints) {
    double microseconds = static_cast<double>(histogram.Percentile(point.percentile)) / 1e3;
    text_.append(",\"").append(point.name).append("\":").append(Fixed(microseconds, 1));
  }
  text_ += ",\"max\":" + Fixed(static_cast<double>(histogram.max()) / 1e3, 1);
  // For plots: as many points as the count can tell apart.
  constexpr double kCurve[] = {0,    10,    25,   50,    75,     90,    95,     97.5,  99,
                               99.5, 99.75, 99.9, 99.95, 99.975, 99.99, 99.995, 99.999};
  text_ += ",\"curve\":[";
  const char* separator = "";
  for (double percentile : kCurve) {
    if ((100 - percentile) / 100 * static_cast<double>(histogram.count()) < 1) break;
    double microseconds = static_cast<double>(histogram.Percentile(percentile)) / 1e3;
    text_.append(separator).append("[").append(Fixed(percentile, 3)).append(",");
    text_.append(Fixed(microseconds, 1)).append("]");
    separator = ",";
  }
  text_ += "]}";
  return *this;
}

Report& Report::Slices(std::string_view name, std::span<const Histogram> slices) {
  Begin(name);
  text_ += '[';
  for (size_t i = 0; i < slices.size(); ++i) {
    Report slice;
    slice.Latency("micros", slices[i]);
    text_.append(i > 0 ? "," : "").append(slice.text_).append("}");
  }
  text_ += ']';
  return *this;
}

Report& Report::Errors(std::string_view name, const ErrorCounts& errors) {
  Begin(name);
  text_ += '{';
  const char* separator = "";
  for (const auto& [code, count] : errors) {
    text_.append(separator)
        .append(Quoted(ErrorName(code)))
        .append(":")
        .append(std::to_string(count));
    separator = ",";
  }
  text_ += '}';
  return *this;
}

void Report::Print() const { std::printf("%s}\n", text_.c_str()); }

}  // namespace millrace::loadgen
