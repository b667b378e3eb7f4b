#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "modes.h"
#include "program.h"
#include "report.h"

namespace millrace::loadgen {

// Whoever reads these files next reads them from the disk. Only clean pages can be dropped, hence
// the sync; pages that a process has mapped stay. Files that vanish meanwhile are passed over.
int RunEvict(const Options& options) {
  namespace fs = std::filesystem;
  std::error_code failed;
  int64_t files = 0;
  int64_t bytes = 0;
  auto walk = fs::recursive_directory_iterator(options.path, failed);
  if (failed) Fatal("cannot read %s: %s", options.path.c_str(), failed.message().c_str());
  for (; walk != fs::recursive_directory_iterator(); walk.increment(failed)) {
    if (failed) break;
    struct stat found{};
    Descriptor file(open(walk->path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file.valid() || fstat(file.get(), &found) != 0 || !S_ISREG(found.st_mode)) continue;
    if (fdatasync(file.get()) != 0) FatalErrno("fdatasync");
    if (posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED) != 0) FatalErrno("posix_fadvise");
    ++files;
    bytes += found.st_size;
  }
  Report().Text("mode", "evict").Count("files", files).Count("bytes", bytes).Print();
  return 0;
}

}  // namespace millrace::loadgen
