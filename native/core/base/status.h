#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <utility>

namespace millrace {

// What happened, in terms the caller can act on. The numbers are part of the addon's interface
// (src/native/status.ts holds the same table), so they are never reused.
enum class Code : int32_t {
  kOk = 0,
  // The environment.
  kInvalidArgument = 1,
  kNoSpace = 2,       // ENOSPC, EDQUOT, or the reserve would be used
  kIoError = 3,       // EIO and whatever else a device or file system reports
  kTooManyFiles = 4,  // EMFILE, ENFILE
  kNotFound = 5,
  kExists = 6,
  kLocked = 7,     // another process holds the data directory
  kClosed = 8,     // the object was closed
  kCorrupt = 9,    // stored bytes contradict each other or their checksum
  kNoMemory = 10,  // ENOMEM, or a mapping limit
  kFailed = 11,    // the log failed earlier (a sync error, foreign damage) and accepts nothing more
  kAddressInUse = 12,
  kTooManyConnections = 13,
  kWouldBlock = 14,  // not without waiting for the disk, which was not allowed
  kStopped = 15,     // it was asked to end before it was done
  // Positions.
  kOffsetOutOfRange = 20,
  // Verdicts on bytes handed to Append (src/api/errors.ts maps them to Kafka's codes).
  kBatchCorrupt = 30,            // length or CRC does not hold: CORRUPT_MESSAGE
  kBatchInvalid = 31,            // count, deltas, record structure: INVALID_RECORD
  kBatchTooLarge = 32,           // above max.message.bytes: MESSAGE_TOO_LARGE
  kBatchMagic = 33,              // magic 0 or 1
  kBatchTimestamp = 34,          // INVALID_TIMESTAMP
  kBatchCompression = 35,        // unknown codec: UNSUPPORTED_COMPRESSION_TYPE
  kBatchLargerThanSegment = 36,  // RECORD_LIST_TOO_LARGE
};

// A value type: cheap to copy, never allocates, carries errno where a system call gave one.
class [[nodiscard]] Status {
 public:
  Status() = default;
  explicit Status(Code code, int system_error = 0) : code_(code), system_error_(system_error) {}
  static Status Ok() { return Status(); }
  // Maps errno to the nearest Code and keeps it.
  static Status FromErrno(int system_error);

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  int system_error() const { return system_error_; }

 private:
  Code code_ = Code::kOk;
  int system_error_ = 0;
};

// Either a value or the Status that explains why there is none. Reading the value of a failed
// Result ends the process.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Result(Status status) : status_(status) {      // NOLINT(google-explicit-constructor)
    if (status_.ok()) std::abort();
  }
  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  T& operator*() & { return *Checked(); }
  const T& operator*() const& { return *const_cast<Result*>(this)->Checked(); }
  T&& operator*() && { return std::move(*Checked()); }
  T* operator->() { return Checked(); }
  const T* operator->() const { return const_cast<Result*>(this)->Checked(); }

 private:
  T* Checked() {
    if (!value_.has_value()) std::abort();
    return &*value_;
  }
  std::optional<T> value_;
  Status status_;
};

}  // namespace millrace
