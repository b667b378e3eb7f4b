#include "core/log/log.h"
#include "core/log/segment_file.h"

namespace millrace {

FileRegion::FileRegion(const std::shared_ptr<SegmentFile>& segment, std::shared_ptr<File> file,
                       uint64_t position, uint64_t length)
    : FileRegion(segment, std::move(file), segment->generation(), position, length) {}

FileRegion::FileRegion(std::shared_ptr<SegmentFile> segment, std::shared_ptr<File> file,
                       uint64_t generation, uint64_t position, uint64_t length)
    : segment_(std::move(segment)),
      file_(std::move(file)),
      generation_(generation),
      position_(position),
      length_(length) {}

bool FileRegion::Valid() const {
  return segment_ == nullptr || segment_->Holds(generation_, position_ + length_);
}

std::shared_lock<std::shared_mutex> FileRegion::KeepWhole() const {
  return segment_ == nullptr ? std::shared_lock<std::shared_mutex>() : segment_->KeepWhole();
}

int FileRegion::descriptor() const { return file_ == nullptr ? -1 : file_->descriptor(); }

void FileRegion::NoteCutShort() const {
  if (segment_ != nullptr && Valid()) segment_->NoteDamage();
}

void FileRegion::NoteUnreadable(uint64_t from) const {
  if (segment_ != nullptr) segment_->NoteUnreadable(position_ + from);
}

Result<size_t> FileRegion::Read(uint64_t from, std::span<std::byte> into) const {
  if (from >= length_ || into.empty()) return size_t{0};
  return file_->ReadAt(position_ + from,
                       into.first(std::min<uint64_t>(into.size(), length_ - from)));
}

}  // namespace millrace
