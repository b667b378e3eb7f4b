#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/disk.h"
#include "core/log/log_services.h"

namespace millrace {
namespace {

// A file of which only the length matters.
class Emptied final : public File {
 public:
  // Its lengths after each step, and in the end that it was closed.
  struct Course {
    std::vector<uint64_t> sizes;
    std::atomic<bool> closed{false};
  };

  Emptied(uint64_t size, Course& course) : size_(size), course_(course) {}
  ~Emptied() override { course_.closed = true; }
  Status WriteAt(uint64_t, std::span<const std::byte>) override { return Status::Ok(); }
  Result<size_t> ReadAt(uint64_t, std::span<std::byte>) override { return size_t{0}; }
  Status Allocate(uint64_t, uint64_t) override { return Status::Ok(); }
  Status Truncate(uint64_t size) override {
    course_.sizes.push_back(size_ = size);
    return Status::Ok();
  }
  Status Sync() override { return Status::Ok(); }
  void StartWriteBack(uint64_t, uint64_t) override {}
  void DropCache() override {}
  Result<uint64_t> Size() override { return size_; }
  Result<FileFacts> Look() override { return FileFacts{size_, false}; }
  Result<int64_t> ModifiedMs() override { return int64_t{0}; }
  Status SetModifiedMs(int64_t) override { return Status::Ok(); }
  Result<std::unique_ptr<Mapping>> Map(uint64_t, bool) override { return Status(Code::kNotFound); }
  int descriptor() const override { return -1; }

 private:
  uint64_t size_;
  Course& course_;
};

}  // namespace

TEST_CASE("a file that is retired gives its blocks back a few megabytes at a time, to the end") {
  constexpr uint64_t kMost = 4 << 20;
  for (const uint64_t size : {uint64_t{1}, kMost, kMost + 1, (uint64_t{33} << 20) + 4711}) {
    CAPTURE(size);
    Emptied::Course course;
    LogServices services(2, LogServices::Background::kThread);
    services.Retire(std::make_shared<Emptied>(size, course));
    while (!course.closed) std::this_thread::yield();
    uint64_t left = size;
    for (const uint64_t next : course.sizes) {
      CHECK(left - next <= kMost);
      left = next;
    }
    CHECK(left <= kMost);
  }
}

}  // namespace millrace
