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
  reader.gathered_ = other.gathered_;
  return reader;
}

void IndexFile::ReadInstead(Entries entries) {
  instead_ = std::move(entries);
  gathered_.clear();
  entries_ = instead_->size() / entry_bytes_;
  loaded_ = true;
  missing_ = false;
  ragged_ = false;
}

Result<std::shared_ptr<File>> IndexFile::Open(ReadMode mode) const {
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
  const size_t begin = first * entry_bytes_;
  const size_t gathered_from = stored() * entry_bytes_;
  const size_t in_file = std::min(into.size(), gathered_from - std::min(gathered_from, begin));
  if (in_file < into.size()) {
    std::memcpy(into.data() + in_file, gathered_.data() + (begin + in_file - gathered_from),
                into.size() - in_file);
  }
  if (in_file == 0) return Status::Ok();
  Result<std::shared_ptr<File>> file = Open(mode);
  if (!file.ok()) return file.status();
  Result<size_t> got = ReadAtLeast(**file, mode, begin, in_file, into.first(in_file));
  if (!got.ok()) return got.status();
  return *got == in_file ? Status::Ok() : Status(Code::kCorrupt);  // somebody else cut the file
}

Status IndexFile::Reserve(size_t count) {
  assert(count <= kGatheredEntries);
  if (Status status = Load(); !status.ok()) return status;
  if (Status status = Repair(); !status.ok()) return status;
  return gathered_.size() / entry_bytes_ + count <= kGatheredEntries ? Status::Ok() : Store();
}

void IndexFile::Append(const std::byte* entry) {
  assert(loaded_ && instead_ == nullptr);
  gathered_.insert(gathered_.end(), entry, entry + entry_bytes_);
  ++entries_;
}

Status IndexFile::Store() {
  if (gathered_.empty() && !missing_) return Status::Ok();
  Result<std::shared_ptr<File>> file = file_->AcquireOrCreate();
  if (!file.ok()) return file.status();
  if (missing_) {
    if (Status status = (*file)->Truncate(0); !status.ok()) return status;
    missing_ = false;
  }
  const uint64_t end = stored() * entry_bytes_;
  if (Status status = (*file)->WriteAt(end, gathered_); !status.ok()) {
    (void)(*file)->Truncate(end);  // a part of an entry would count as damage
    return status;
  }
  gathered_.clear();
  return Status::Ok();
}

bool IndexFile::GatherInstead(std::span<const std::byte> entries) {
  if (!Load().ok() || !missing_) return false;
  if (entries.size() / entry_bytes_ > kGatheredEntries) return false;
  gathered_.assign(entries.begin(), entries.end());
  entries_ = entries.size() / entry_bytes_;
  loaded_ = true;
  ragged_ = false;
  return true;
}

Status IndexFile::CutTo(size_t entries) {
  if (Status status = Load(); !status.ok()) return status;
  if (Status status = Repair(); !status.ok()) return status;
  const size_t in_file = std::min(stored(), entries);
  entries_ = std::min(entries_, entries);
  gathered_.resize((entries_ - in_file) * entry_bytes_);
  ragged_ = false;
  if (missing_) return Status::Ok();
  Result<std::shared_ptr<File>> file = file_->Acquire();
  if (!file.ok()) return file.status();
  if (Status status = (*file)->Truncate(in_file * entry_bytes_); !status.ok()) return status;
  return (*file)->Sync();
}

Status IndexFile::Replace(std::span<const std::byte> entries) {
  gathered_.clear();
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
  if (missing_ && gathered_.empty()) return Status::Ok();
  if (Status status = Store(); !status.ok()) return status;
  Result<std::shared_ptr<File>> file = file_->Acquire();
  if (!file.ok()) return file.status();
  Result<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  if (*size == entries_ * entry_bytes_) return Status::Ok();
  return (*file)->Truncate(entries_ * entry_bytes_);
}

}  // namespace millrace
