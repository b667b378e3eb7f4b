#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/log/open_files.h"

namespace millrace {

// A sorted file of entries of one size: what offset index and time index have in common.
//
//   | entry 0 | entry 1 | ... | entry n-1 | zeros up to the allocated end, while the segment is
//   being written |
//
// While the segment is written, the file is allocated in blocks and mapped, and its size is a
// multiple of 4096, which is a whole number of neither entry size's usual tail, so a file of any
// other size ends with its last entry. At rest it is a plain file of exactly its entries. An index
// can always be made again from its segment, so appending never syncs it. Decision thread; what
// Detach gave away is the flush thread's.
class IndexFile {
 public:
  IndexFile(OpenFiles& cache, Disk& disk, std::string path, size_t entry_bytes);

  // Counts the entries of the file as it lies there; no file counts as none.
  Status Load();
  // Instead of Load, for a segment that is new: the index is empty, whatever lies under its name.
  void BeginEmpty() { loaded_ = missing_ = true; }
  bool loaded() const { return loaded_; }
  bool missing() const { return missing_; }  // Load found no file
  // Bytes behind the last whole entry, in a file at rest: a sign of damage.
  bool ragged() const { return ragged_; }
  size_t entries() const { return entries_; }  // of a loaded index

  // Copies entries [first, first + into.size() / entry size). They must exist.
  Status Read(size_t first, std::span<std::byte> into) const;

  // The number of leading entries for which `holds(const std::byte* entry)` is true; it must be
  // true for a prefix.
  template <typename Predicate>
  Result<size_t> CountWhile(Predicate holds) const;

  // Makes sure that `count` more appends cannot fail, creating and mapping the file as needed.
  Status Reserve(size_t count);
  void Append(const std::byte* entry);  // within what was reserved

  // Leaves the first `entries` and syncs the file.
  Status CutTo(size_t entries);
  // Replaces the content by `entries`, at rest, and syncs the file.
  Status Replace(std::span<const std::byte> entries);
  // Trims the file to its entries and lets go of the mapping.
  Status Rest();

  // Hands the file over in the state of the moment, to be trimmed to `bytes` and synced by somebody
  // else; from here on it is read only. Null when there is no file.
  struct Detached {
    std::shared_ptr<File> file;
    uint64_t bytes = 0;
  };
  Detached Detach();

  const std::shared_ptr<CachedFile>& file() const { return file_; }

 private:
  static constexpr size_t kBlockBytes = 4096;
  static constexpr size_t kProbesAtOnce = 256;  // entries read at once from a file at rest

  Status CountUnmapped(File& file, uint64_t size);
  Result<bool> IsZero(File& file, size_t entry) const;
  void Unmap();

  const std::shared_ptr<CachedFile> file_;
  const size_t entry_bytes_;
  bool loaded_ = false;
  bool missing_ = false;
  bool ragged_ = false;
  size_t entries_ = 0;
  // While being written.
  std::shared_ptr<File> open_;
  std::unique_ptr<Mapping> mapping_;  // of all that is allocated
};

template <typename Predicate>
Result<size_t> IndexFile::CountWhile(Predicate holds) const {
  size_t low = 0;          // holds below
  size_t high = entries_;  // does not hold from here on
  if (mapping_ != nullptr) {
    while (low < high) {
      size_t middle = low + (high - low) / 2;
      if (holds(mapping_->data() + middle * entry_bytes_)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
  std::vector<std::byte> buffer;
  while (low < high) {
    // One entry at a time until what is left is worth one read.
    const bool last = high - low <= kProbesAtOnce;
    const size_t first = last ? low : low + (high - low) / 2;
    const size_t count = last ? high - low : 1;
    buffer.resize(count * entry_bytes_);
    if (Status status = Read(first, buffer); !status.ok()) return status;
    if (!last) {
      if (holds(buffer.data())) {
        low = first + 1;
      } else {
        high = first;
      }
      continue;
    }
    size_t kept = 0;
    while (kept < count && holds(buffer.data() + kept * entry_bytes_)) ++kept;
    return low + kept;
  }
  return low;
}

}  // namespace millrace
