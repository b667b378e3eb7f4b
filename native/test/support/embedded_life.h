#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/clean/record_iterator.h"
#include "core/embedded/writer.h"
#include "test/support/log_batches.h"
#include "test/support/sim_disk.h"

namespace millrace::test {

// An embedded log on a simulated disk, whose records tell their offsets.
inline const std::string kDirectory = "/logs/embedded";

inline BootId Boot(int number) {
  BootId id{};
  id[0] = static_cast<std::byte>(number);
  return id;
}

inline EmbeddedOptions Options(int boot = 1) {
  EmbeddedOptions options;
  options.log.segment_bytes = 8192;
  options.seal_bytes = 512;
  options.now_ms = [] { return int64_t{1'000}; };
  options.boot_id = Boot(boot);
  return options;
}

inline std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// The value of the record with this offset: of any length, and told apart from all others.
inline std::string ValueOf(Offset offset) {
  return std::to_string(offset) + "-" +
         std::string(static_cast<size_t>(offset * 37 % 90), static_cast<char>('a' + offset % 26));
}

// What is in a log, by offset; `*start` is the first.
inline std::vector<std::string> ValuesIn(Log& log, Offset* start) {
  std::vector<std::string> values;
  const std::vector<std::byte> content = ReadAll(log, log.log_start_offset(), log.log_end_offset());
  std::span<const std::byte> rest(content);
  while (!rest.empty()) {
    BatchHeader header;
    REQUIRE(ParseBatchHeader(rest, &header).ok());
    const auto size = static_cast<size_t>(header.size_bytes);
    REQUIRE(BatchChecksumHolds(rest.first(size)));
    if (values.empty()) *start = header.base_offset;
    REQUIRE(header.base_offset == *start + static_cast<Offset>(values.size()));
    RecordIterator records(rest.first(size).subspan(kBatchHeaderBytes), header.record_count);
    for (RecordView record; records.Next(&record);)
      values.emplace_back(reinterpret_cast<const char*>(record.value.data()), record.value.size());
    REQUIRE(records.sound());
    rest = rest.subspan(size);
  }
  return values;
}

// The log has exactly the offsets up to `end`, with their values.
inline void CheckValues(Log& log, Offset end) {
  Offset start = log.log_start_offset();
  const std::vector<std::string> values = ValuesIn(log, &start);
  REQUIRE(start <= log.log_start_offset());
  REQUIRE(log.log_end_offset() == end);
  REQUIRE(start + static_cast<Offset>(values.size()) == end);
  for (size_t i = 0; i < values.size(); ++i)
    REQUIRE(values[i] == ValueOf(start + static_cast<Offset>(i)));
}

// A log under way, and what it has promised.
struct Life {
  Status Open(Disk& disk, const EmbeddedOptions& options) {
    OpenReport report;
    Result<OpenedLog> result = EmbeddedWriter::Open(disk, kDirectory, options, &report);
    if (!result.ok()) return result.status();
    opened = std::move(*result);
    durable = opened.log->durable_offset();
    return Status::Ok();
  }
  // Appends while it works and the process lives.
  void Append(int count) {
    for (int i = 0; i < count && !Dead(); ++i) {
      const std::string value = ValueOf(opened.writer->end_offset());
      if (!opened.writer->Append(RecordParts{{}, BytesOf(value), {}}, std::nullopt).ok()) return;
      if (!Dead()) promised = opened.writer->end_offset();
    }
  }
  // The same by one call; returns how it ended, and notes what it may have left.
  Status AppendMany(int count) {
    if (Dead()) return Status(Code::kFailed);
    const Offset first = opened.writer->end_offset();
    std::string values;
    std::vector<uint32_t> lengths;
    for (int i = 0; i < count; ++i) {
      const std::string value = ValueOf(first + i);
      values += value;
      lengths.push_back(static_cast<uint32_t>(value.size()));
    }
    tried = std::max(tried, first + count);
    size_t appended = 0;
    const Status status = opened.writer->AppendValues(BytesOf(values), lengths, &appended);
    REQUIRE(opened.writer->end_offset() == first + static_cast<Offset>(appended));
    REQUIRE(status.ok() == (appended == lengths.size()));
    if (!Dead()) promised = opened.writer->end_offset();
    return status;
  }
  // What is written through mappings after a crash the next process does not find.
  bool Dead() const { return sim != nullptr && sim->crashed(); }
  void Flush() {
    if (!opened.writer->SealForFlush().ok()) return;
    Result<DurablePoint> point = opened.log->Flush();
    if (point.ok()) durable = point->offset;
  }
  void Close() {
    if (!opened.writer->Seal().ok()) return;
    const Offset start = opened.log->log_start_offset();
    const Offset end = opened.log->log_end_offset();
    if (!opened.log->Close(true).ok()) return;
    durable = end;
    closed_end = end;
    if (opened.writer->Finish(start, end).ok()) closed = true;
    opened.writer.reset();
    opened.log.reset();
  }
  Offset end() const { return closed_end >= 0 ? closed_end : opened.writer->end_offset(); }

  OpenedLog opened;
  const SimDisk* sim = nullptr;
  Offset promised = 0;  // appends that returned
  Offset tried = 0;     // and the calls of AppendMany that did not
  Offset durable = 0;
  Offset closed_end = -1;
  bool closed = false;
};

}  // namespace millrace::test
