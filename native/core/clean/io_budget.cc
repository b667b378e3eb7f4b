#include "core/clean/io_budget.h"

#include <algorithm>
#include <cmath>
#include <thread>

namespace millrace {
namespace {

// What was not used for longer is lost: after a pause the disk is not flooded.
constexpr std::chrono::milliseconds kMostCredit{100};
constexpr std::chrono::milliseconds kLongestSleep{50};

}  // namespace

Status IoBudget::CheckStop() const {
  const bool stopped = stop_ != nullptr && stop_->load(std::memory_order_relaxed) != 0;
  return stopped ? Status(Code::kStopped) : Status::Ok();
}

Status IoBudget::Spend(uint64_t bytes) {
  if (Status status = CheckStop(); !status.ok()) return status;
  if (std::isinf(bytes_per_second_) || !(bytes_per_second_ > 0)) return Status::Ok();
  const std::chrono::duration<double> cost(static_cast<double>(bytes) / bytes_per_second_);
  paid_until_ = std::max(paid_until_, Clock::now() - kMostCredit) +
                std::chrono::duration_cast<Clock::duration>(cost);
  for (auto now = Clock::now(); now < paid_until_; now = Clock::now()) {
    std::this_thread::sleep_for(std::min<Clock::duration>(paid_until_ - now, kLongestSleep));
    if (Status status = CheckStop(); !status.ok()) return status;
  }
  return Status::Ok();
}

}  // namespace millrace
