#include "core/embedded/writer_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <utility>

#include "core/base/read_lock.h"
#include "core/embedded/open_batch.h"
#include "core/log/segment_names.h"

namespace millrace {

Result<UniqueFd> LockForWriting(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!file.valid()) return Status::FromErrno(errno);
  Result<bool> locked = TryLockExclusive(file.get());
  if (!locked.ok()) return locked.status();
  if (!*locked) return Status(Code::kLocked);
  // Only for people: a text that could not be written changes nothing.
  const std::string text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(file.get(), 0) == 0) (void)!::pwrite(file.get(), text.data(), text.size(), 0);
  return Result<UniqueFd>(std::move(file));
}

Result<UniqueFd> LockAgainstBroker(const std::string& directory) {
  const std::string parent = ParentDirectory(directory);
  // Logs may lie in each other, and they have locks of that name, too.
  if (::access(JoinPath(parent, "meta.properties").c_str(), F_OK) != 0) return UniqueFd();
  UniqueFd file(::open(JoinPath(parent, kWriterLockName).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid())
    return errno == ENOENT ? Result<UniqueFd>(UniqueFd()) : Status::FromErrno(errno);
  Result<bool> locked = TryLockShared(file.get());
  if (!locked.ok()) return locked.status();
  if (!*locked) return Status(Code::kLocked);
  return Result<UniqueFd>(std::move(file));
}

int WriterOf(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[16];
  const ssize_t length = file.valid() ? ::read(file.get(), text, sizeof text) : -1;
  int pid = -1;
  if (length > 0) std::from_chars(text, text + length, pid);
  return pid;
}

}  // namespace millrace
