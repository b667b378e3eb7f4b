#include "core/embedded/read_segment.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "core/base/disk.h"
#include "core/base/read_lock.h"
#include "core/log/segment_names.h"

namespace millrace {
namespace {

constexpr size_t kPageBytes = 4096;

std::string PathOf(const std::string& directory, Offset base_offset, Offset swapped_last) {
  return JoinPath(directory, swapped_last < 0 ? SegmentFileName(base_offset, FileKind::kLog)
                                              : SwapFileName(base_offset, swapped_last));
}

}  // namespace

Result<std::vector<ListedSegment>> ListSegments(const std::string& directory) {
  auto names = PosixDisk().List(directory);
  if (!names.ok()) return names.status();
  std::vector<ListedSegment> segments;
  for (const std::string& name : *names) {
    const FileName parsed = ParseFileName(name);
    if (parsed.kind != FileKind::kLog && parsed.kind != FileKind::kSwap) continue;
    struct stat facts;
    if (::stat(JoinPath(directory, name).c_str(), &facts) != 0) {
      if (errno == ENOENT) continue;  // it has gone since
      return Status::FromErrno(errno);
    }
    segments.push_back({parsed.base_offset, parsed.last_base_offset, facts.st_ino});
  }
  // A swap comes before the segment of its base offset.
  std::sort(segments.begin(), segments.end(), [](const ListedSegment& a, const ListedSegment& b) {
    return a.base_offset != b.base_offset ? a.base_offset < b.base_offset
                                          : a.swapped_last > b.swapped_last;
  });
  std::vector<ListedSegment> current;
  Offset replaced_to = -1;
  for (const ListedSegment& segment : segments) {
    if (segment.base_offset <= replaced_to) continue;
    current.push_back(segment);
    replaced_to = std::max(replaced_to, segment.swapped_last);
  }
  return current;
}

Result<std::unique_ptr<ReadSegment>> ReadSegment::Open(const std::string& directory,
                                                       Offset base_offset, Offset swapped_last,
                                                       size_t reserve) {
  const std::string path = PathOf(directory, base_offset, swapped_last);
  UniqueFd file;
  do {
    file.Reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  } while (!file.valid() && errno == EINTR);
  if (!file.valid()) return Status::FromErrno(errno);
  const Result<bool> locked = TryLockShared(file.get());
  if (!locked.ok()) return locked.status();
  if (!*locked) return Status(Code::kWouldBlock);
  // Between open and lock it may have been given to another segment.
  struct stat facts, named;
  if (::fstat(file.get(), &facts) != 0 || ::stat(path.c_str(), &named) != 0)
    return Status::FromErrno(errno);
  if (facts.st_ino != named.st_ino || facts.st_dev != named.st_dev) return Status(Code::kNotFound);
  const size_t length = std::max({static_cast<size_t>(facts.st_size), reserve, kPageBytes});
  Result<LentRange> range = LentRange::Map(file.get(), length);
  if (!range.ok()) return range.status();
  return std::unique_ptr<ReadSegment>(
      new ReadSegment(std::move(file), std::move(*range), facts.st_ino));  // private constructor
}

Result<uint64_t> ReadSegment::FileSize() const {
  struct stat facts;
  if (::fstat(file_.get(), &facts) != 0) return Status::FromErrno(errno);
  return static_cast<uint64_t>(facts.st_size);
}

ReadSegment::Batch ReadSegment::Look(uint64_t position, uint64_t end, uint64_t* batch_end) const {
  const std::span<const std::byte> rest(data() + position, end - position);
  BatchHeader header;
  if (!ParseBatchHeader(rest, &header).ok()) {
    const auto head = rest.first(std::min(rest.size(), kBatchHeaderBytes));
    const bool zeros =
        std::all_of(head.begin(), head.end(), [](std::byte byte) { return byte == std::byte{0}; });
    return zeros ? Batch::kNone : Batch::kBad;
  }
  const auto size = static_cast<size_t>(header.size_bytes);
  *batch_end = position + size;
  return BatchChecksumHolds(rest.first(size)) ? Batch::kGood : Batch::kBad;
}

Result<uint64_t> ReadSegment::Verify(uint64_t position, uint64_t end, uint64_t window) {
  end = std::min<uint64_t>(end, length());
  if (position > end) return Status(Code::kInvalidArgument);
  uint64_t good = position;
  for (bool anew = false; good < end && (good == position || good - position < window);) {
    uint64_t batch_end = good;
    const Batch batch = Look(good, end, &batch_end);
    if (batch == Batch::kGood && !range_.damaged()) {
      good = batch_end;
      continue;
    }
    if (good > position) break;  // the next call is about this one
    if (batch == Batch::kNone && !range_.damaged()) break;
    // The file decides, not what somebody wrote over its bytes here, nor a page that was asked for
    // before the file had it.
    if (anew) return Status(Code::kCorrupt);
    anew = true;
    if (Status status = range_.MapAnew(file_.get()); !status.ok()) return status;
  }
  return good;
}

Status ReadSegment::Check(uint64_t begin, uint64_t end, uint64_t readable) {
  const auto touch = [&](uint64_t at) {
    (void)*const_cast<const volatile std::byte*>(data() + at);
  };
  readable = std::min<uint64_t>(readable, length());
  if (range_.damaged()) {
    const uint64_t lost = range_.last_damage();
    if (Status status = range_.MapAnew(file_.get()); !status.ok()) return status;
    const Result<uint64_t> size = FileSize();
    if (!size.ok()) return size.status();
    if (*size < readable) return Status(Code::kCorrupt);
    if (lost < readable) touch(lost);
  }
  end = std::min<uint64_t>(end, length());
  for (uint64_t at = begin; at < end; at = at / kPageBytes * kPageBytes + kPageBytes) touch(at);
  return range_.damaged() ? Status(Code::kCorrupt) : Status::Ok();
}

}  // namespace millrace
