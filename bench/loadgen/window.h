#pragma once

#include <cstdint>

#include "report.h"

namespace millrace::loadgen {

// CPU seconds, user and system, of this process and of the broker, whose /proc entry counts in
// ticks of 10 ms.
struct CpuSeconds {
  double generator = 0;
  double broker = 0;
  double machine = 0;  // of everything that runs, kernel threads and stolen time too
};
// `broker_pid` 0 leaves the broker's at 0.
CpuSeconds ReadCpu(int broker_pid);

// The part of a run that counts: it opens after the warm-up and closes when no more is sent. Both
// sides' CPU is read at its edges by the generator itself, so that warming, set-up and draining are
// in neither rate nor CPU.
class Window {
 public:
  explicit Window(int broker_pid) : broker_pid_(broker_pid) {}

  void Open(int64_t now);
  void Close(int64_t now);
  bool is_opened() const { return opened_at_ != 0; }
  bool is_closed() const { return closed_at_ != 0; }
  int64_t opened_at() const { return opened_at_; }
  bool Contains(int64_t time) const {
    return is_opened() && time >= opened_at_ && (!is_closed() || time < closed_at_);
  }

  // Adds `seconds`, `machineCpuSeconds`, `generatorCpuSeconds` and, when a pid was given,
  // `brokerCpuSeconds`.
  void AddTo(Report& report) const;

 private:
  int broker_pid_;
  int64_t opened_at_ = 0;
  int64_t closed_at_ = 0;
  CpuSeconds at_open_;
  CpuSeconds at_close_;
};

}  // namespace millrace::loadgen
