#include "core/clean/transactions.h"

#include <algorithm>
#include <utility>

#include "core/base/bytes.h"
#include "core/log/segment_names.h"

namespace millrace {
namespace {

AbortedTransaction Decode(const std::byte* from) {
  return {LoadBigEndian<int64_t>(from + 2), LoadBigEndian<int64_t>(from + 10),
          LoadBigEndian<int64_t>(from + 18), LoadBigEndian<int64_t>(from + 26)};
}

}  // namespace

void EncodeAborted(const AbortedTransaction& transaction, std::byte* to) {
  StoreBigEndian<int16_t>(to, 0);
  StoreBigEndian<int64_t>(to + 2, transaction.producer_id);
  StoreBigEndian<int64_t>(to + 10, transaction.first_offset);
  StoreBigEndian<int64_t>(to + 18, transaction.last_offset);
  StoreBigEndian<int64_t>(to + 26, transaction.last_stable_offset);
}

Result<std::vector<AbortedTransaction>> ReadAborted(Disk& disk, const std::string& directory,
                                                    std::unordered_set<Offset>* bases,
                                                    Offset* damaged) {
  Result<std::vector<std::string>> names = disk.List(directory);
  if (!names.ok()) return names.status();
  std::vector<AbortedTransaction> aborted;
  for (const std::string& name : *names) {
    const FileName parsed = ParseFileName(name);
    if (parsed.kind != FileKind::kTransactionIndex) continue;
    bases->insert(parsed.base_offset);
    Result<std::shared_ptr<File>> file = disk.Open(JoinPath(directory, name), OpenMode::kRead);
    if (!file.ok()) return file.status();
    Result<uint64_t> size = (*file)->Size();
    if (!size.ok()) return size.status();
    std::vector<std::byte> bytes(static_cast<size_t>(*size));
    Result<size_t> got = (*file)->ReadAt(0, bytes);
    if (!got.ok()) return got.status();
    for (size_t at = 0; at + AbortedTransaction::kBytes <= *got; at += AbortedTransaction::kBytes) {
      if (LoadBigEndian<int16_t>(bytes.data() + at) != 0) {
        *damaged = parsed.base_offset;
        return Status(Code::kCorrupt);
      }
      aborted.push_back(Decode(bytes.data() + at));
    }
  }
  return aborted;
}

TransactionTracker::TransactionTracker(std::vector<AbortedTransaction> aborted, Offset from)
    : aborted_(std::move(aborted)) {
  std::erase_if(aborted_, [&](const AbortedTransaction& each) { return each.last_offset < from; });
  std::sort(aborted_.begin(), aborted_.end(),
            [](const AbortedTransaction& one, const AbortedTransaction& other) {
              return one.first_offset < other.first_offset;
            });
}

void TransactionTracker::OpenUpTo(Offset offset) {
  for (; next_ < aborted_.size() && aborted_[next_].first_offset <= offset; ++next_) {
    open_aborted_.try_emplace(aborted_[next_].producer_id, Open{aborted_[next_], false});
  }
}

bool TransactionTracker::OnData(const BatchHeader& header) {
  OpenUpTo(header.last_offset);
  if ((header.attributes & kBatchTransactional) == 0) return false;
  const auto open = open_aborted_.find(header.producer_id);
  if (open == open_aborted_.end()) {
    open_committed_.insert(header.producer_id);
    return false;
  }
  open->second.met = true;
  return true;
}

bool TransactionTracker::OnMarker(const BatchHeader& header, int16_t type,
                                  std::vector<AbortedTransaction>* named) {
  OpenUpTo(header.last_offset);
  if (type == kCommit) return open_committed_.erase(header.producer_id) == 0;
  if (type != kAbort) return false;
  const auto open = open_aborted_.find(header.producer_id);
  if (open == open_aborted_.end()) return true;
  const bool met = open->second.met;
  if (met && named != nullptr) named->push_back(open->second.transaction);
  open_aborted_.erase(open);
  return !met;
}

}  // namespace millrace
