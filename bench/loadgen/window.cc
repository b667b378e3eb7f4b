#include "window.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "program.h"

namespace millrace::loadgen {
namespace {

double SecondsOf(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double SecondsOfTicks(uint64_t ticks) {
  return static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// The first line of a file in /proc.
std::string FirstLine(const char* path) {
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) Fatal("cannot open %s: is the broker gone?", path);
  char text[1024] = {};
  if (std::fgets(text, sizeof text, file) == nullptr) Fatal("cannot read %s", path);
  std::fclose(file);
  return text;
}

// utime + stime, which count every thread, ended ones too. The name in the second field may hold
// spaces and brackets: the fields after it are counted from its last bracket.
double ProcessCpu(int pid) {
  std::string path = "/proc/" + std::to_string(pid) + "/stat";
  std::string line = FirstLine(path.c_str());
  char* field = std::strrchr(line.data(), ')');
  constexpr int kFieldsBetween = 12;  // from the name, field 2, to utime, field 14
  for (int i = 0; i < kFieldsBetween && field != nullptr; ++i) field = std::strchr(field + 1, ' ');
  if (field == nullptr) Fatal("cannot read %s", path.c_str());
  uint64_t user = std::strtoull(field, &field, 10);
  uint64_t system = std::strtoull(field, nullptr, 10);
  return SecondsOfTicks(user + system);
}

// Everything but idle time and waiting for a device.
double MachineCpu() {
  std::string line = FirstLine("/proc/stat");
  char* field = line.data() + std::strlen("cpu");
  uint64_t busy = 0;
  constexpr int kFields = 8;  // user, nice, system, idle, iowait, irq, softirq, steal
  for (int i = 0; i < kFields; ++i) {
    uint64_t ticks = std::strtoull(field, &field, 10);
    bool idle = i == 3 || i == 4;
    if (!idle) busy += ticks;
  }
  return SecondsOfTicks(busy);
}

}  // namespace

CpuSeconds ReadCpu(int broker_pid) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  CpuSeconds cpu;
  cpu.generator = SecondsOf(usage.ru_utime) + SecondsOf(usage.ru_stime);
  if (broker_pid > 0) cpu.broker = ProcessCpu(broker_pid);
  cpu.machine = MachineCpu();
  return cpu;
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
  report.Number("machineCpuSeconds", at_close_.machine - at_open_.machine);
  report.Number("generatorCpuSeconds", at_close_.generator - at_open_.generator);
  if (broker_pid_ > 0) report.Number("brokerCpuSeconds", at_close_.broker - at_open_.broker);
}

}  // namespace millrace::loadgen
