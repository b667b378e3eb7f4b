#include <sys/mman.h>

#include <algorithm>

#include "modes.h"
#include "program.h"
#include "report.h"

namespace millrace::loadgen {

// Memory that a virtual machine has not used lately is handed out by its hypervisor on the first
// touch, several times slower than afterwards: whoever is measured first would pay for it. Touched
// in pieces, all held until the end.
int RunTouch(const Options& options) {
  constexpr size_t kPiece = 64 << 20;
  int64_t started_at = NowNs();
  size_t touched = 0;
  auto wanted = static_cast<size_t>(options.touch_bytes);
  while (touched < wanted) {
    size_t size = std::min(kPiece, wanted - touched);
    void* piece = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (piece == MAP_FAILED) break;
    touched += size;
  }
  Report report;
  report.Text("mode", "touch").Count("bytes", static_cast<int64_t>(touched));
  report
      .Number("seconds",
              static_cast<double>(NowNs() - started_at) / static_cast<double>(kNsPerSecond))
      .Print();
  return 0;
}

}  // namespace millrace::loadgen
