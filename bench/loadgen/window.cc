#include "window.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "program.h"

namespace millrace::loadgen {
namespace {

double SecondsOf(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// utime + stime of /proc/PID/stat, which count every thread, ended ones too. The name in the second
// field may hold spaces and brackets: the fields after it are counted from its last bracket.
double ProcessCpu(int pid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) Fatal("the broker's process %d is gone", pid);
  char text[1024] = {};
  size_t size = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  char* field = size > 0 ? std::strrchr(text, ')') : nullptr;
  constexpr int kFieldsBetween = 12;  // from the name, field 2, to utime, field 14
  for (int i = 0; i < kFieldsBetween && field != nullptr; ++i) field = std::strchr(field + 1, ' ');
  if (field == nullptr) Fatal("cannot read %s", path);
  uint64_t user = std::strtoull(field, &field, 10);
  uint64_t system = std::strtoull(field, nullptr, 10);
  return static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

CpuSeconds ReadCpu(int broker_pid) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return CpuSeconds{SecondsOf(usage.ru_utime) + SecondsOf(usage.ru_stime),
                    broker_pid > 0 ? ProcessCpu(broker_pid) : 0};
}

void Window::Open(int64_t now) {
  opened_at_ = now;
  at_open_ = ReadCpu(broker_pid_);
}

void Window::Close(int64_t now) {
  closed_at_ = now;
  at_close_ = ReadCpu(broker_pid_);
}

void Window::AddTo(Report& report) const {
  report.Number("seconds",
                static_cast<double>(closed_at_ - opened_at_) / static_cast<double>(kNsPerSecond));
  report.Number("generatorCpuSeconds", at_close_.generator - at_open_.generator);
  if (broker_pid_ > 0) report.Number("brokerCpuSeconds", at_close_.broker - at_open_.broker);
}

}  // namespace millrace::loadgen
