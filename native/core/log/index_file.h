#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/log/open_files.h"
#include "core/log/read_mode.h"

namespace millrace {

// A sorted file of entries of one size: what offset index and time index have in common.
//
//   | entry 0 | entry 1 | ... | entry k-1 |   entries k to n-1 are gathered
//
// New entries are gathered in memory and written a few at a time, so that a segment that is written
// needs neither a descriptor nor a mapping for its indexes. What a killed
// process had gathered recovery finds again in the segment. Where entries are followed by zeros up
// to a multiple of 4096, the file was allocated ahead, as earlier versions did. An index can always
// be made again from its segment, so appending never syncs it. Decision thread.
class IndexFile {
 public:
  IndexFile(OpenFiles& cache, Disk& disk, std::string path, size_t entry_bytes);
  // For reading on another thread what `other` holds now.
  static IndexFile ReaderOf(const IndexFile& other);

  // Counts the entries of the file as it lies there; no file counts as none.
  Status Load(ReadMode mode = ReadMode::kWait);
  // Instead of Load, for a segment that is new: the index is empty, whatever lies under its name.
  void BeginEmpty() { loaded_ = missing_ = true; }
  bool loaded() const { return loaded_; }
  bool missing() const { return missing_; }  // Load found no file
  // Bytes behind the last whole entry, in a file at rest: a sign of damage.
  bool ragged() const { return ragged_; }
  size_t entries() const { return entries_; }  // of a loaded index
  uint64_t stored_bytes() const { return stored() * entry_bytes_; }

  // Copies entries [first, first + into.size() / entry size). They must exist.
  Status Read(size_t first, std::span<std::byte> into, ReadMode mode = ReadMode::kWait) const;

  // The number of leading entries for which `holds(const std::byte* entry)` is true; it must be
  // true for a prefix.
  template <typename Predicate>
  Result<size_t> CountWhile(Predicate holds, ReadMode mode = ReadMode::kWait);

  // Makes sure that `count` more appends cannot fail, storing what is gathered as needed.
  Status Reserve(size_t count);
  bool CanGather(size_t count) const {  // without storing anything
    return gathered_.size() / entry_bytes_ + count <= kGatheredEntries;
  }
  void Append(const std::byte* entry);  // within what was reserved
  // Writes what is gathered, and makes the file where there is none.
  Status Store();
  // Gathers the entries of an index whose file is missing, if they are few.
  bool GatherInstead(std::span<const std::byte> entries);

  // Leaves the first `entries` and syncs the file.
  Status CutTo(size_t entries);
  // Replaces the content by `entries`, at rest, and syncs the file.
  Status Replace(std::span<const std::byte> entries);
  // Stores all, and trims the file to its entries. An index that was never written stays missing.
  Status Rest();

  const std::shared_ptr<CachedFile>& file() const { return file_; }

  // Entries that are read instead of the file's, which turned out to be wrong, until it is written
  // again.
  using Entries = std::shared_ptr<const std::vector<std::byte>>;
  void ReadInstead(Entries entries);
  const Entries& instead() const { return instead_; }
  // The file becomes what is read instead of it, if anything is, and is synced.
  Status Repair();

 private:
  static constexpr size_t kBlockBytes = 4096;
  static constexpr size_t kGatheredEntries = 32;  // an append at most kMostBatchesAtOnce and two
  static constexpr size_t kLargestEntryBytes = 12;
  static constexpr size_t kProbesAtOnce = 256;  // entries read at once

  IndexFile(std::shared_ptr<CachedFile> file, size_t entry_bytes)
      : file_(std::move(file)), entry_bytes_(entry_bytes) {}
  Status CountUnmapped(File& file, uint64_t size, ReadMode mode);
  Result<bool> IsZero(File& file, size_t entry, ReadMode mode) const;
  Result<std::shared_ptr<File>> Open(ReadMode mode) const;
  size_t stored() const { return entries_ - gathered_.size() / entry_bytes_; }

  const std::shared_ptr<CachedFile> file_;
  const size_t entry_bytes_;
  size_t near_ = 0;  // where the last search ended: readers go on from there
  Entries instead_;
  bool loaded_ = false;
  bool missing_ = false;
  bool ragged_ = false;
  size_t entries_ = 0;
  std::vector<std::byte> gathered_;  // the last of the entries
};

template <typename Predicate>
Result<size_t> IndexFile::CountWhile(Predicate holds, ReadMode mode) {
  size_t low = 0;          // holds below
  size_t high = entries_;  // does not hold from here on
  std::array<std::byte, kProbesAtOnce * kLargestEntryBytes> buffer;
  bool guess = near_ < entries_;
  while (low < high) {
    // First where the last search ended; then one entry at a time until what is left is worth one
    // read.
    const bool several = guess || high - low <= kProbesAtOnce;
    const size_t first = guess ? near_ : several ? low : low + (high - low) / 2;
    const size_t count = several ? std::min(high - first, kProbesAtOnce) : 1;
    guess = false;
    const auto bytes = std::span(buffer).first(count * entry_bytes_);
    if (Status status = Read(first, bytes, mode); !status.ok()) return status;
    size_t kept = 0;
    while (kept < count && holds(bytes.data() + kept * entry_bytes_)) ++kept;
    if (kept > 0) low = first + kept;
    if (kept < count) high = first + kept;
  }
  near_ = low > 0 ? low - 1 : 0;
  return low;
}

}  // namespace millrace
