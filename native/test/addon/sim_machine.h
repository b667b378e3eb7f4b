#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>

#include "core/log/log_services.h"
#include "test/support/sim_disk.h"

namespace millrace::test {

// A simulated disk with what the logs on it share. Background work runs within the calls that ask
// for it, so that the disk sees the same calls in the same order every time.
struct SimMachine {
  static constexpr size_t kOpenFiles = 64;

  explicit SimMachine(std::unique_ptr<SimDisk> disk) : disk(std::move(disk)) {}

  // The process's calls go to `disk`; it outlives the services, which hold open files.
  const std::unique_ptr<SimDisk> disk;
  LogServices services{kOpenFiles, LogServices::Background::kInline};
};

}  // namespace millrace::test
