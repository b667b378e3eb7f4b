#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/log/batch.h"

namespace millrace {

// The batch that an embedded log is filling. Its records lie where they will stay: in the active
// segment, behind kBatchHeaderBytes of zeros. Its header does not: until the batch is sealed it is
// kept in a file of one page beside the segments, the sidecar, which writer and readers map:
//
//      0  magic u64 | 8 version u32 | 12 bytes of the page u32 | 16 boot id of the kernel, 16 bytes
//     64  header, slot 0
//    128  header, slot 1
//    192  log start offset i64 | 200 durable offset i64 | 208 sealed end offset i64
//    216  file changes u64 | 224 state u32
//
// All numbers are little-endian: the page never leaves the machine. A header is 64 bytes:
//
//      0  base offset of the segment i64 | 8 base offset of the batch i64 | 16 base timestamp i64
//     24  position of the batch in the .log u32 | 28 flags u32
//     32  sequence u64 | 40 max timestamp i64 | 48 bytes u32 | 52 records u32 | 56 zero u32
//     60  checksum u32
//
// The writer fills the slots in turn: header number `sequence` goes to slot `sequence & 1`, so that
// the other one, which is whole, says what was there before it. A process that is killed in the
// middle of one therefore loses nothing whose append had returned. The newest whole header is the
// truth; `bytes` counts from `position`, the 61 for the header included, and is 0 while no batch is
// open: then `base offset` is the log's end and `position` the end of the segment's batches.
//
// A batch is sealed by writing its header into the .log first and a header with `bytes` 0 to the
// sidecar after it. So a sidecar is stale, and says nothing, when the kernel has another boot id,
// or when the log does not end exactly where the batch begins (it ends behind it where the batch
// was sealed, elsewhere when others have written). The sidecar is removed by a clean close.
//
// Readers in other threads and processes map the page for reading and use Load(); record bytes
// below `position + bytes` were there before the header was, and never change. `file changes`
// counts segments that came or went: who sees it move lists the directory anew. At `state` kClosed
// the file is gone, and a reader looks for a new one. Writers and readers are on one machine, on a
// kernel that keeps the pages of a file that several map the same, so no network file systems.
inline constexpr std::string_view kSidecarName = "open-batch";
inline constexpr std::string_view kWriterLockName = ".lock";
inline constexpr size_t kSidecarBytes = 4096;

struct OpenBatch {
  Offset segment_base_offset = 0;
  Offset base_offset = 0;
  int64_t base_timestamp = 0;
  uint32_t position = 0;
  uint32_t flags = 0;  // none is known: 0
  uint64_t sequence = 0;
  int64_t max_timestamp = -1;
  uint32_t bytes = 0;
  uint32_t record_count = 0;

  Offset end_offset() const { return base_offset + record_count; }
};

enum class SidecarState : uint32_t { kOpen = 1, kClosed = 2 };

// What the page says beside the headers. Each number is stored and loaded as a whole, but they are
// not of one moment.
struct SidecarFacts {
  Offset log_start_offset = 0;
  Offset durable_offset = 0;
  Offset sealed_end_offset = 0;
  uint64_t file_changes = 0;
  SidecarState state = SidecarState::kOpen;
};

using BootId = std::array<std::byte, 16>;

// A view of a mapped sidecar page, which outlives it. One writer thread stores; any number of
// readers, also of other processes, load. `page` is 8-byte aligned.
class Sidecar {
 public:
  explicit Sidecar(std::byte* page) : page_(page) {}

  // Whether this is the page of a sidecar of this version.
  bool Known() const;
  BootId boot_id() const;
  // The newest whole header; none when neither slot holds one. While the writer stores, a reader
  // may have to look again: it does, some times.
  std::optional<OpenBatch> Load() const;
  SidecarFacts facts() const;

  // Writer. Format makes the page one of this boot with no header; the order in which the rest is
  // stored is as it is called.
  void Format(const BootId& boot_id);
  // Begins a run of headers: those that follow differ in nothing above `sequence`.
  void Begin(const OpenBatch& batch);
  // Publishes the next header of the run.
  void Publish(uint32_t bytes, uint32_t record_count, int64_t max_timestamp);
  const OpenBatch& current() const { return current_; }
  void StoreFacts(const SidecarFacts& facts);

 private:
  std::byte* const page_;
  OpenBatch current_;  // writer: what was published last
  uint32_t run_ = 0;   // writer: checksum of what stays the same in a run of headers
};

// Of the running kernel; zeros where it does not tell.
BootId CurrentBootId();
// Whether what was noted under one is of the boot of the other. Zeros are no boot: what a kernel
// that does not tell left behind counts as from before a reboot.
bool SameBoot(const BootId& one, const BootId& other);

}  // namespace millrace
