#include "core/base/awake_processors.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace millrace {
namespace {

// How long a processor may take to come back.
constexpr int32_t kNoTime = 0;
constexpr int32_t kAsOthersAsk = -1;

}  // namespace

Result<AwakeProcessors> AwakeProcessors::Open(const char* device) {
  UniqueFd fd(::open(device, O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return Status::FromErrno(errno);
  return AwakeProcessors(std::move(fd));
}

void AwakeProcessors::Hold() {
  if (!std::exchange(held_, true)) Ask(kNoTime);
}

void AwakeProcessors::LetGo() {
  if (std::exchange(held_, false)) Ask(kAsOthersAsk);
}

// A kernel that refuses leaves things as they are without it.
void AwakeProcessors::Ask(int32_t latency_us) const {
  (void)!::write(device_.get(), &latency_us, sizeof latency_us);
}

}  // namespace millrace
