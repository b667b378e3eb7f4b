#include "core/base/status.h"

namespace millrace {

Status Status::FromErrno(int system_error) {
  switch (system_error) {
    case ENOSPC:
    case EDQUOT:
      return Status(Code::kNoSpace, system_error);
    case EMFILE:
    case ENFILE:
      return Status(Code::kTooManyFiles, system_error);
    case ENOENT:
      return Status(Code::kNotFound, system_error);
    case EEXIST:
    case ENOTEMPTY:
      return Status(Code::kExists, system_error);
    case ENOMEM:
      return Status(Code::kNoMemory, system_error);
    case EADDRINUSE:
      return Status(Code::kAddressInUse, system_error);
    case EINVAL:
    case EBADF:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
      return Status(Code::kInvalidArgument, system_error);
    default:
      return Status(Code::kIoError, system_error);
  }
}

}  // namespace millrace
