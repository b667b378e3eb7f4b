#pragma once

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>

#include "core/log/log.h"
#include "core/log/log_view.h"

namespace millrace::test {

// A log of which only the flushing side exists. The test plays the decision thread: it moves `end`.
class FakeLog final : public Log {
 public:
  std::atomic<Offset> end{0};
  std::atomic<Offset> durable{0};
  std::atomic<int> flushes{0};
  std::atomic<int> running{0};
  std::atomic<int> most_at_once{0};
  Status failure;                  // what the next flush ends with
  std::function<void()> on_flush;  // inside Flush, behind reading `end`
  std::function<void()> on_write_back;

  Result<DurablePoint> Flush() override {
    int at_once = running.fetch_add(1) + 1;
    if (at_once > most_at_once) most_at_once = at_once;
    Offset target = end;
    flushes.fetch_add(1);
    if (on_flush) on_flush();
    if (failure.ok()) durable = std::max<Offset>(durable, target);
    running.fetch_sub(1);
    if (!failure.ok()) return failure;
    return DurablePoint{durable};
  }
  void StartWriteBack() override {
    if (on_write_back) on_write_back();
  }
  Offset durable_offset() const override { return durable; }

  void Configure(const LogConfig&) override { std::abort(); }
  Status Append(std::span<std::byte>, const AppendOptions&, Appended*) override { std::abort(); }
  Status Validate(std::span<const std::byte>, const AppendOptions&, Appended*) const override {
    std::abort();
  }
  Result<FileRegion> Read(Offset, uint64_t, Offset, bool) override { std::abort(); }
  std::unique_ptr<LogView> View(Offset, size_t) override { std::abort(); }
  Status Learn(LogView&, Status) override { std::abort(); }
  Result<size_t> ReadHeaders(Offset, Offset, std::span<BatchHeader>) override { std::abort(); }
  Status TruncateTo(Offset) override { std::abort(); }
  Status ResetTo(Offset) override { std::abort(); }
  Status AdvanceStart(Offset) override { std::abort(); }
  Status Roll() override { std::abort(); }
  Result<std::shared_ptr<Replacement>> BeginReplacement(std::span<const Offset>) override {
    std::abort();
  }
  Status FinishReplacement(Replacement&) override { std::abort(); }
  std::function<Status()> PendingRemovals() override { std::abort(); }
  Result<size_t> ListSegments(bool, std::span<SegmentFacts>) override { std::abort(); }
  bool Rest() override { std::abort(); }
  Offset log_start_offset() const override { std::abort(); }
  Offset log_end_offset() const override { std::abort(); }
  uint64_t size_bytes() const override { std::abort(); }
  Offset active_base_offset() const override { std::abort(); }
  bool failed() const override { std::abort(); }
  Status Close(bool) override { std::abort(); }
  Status Delete() override { std::abort(); }
};

}  // namespace millrace::test
