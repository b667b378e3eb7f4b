#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace {

// The transport's inner measures: how much one connection, or one turn, may do before others get
// their share. A turn should stay below 2 ms on the decision thread.
constexpr size_t kScratchBytes = 128u << 10;       // one read of small frames
constexpr size_t kLargeFrameReadBytes = 4u << 10;  // a read that expects the start of a large frame
constexpr uint64_t kReadTurnBytes = 1536u << 10;   // per connection and turn
// Frames per connection and turn. What they hold and are answered with is only known after the
// turn, so this is also how many may go past connection_inflight_bytes.
constexpr uint32_t kFramesPerTurn = 64;
constexpr uint64_t kTurnBytes = 2u << 20;  // all reads of a turn, about
// While bodies come of which this much is missing, a turn ends after about a megabyte, which a
// processor's own cache still holds when it is checked and appended.
constexpr size_t kLargeBodyBytes = 64u << 10;
constexpr uint64_t kLargeTurnBytes = 1u << 20;
constexpr uint64_t kWriteTurnBytes = 256u << 10;  // per connection and flush, on the loop
constexpr uint64_t kFirstPartBytes = 256u << 10;  // of a large region, while a sender wakes up
constexpr size_t kEpollBatch = 16;
constexpr size_t kPatientBatch = 64;
constexpr int kAcceptsPerTurn = 64;
constexpr int64_t kAcceptPauseMs = 100;
// Bytes of all connections that were read ahead of the budget. At the limit only what has a place
// is read: sizes, four bytes at a time, and granted bodies.
constexpr uint64_t kCarryLimitBytes = 8u << 20;
// A body grows by this part of its length per progress timeout, however slow its sender is. While
// others wait for the memory it holds it has to be faster: a control frame arrives whole in that
// time, a large one in 8 times that.
constexpr uint32_t kBodySteps = 64;
constexpr uint32_t kContendedBodySteps = 8;
constexpr uint32_t kContendedBodyBytes = 64u << 10;
// Reply bytes above which a connection is reported as congested, until they are all sent.
constexpr uint64_t kCongestedBytes = 1u << 20;
// A peer that vanished is noticed after 60 s + 6 * 10 s.
constexpr int kKeepAliveIdleSeconds = 60;
constexpr int kKeepAliveIntervalSeconds = 10;
constexpr int kKeepAliveProbes = 6;
// Descriptors that connections leave to files: an eighth of the process' limit, at most so many.
constexpr uint64_t kDescriptorReserve = 1024;
constexpr int64_t kRefusalReportMs = 1000;  // refusals of a kind are reported once in such a time
constexpr int64_t kLingerMs = 1000;

// Epoll data; connection ids are below 2^53.
constexpr uint64_t kListenerTag = uint64_t{1} << 62;
constexpr uint64_t kWakeTag = uint64_t{1} << 63;
constexpr uint64_t kTimerTag = kWakeTag + 1;
constexpr uint64_t kPatientTag = kWakeTag + 2;
constexpr uint64_t kPatientTimerTag = kWakeTag + 3;

constexpr uint32_t kAcceptTimer = 0;

}  // namespace millrace
