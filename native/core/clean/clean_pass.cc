#include "core/clean/clean_pass.h"

#include <algorithm>
#include <utility>

#include "core/clean/batch_folder.h"
#include "core/clean/cleaned_segment.h"
#include "core/log/segment.h"
#include "core/log/segment_names.h"
#include "core/log/time_index.h"

namespace millrace {
namespace {

// A replacement takes away so many files at once.
constexpr size_t kMostSegmentsPerGroup = 64;

}  // namespace

CleanPass::CleanPass(Disk& disk, CleanTask task, RecordCodecs& codecs, std::atomic<int32_t>* stop)
    : disk_(disk), task_(std::move(task)), codecs_(codecs), budget_(task_.bytes_per_second, stop) {}

Status CleanPass::Fault(const Source& source, const SourceReader& reader, Status status) {
  fault_segment_ = source.base_offset;
  fault_position_ = static_cast<int64_t>(reader.position());
  return status;
}

// A swap that was not finished: the names do not say yet what the log says.
Status CleanPass::CheckNames() {
  Result<std::vector<std::string>> names = disk_.List(task_.directory);
  if (!names.ok()) return names.status();
  const bool swapping = std::any_of(names->begin(), names->end(), [](const std::string& name) {
    return ParseFileName(name).kind == FileKind::kSwap;
  });
  return swapping ? Status(Code::kWouldBlock) : Status::Ok();
}

Result<std::shared_ptr<File>> CleanPass::OpenSource(const Source& source) {
  const std::string name = SegmentFileName(source.base_offset, FileKind::kLog);
  Result<std::shared_ptr<File>> file = disk_.Open(JoinPath(task_.directory, name), OpenMode::kRead);
  if (!file.ok()) {
    fault_segment_ = source.base_offset;
    return file.status();
  }
  Result<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  // A file that was rolled may not be trimmed yet.
  if (*size >= source.size_bytes) return file;
  fault_segment_ = source.base_offset;
  fault_position_ = static_cast<int64_t>(std::min(*size, source.size_bytes));
  return Status(Code::kCorrupt);
}

Result<OffsetMapFacts> CleanPass::BuildMap() {
  if (Status status = CheckNames(); !status.ok()) return status;
  Result<std::vector<AbortedTransaction>> aborted =
      ReadAborted(disk_, task_.directory, &transaction_indexes_, &fault_segment_);
  if (!aborted.ok()) return aborted.status();
  aborted_ = std::move(*aborted);
  if (!task_.compacts) {
    if (Status status = FindFolded(); !status.ok()) return status;
    clean_end_ = task_.end_offset;
    OffsetMapFacts facts;
    facts.clean_end_offset = clean_end_;
    return facts;
  }

  map_ = std::make_unique<OffsetMap>(task_.map_bytes, task_.hash_seed);
  TransactionTracker transactions(aborted_, task_.first_dirty_offset);
  OffsetMapFacts facts;
  clean_end_ = task_.first_dirty_offset;
  Mapped mapped = Mapped::kAll;
  for (size_t i = 0; i < task_.segments.size() && mapped == Mapped::kAll; ++i) {
    const Source& source = task_.segments[i];
    if (source.base_offset >= task_.end_offset) break;
    const bool clean = i + 1 < task_.segments.size() &&
                       task_.segments[i + 1].base_offset <= task_.first_dirty_offset;
    if (clean) continue;
    Result<std::shared_ptr<File>> file = OpenSource(source);
    if (!file.ok()) return file.status();
    SourceReader reader(std::move(*file), source.size_bytes, budget_, &buffer_);
    Result<Mapped> outcome = MapSegment(source, reader, transactions);
    if (!outcome.ok()) return outcome.status();
    mapped = *outcome;
    facts.bytes_read += reader.bytes_read();
  }
  // Behind the last batch there are only holes.
  if (mapped != Mapped::kUntilFull) clean_end_ = std::max(clean_end_, task_.end_offset);
  facts.clean_end_offset = clean_end_;
  facts.keys = map_->size();
  facts.fill = static_cast<double>(map_->size()) / static_cast<double>(map_->max_size());
  if (!task_.segments.empty()) {
    transactions_.emplace(aborted_, task_.segments.front().base_offset);
    filter_.emplace(
        *map_, *transactions_, task_.producers, codecs_,
        BatchFilter::Rules{clean_end_, task_.now_ms, task_.delete_retention_ms, task_.codec != 0});
  }
  return facts;
}

Status CleanPass::FindFolded() {
  folded_.assign(task_.segments.size(), false);
  for (size_t i = 0; i < task_.segments.size(); ++i) {
    const Source& source = task_.segments[i];
    if (source.size_bytes < kBatchHeaderBytes) continue;
    if (Status status = budget_.CheckStop(); !status.ok()) return status;
    Result<std::shared_ptr<File>> file = OpenSource(source);
    if (!file.ok()) return file.status();
    std::byte bytes[kBatchHeaderBytes];
    Result<size_t> got = (*file)->ReadAt(0, bytes);
    if (!got.ok()) return got.status();
    BatchHeader header;
    // What is no batch the pass itself meets, and says where.
    folded_[i] = *got == sizeof bytes && PeekBatchHeader(bytes, &header).ok() &&
                 (header.attributes & kBatchCodecMask) == task_.codec;
  }
  return Status::Ok();
}

Result<CleanPass::Mapped> CleanPass::MapSegment(const Source& source, SourceReader& reader,
                                                TransactionTracker& transactions) {
  for (;;) {
    Result<bool> more = reader.Next();
    if (!more.ok()) return Fault(source, reader, more.status());
    if (!*more) return Mapped::kAll;
    const BatchHeader& header = reader.header();
    if (header.base_offset >= task_.end_offset) return Mapped::kUntilEnd;
    if (header.last_offset >= task_.end_offset) return Mapped::kUntilFull;  // it stays as it is
    if (header.last_offset < task_.first_dirty_offset) continue;
    Result<bool> fits = MapBatch(reader, transactions);
    if (!fits.ok()) return Fault(source, reader, fits.status());
    if (!*fits) {
      // If not even one batch fits, cleaning would never come any further.
      return clean_end_ > task_.first_dirty_offset ? Result<Mapped>(Mapped::kUntilFull)
                                                   : Fault(source, reader, Status(Code::kNoMemory));
    }
    clean_end_ = header.last_offset + 1;
  }
}

// Keys of a batch that did not fit as a whole stay in the map: they lie above the clean end, so
// they only say of older records that they are superseded, which is true.
Result<bool> CleanPass::MapBatch(const SourceReader& reader, TransactionTracker& transactions) {
  const BatchHeader& header = reader.header();
  const bool control = (header.attributes & kBatchControl) != 0;
  if (!control && transactions.OnData(header)) return true;
  if (header.record_count == 0) return true;
  std::span<const std::byte> bytes = reader.batch().subspan(kBatchHeaderBytes);
  if (const int16_t codec = header.attributes & kBatchCodecMask; codec != 0) {
    if (Status status = codecs_.Unfold(codec, bytes, &unfolded_); !status.ok()) return status;
    bytes = unfolded_;
  }
  RecordIterator records(bytes, header.record_count);
  RecordView record;
  if (control) {
    if (!records.Next(&record)) return Status(Code::kCorrupt);
    (void)transactions.OnMarker(header, MarkerType(record), nullptr);
    return true;
  }
  while (records.Next(&record)) {
    const Offset offset = header.base_offset + record.offset_delta;
    if (!record.has_key || offset < task_.first_dirty_offset) continue;
    if (!map_->Put(HashKey(map_->seed(), record.key), offset)) return false;
  }
  return records.sound() ? Result<bool>(true) : Status(Code::kCorrupt);
}

// Where the segment ends; of the last one only its own batches tell.
Result<Offset> CleanPass::EndOf(size_t index) const {
  if (index + 1 < task_.segments.size()) return task_.segments[index + 1].base_offset;
  OpenFiles files(3);
  const Source& last = task_.segments[index];
  Segment segment(disk_, files, task_.directory, last.base_offset, task_.index_interval_bytes);
  Result<SegmentTail> tail = segment.ReadTail(last.size_bytes);
  if (!tail.ok()) return tail.status();
  return tail->scan.broken ? Result<Offset>(Status(Code::kCorrupt)) : tail->scan.end_offset;
}

// The segments from `begin` on that fit into one, whatever stays of them. As Kafka has it, so that
// segments do not get smaller and smaller.
Result<size_t> CleanPass::GroupEnd(size_t begin) const {
  uint64_t bytes = task_.segments[begin].size_bytes;
  size_t end = begin + 1;
  for (; end < task_.segments.size() && end - begin < kMostSegmentsPerGroup; ++end) {
    if (!folded_.empty() && folded_[end]) break;
    const Source& next = task_.segments[end];
    if (next.base_offset >= clean_end_) break;
    bytes += next.size_bytes;
    const uint64_t entries = bytes / std::max(task_.index_interval_bytes, 1u) + 2;
    if (bytes > task_.segment_bytes ||
        entries * TimeIndex::kEntryBytes > task_.segment_index_bytes) {
      break;
    }
    Result<Offset> last_end = EndOf(end);
    if (!last_end.ok()) return last_end.status();
    if (*last_end - 1 - task_.segments[begin].base_offset > INT32_MAX) break;
  }
  return end;
}

Result<std::optional<CleanedGroup>> CleanPass::NextGroup() {
  if (task_.compacts && !filter_.has_value()) return std::optional<CleanedGroup>();
  while (next_ < folded_.size() && folded_[next_]) ++next_;
  if (next_ >= task_.segments.size() || task_.segments[next_].base_offset >= clean_end_)
    return std::optional<CleanedGroup>();
  Result<size_t> end = GroupEnd(next_);
  if (!end.ok()) return end.status();
  Result<CleanedGroup> group = CleanGroup(next_, *end);
  if (!group.ok()) return group.status();
  next_ = *end;
  return std::optional<CleanedGroup>(std::move(*group));
}

Result<CleanedGroup> CleanPass::CleanGroup(size_t begin, size_t end) {
  CleanedGroup group;
  const BatchFilter::Counts before = task_.compacts ? filter_->counts() : folding_counts_;
  CleanedSegment cleaned(disk_, task_.directory, task_.segments[begin].base_offset,
                         task_.index_interval_bytes, budget_);
  if (Status status = cleaned.Begin(); !status.ok()) return status;
  std::optional<BatchFolder> folder;
  if (task_.codec != 0) folder.emplace(task_.codec, codecs_, cleaned);
  std::vector<AbortedTransaction> named;
  bool has_transaction_index = false;
  uint64_t cached_bytes = 0;
  int64_t modified_ms = 0;
  for (size_t i = begin; i < end; ++i) {
    const Source& source = task_.segments[i];
    group.bases.push_back(source.base_offset);
    has_transaction_index |= transaction_indexes_.contains(source.base_offset);
    Result<std::shared_ptr<File>> file = OpenSource(source);
    if (!file.ok()) return file.status();
    // Before anything is read: whoever changes the segment from now on changes its time, and the
    // replacement is refused.
    Result<int64_t> modified = (*file)->ModifiedMs();
    if (!modified.ok()) return modified.status();
    modified_ms = *modified;
    SourceReader reader(std::move(*file), source.size_bytes, budget_, &buffer_);
    for (;;) {
      Result<bool> more = reader.Next();
      if (!more.ok()) return Fault(source, reader, more.status());
      if (!*more) break;
      const bool keep = i + 1 == end && reader.at_last();
      Result<BatchFilter::Left> left = LeaveOf(reader, keep, &named);
      if (!left.ok()) return Fault(source, reader, left.status());
      if (left->bytes.empty()) continue;
      Status added = folder.has_value() ? folder->Add(left->bytes, left->header)
                                        : cleaned.Add(left->bytes, left->header);
      if (added.code() == Code::kCorrupt) return Fault(source, reader, added);
      if (!added.ok()) return added;
    }
    group.bytes_read += reader.bytes_read();
    cached_bytes += reader.cached_bytes();
  }
  if (folder.has_value()) {
    if (Status status = folder->Finish(); !status.ok()) return status;
  }
  if (!task_.compacts) named = AbortedWithin(begin, end);
  std::optional<std::vector<AbortedTransaction>> aborted;
  if (has_transaction_index || !named.empty()) aborted = std::move(named);
  group.bytes_written = cleaned.length();
  const bool keep_cached = cached_bytes > group.bytes_read / 2;
  if (Status status = cleaned.Finish(modified_ms, aborted, keep_cached); !status.ok())
    return status;
  group.counts = (task_.compacts ? filter_->counts() : folding_counts_) - before;
  return group;
}

Result<BatchFilter::Left> CleanPass::LeaveOf(const SourceReader& reader, bool keep,
                                             std::vector<AbortedTransaction>* named) {
  if (task_.compacts) return filter_->Filter(reader.batch(), reader.header(), keep, named);
  const auto records = static_cast<uint64_t>(reader.header().record_count);
  ++folding_counts_.batches_read;
  ++folding_counts_.batches_kept;
  folding_counts_.records_read += records;
  folding_counts_.records_kept += records;
  return BatchFilter::Left{reader.batch(), reader.header()};
}

// Of a pass that only folds: what the transaction indexes of these segments say.
std::vector<AbortedTransaction> CleanPass::AbortedWithin(size_t begin, size_t end) const {
  const Offset first = task_.segments[begin].base_offset;
  const Offset until =
      end < task_.segments.size() ? task_.segments[end].base_offset : task_.end_offset;
  std::vector<AbortedTransaction> within;
  for (const AbortedTransaction& transaction : aborted_) {
    if (transaction.last_offset >= first && transaction.last_offset < until)
      within.push_back(transaction);
  }
  return within;
}

}  // namespace millrace
