#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "core/base/disk.h"
#include "core/log/log_services.h"

namespace millrace {

// The writable mapping of a segment that is appended to by copying into memory:
//
//   | on their way to the device, whole extents | just written | populated | allocated | nothing |
//                                          written end --^
//
// A page that is written for the first time costs its writer a fault; the background thread takes
// them, ahead of the writer. A page that is written again after it went to the device costs nine
// times as much, so write-back stays some extents behind. Pages are touched only below the
// allocated end, so that a full disk is an error of the allocation and no signal here.
class MappedTail {
 public:
  // Maps [0, capacity) of `file`, of which [0, written) is in use. The file may be shorter.
  static Result<std::shared_ptr<MappedTail>> Map(std::shared_ptr<File> file, uint64_t capacity,
                                                 uint64_t written);

  // The writer's thread.
  uint64_t capacity() const { return mapping_->size(); }
  std::byte* at(uint64_t position) const { return mapping_->data() + position; }
  // A page was lost underneath: what was copied since the last look may lie nowhere.
  bool damaged() const { return mapping_->damaged(); }
  // How the next bytes will come: by a store, or by a write, which needs no page made ready.
  enum class Next { kStored, kWritten };
  // The file is written up to `written` and has blocks up to `allocated`. Asks the background for
  // what is due, on its way keeping `self` alive.
  static void Advance(const std::shared_ptr<MappedTail>& self, LogServices& services,
                      uint64_t written, uint64_t allocated, Next next);
  // How far ahead of the written end blocks are wanted.
  uint64_t ahead_bytes() const { return ahead_bytes_; }

  // Flush threads, one at a time: [0, end) is on the disk when it returns success.
  Status Sync(uint64_t end);
  // Likewise: nothing is written through it any more, and all of the file is about to be synced.
  void Settle() { mapping_->Release(0, mapping_->size()); }

 private:
  void WriteBack();
  MappedTail(std::shared_ptr<File> file, std::unique_ptr<Mapping> mapping, uint64_t written);

  const std::shared_ptr<File> file_;
  const std::unique_ptr<Mapping> mapping_;
  const uint64_t began_;  // written end when it was mapped

  // The writer's.
  uint64_t populated_;  // asked for up to here
  uint64_t ahead_bytes_;

  std::atomic<uint64_t> settled_;  // stored by the writer: below it is to be written back
  std::atomic<bool> write_back_due_{false};
  uint64_t written_back_;  // the background's: likewise, and asked for

  uint64_t synced_;  // flush threads'
};

}  // namespace millrace
