#include "core/log/index_file.h"

#include <array>
#include <cassert>
#include <cstring>

namespace millrace {

IndexFile::IndexFile(OpenFiles& cache, Disk& disk, std::string path, size_t entry_bytes)
    : file_(std::make_shared<CachedFile>(cache, disk, std::move(path))), entry_bytes_(entry_bytes) {
  assert(entry_bytes <= kLargestEntryBytes);
}

IndexFile IndexFile::ReaderOf(const IndexFile& other) {
  IndexFile reader(other.file_, other.entry_bytes_);
  reader.loaded_ = other.loaded_;
  reader.missing_ = other.missing_;
  reader.ragged_ = other.ragged_;
  reader.entries_ = other.entries_;
  reader.near_ = other.near_;
  reader.instead_ = other.instead_;
  return reader;
}

void IndexFile::ReadInstead(Entries entries) {
  instead_ = std::move(entries);
  entries_ = instead_->size() / entry_bytes_;
  loaded_ = true;
  missing_ = false;
  ragged_ = false;
}

Result<std::shared_ptr<File>> IndexFile::Open(ReadMode mode) const {
  if (open_ != nullptr) return open_;
  return mode == ReadMode::kWait ? file_->Acquire() : file_->AcquireOpen();
}

Status IndexFile::Load(ReadMode mode) {
  if (loaded_) return Status::Ok();
  entries_ = 0;
  ragged_ = false;
  Result<std::shared_ptr<File>> file = Open(mode);
  missing_ = !file.ok() && file.status().code() == Code::kNotFound;
  if (!missing_) {
    if (!file.ok()) return file.status();
    Result<uint64_t> size = (*file)->Size();
    if (!size.ok()) return size.status();
    if (Status status = CountUnmapped(**file, *size, mode); !status.ok()) return status;
  }
  loaded_ = true;
  return Status::Ok();
}

// In a file that was left behind while it was being written, the entries are followed by zeros. No
// entry but a time index's very first can itself be all zeros, and counting one entry less does no
// harm.
Status IndexFile::CountUnmapped(File& file, uint64_t size, ReadMode mode) {
  const size_t slots = static_cast<size_t>(size / entry_bytes_);
  if (size % kBlockBytes != 0 || slots == 0) {
    ragged_ = size % entry_bytes_ != 0;
    entries_ = slots;
    return Status::Ok();
  }
  size_t low = 0;
  size_t high = slots;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    Result<bool> zero = IsZero(file, middle, mode);
    if (!zero.ok()) return zero.status();
    if (*zero) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  entries_ = low;
  return Status::Ok();
}

Result<bool> IndexFile::IsZero(File& file, size_t entry, ReadMode mode) const {
  std::array<std::byte, kLargestEntryBytes> bytes{};
  Result<size_t> got = ReadAtLeast(file, mode, entry * entry_bytes_, entry_bytes_,
                                   std::span(bytes).first(entry_bytes_));
  if (!got.ok()) return got.status();
  static constexpr std::array<std::byte, kLargestEntryBytes> kZeros{};
  return std::memcmp(bytes.data(), kZeros.data(), entry_bytes_) == 0;
}

Status IndexFile::Read(size_t first, std::span<std::byte> into, ReadMode mode) const {
  assert(first * entry_bytes_ + into.size() <= entries_ * entry_bytes_);
  if (instead_ != nullptr) {
    std::memcpy(into.data(), instead_->data() + first * entry_bytes_, into.size());
    return Status::Ok();
  }
  if (mapping_ != nullptr && mode == ReadMode::kWait) {
    std::memcpy(into.data(), mapping_->data() + first * entry_bytes_, into.size());
    return Status::Ok();
  }
  Result<std::shared_ptr<File>> file = Open(mode);
  if (!file.ok()) return file.status();
  Result<size_t> got = ReadAtLeast(**file, mode, first * entry_bytes_, into.size(), into);
  if (!got.ok()) return got.status();
  return *got == into.size() ? Status::Ok() : Status(Code::kCorrupt);  // somebody else cut the file
}

Status IndexFile::Reserve(size_t count) {
  const uint64_t needed = (entries_ + count) * entry_bytes_;
  if (mapping_ != nullptr && mapping_->size() >= needed) {
    return mapping_->damaged() ? Status(Code::kFailed) : Status::Ok();
  }
  if (Status status = Load(); !status.ok()) return status;
  if (Status status = Repair(); !status.ok()) return status;
  if (open_ == nullptr) {
    Result<std::shared_ptr<File>> file = file_->AcquireOrCreate();
    if (!file.ok()) return file.status();
    if (missing_) {
      if (Status status = (*file)->Truncate(0); !status.ok()) return status;
    }
    open_ = std::move(*file);
    missing_ = false;
  }
  // Twice what there is, in whole blocks: a log of the default sizes remaps ten times in its life.
  const uint64_t used = entries_ * entry_bytes_;
  const uint64_t wanted =
      std::max(needed, mapping_ == nullptr ? used : 2 * uint64_t{mapping_->size()});
  const uint64_t end = (wanted + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  const uint64_t begin = mapping_ == nullptr ? used : mapping_->size();
  if (Status status = open_->Allocate(begin, end); !status.ok()) return status;
  Result<std::unique_ptr<Mapping>> mapping = open_->Map(end, true);
  if (!mapping.ok()) return mapping.status();
  mapping_ = std::move(*mapping);
  return Status::Ok();
}

void IndexFile::Append(const std::byte* entry) {
  assert(mapping_ != nullptr && (entries_ + 1) * entry_bytes_ <= mapping_->size());
  std::memcpy(mapping_->data() + entries_ * entry_bytes_, entry, entry_bytes_);
  ++entries_;
}

void IndexFile::Unmap() {
  mapping_.reset();
  open_.reset();
}

Status IndexFile::CutTo(size_t entries) {
  if (Status status = Load(); !status.ok()) return status;
  if (missing_) return Status::Ok();
  if (Status status = Repair(); !status.ok()) return status;
  Result<std::shared_ptr<File>> file = file_->Acquire();
  if (!file.ok()) return file.status();
  Unmap();
  entries_ = std::min(entries_, entries);
  ragged_ = false;
  if (Status status = (*file)->Truncate(entries_ * entry_bytes_); !status.ok()) return status;
  return (*file)->Sync();
}

Status IndexFile::Replace(std::span<const std::byte> entries) {
  Unmap();
  instead_.reset();
  loaded_ = false;
  Result<std::shared_ptr<File>> file = file_->AcquireOrCreate();
  if (!file.ok()) return file.status();
  if (Status status = (*file)->Truncate(0); !status.ok()) return status;
  if (Status status = (*file)->Allocate(0, entries.size()); !status.ok()) return status;
  if (Status status = (*file)->WriteAt(0, entries); !status.ok()) return status;
  entries_ = entries.size() / entry_bytes_;
  missing_ = false;
  ragged_ = false;
  loaded_ = true;
  return (*file)->Sync();
}

Status IndexFile::Repair() {
  if (instead_ == nullptr) return Status::Ok();
  const Entries entries = instead_;  // Replace lets go of it
  return Replace(*entries);
}

Status IndexFile::Rest() {
  if (Status status = Load(); !status.ok()) return status;
  if (Status status = Repair(); !status.ok()) return status;
  if (missing_) return Status::Ok();
  Result<std::shared_ptr<File>> file = file_->Acquire();
  if (!file.ok()) return file.status();
  Unmap();
  Result<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  if (*size == entries_ * entry_bytes_) return Status::Ok();
  return (*file)->Truncate(entries_ * entry_bytes_);
}

IndexFile::Detached IndexFile::Detach() {
  Detached detached{open_, entries_ * entry_bytes_};
  Unmap();
  return detached;
}

}  // namespace millrace
