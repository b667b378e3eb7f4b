// Arbitrary bytes in arbitrary pieces through the frame reader, the budget and the frame memory, as
// a connection would bring them: what comes out must be what a plain parse of the same bytes gives,
// and nothing may be left over.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/io/frame_budget.h"
#include "core/io/frame_memory.h"
#include "core/io/frame_reader.h"

namespace millrace {
namespace {

constexpr uint32_t kMaxFrameBytes = 20'000;
constexpr uint32_t kOwnMappingAbove = 4096;
constexpr uint64_t kBudgetBytes = 48u << 10;
constexpr uint64_t kReserveBytes = 8u << 10;

void Require(bool holds) {
  if (!holds) std::abort();
}

// Frames are held for a while, so that the budget runs out and arenas get holes.
class Holder final : public FrameSink {
 public:
  Answer Place(uint32_t length, FramePlace* place) override {
    Require(length >= FrameReader::kMinFrameBytes && length <= kMaxFrameBytes);
    const uint64_t charge = memory_.Charge(length);
    std::optional<BudgetLane> lane;
    if (granted_) {
      Require(granted_->bytes == charge);
      lane = granted_->lane;
      granted_.reset();
    } else {
      lane = budget_.TryTake(charge, length < 512);
      if (!lane) {
        budget_.Wait(1, charge, length < 512);
        return Answer::kWait;
      }
    }
    Result<FramePlace> made = memory_.Allocate(length, {.connection = charge, .lane = *lane});
    Require(made.ok());
    *place = *made;
    return Answer::kPlaced;
  }

  void Complete(const FramePlace& place, uint32_t length) override {
    frames.emplace_back(reinterpret_cast<const char*>(place.bytes), length);
    held_.push_back({place, frames.size() - 1});
  }

  // Lets frames go, in an order taken from `choice`, until the wish that waits is granted.
  void MakeRoom(uint8_t choice) {
    while (!(granted_ = budget_.NextGrant())) {
      Require(!held_.empty());
      ReleaseOne(choice++);
    }
  }
  void ReleaseOne(uint8_t choice) {
    if (held_.empty()) return;
    const size_t index = choice % held_.size();
    const Held held = held_[index];
    held_.erase(held_.begin() + static_cast<ptrdiff_t>(index));
    // Nobody wrote into it meanwhile.
    Require(std::memcmp(held.place.bytes, frames[held.frame].data(), frames[held.frame].size()) ==
            0);
    Drop(held.place);
  }
  void Drop(const FramePlace& place) {
    const FrameMemory::Released released = memory_.Release(place.arena, place.position);
    Require(released.charge == released.owner.connection);
    budget_.Return(released.charge, released.owner.lane);
  }
  // Nothing is held or waits: the whole budget must be there again.
  void CheckEmpty() {
    while (!held_.empty()) ReleaseOne(0);
    Require(budget_.waiting() == 0);
    Require(budget_.TryTake(kBudgetBytes - kReserveBytes, false) == BudgetLane::kGeneral);
    Require(budget_.TryTake(kReserveBytes, true) == BudgetLane::kReserve);
  }

  std::vector<std::string> frames;

 private:
  struct Held {
    FramePlace place;
    size_t frame;  // of frames
  };
  FrameMemory memory_{{.arena_bytes = 16u << 10,
                       .own_mapping_above_bytes = kOwnMappingAbove,
                       .spare_bytes = 32u << 10}};
  FrameBudget budget_{kBudgetBytes, kReserveBytes};
  std::optional<FrameBudget::Grant> granted_;
  std::deque<Held> held_;
};

struct Parsed {
  std::vector<std::string> frames;
  FrameReader::State end = FrameReader::State::kMore;
};

Parsed Parse(std::span<const uint8_t> bytes) {
  Parsed parsed;
  while (bytes.size() >= 4) {
    const uint32_t size =
        uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
    if (size < 8 || size >= 0x8000'0000u) {
      parsed.end = FrameReader::State::kInvalid;
      return parsed;
    }
    if (size > kMaxFrameBytes) {
      parsed.end = FrameReader::State::kTooLarge;
      return parsed;
    }
    if (bytes.size() - 4 < size) return parsed;
    parsed.frames.emplace_back(reinterpret_cast<const char*>(bytes.data()) + 4, size);
    bytes = bytes.subspan(4 + size);
  }
  return parsed;
}

}  // namespace
}  // namespace millrace

// The first bytes say how the rest is cut into pieces, and how each piece comes in.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace millrace;
  if (size < 8) return 0;
  const std::span<const uint8_t> choices(data, 8);
  const std::span<const uint8_t> stream(data + 8, size - 8);
  const Parsed expected = Parse(stream);

  Holder holder;
  FrameReader reader;
  FrameReader::State state = FrameReader::State::kMore;
  size_t taken = 0;
  for (size_t piece = 0; taken < stream.size() && state == FrameReader::State::kMore; ++piece) {
    const uint8_t choice = choices[piece % choices.size()];
    const size_t length = std::min<size_t>(stream.size() - taken, size_t{1} << choice % 13);
    std::span<const std::byte> bytes = std::as_bytes(stream.subspan(taken, length));
    taken += length;
    if (choice >= 128) {  // as recvmsg does: what a body lacks straight to its place
      const std::span<std::byte> body = reader.MissingBody();
      const size_t direct = std::min(body.size(), bytes.size());
      if (direct > 0) {
        std::memcpy(body.data(), bytes.data(), direct);
        reader.Received(direct, holder);
        bytes = bytes.subspan(direct);
      }
    }
    while ((state = reader.Feed(&bytes, kMaxFrameBytes, holder)) == FrameReader::State::kWaiting) {
      holder.MakeRoom(choice);
    }
    Require(state != FrameReader::State::kMore || bytes.empty());
    if (choice % 3 == 0) holder.ReleaseOne(choice);
  }
  Require(holder.frames == expected.frames);
  Require(state == expected.end);
  if (reader.in_body()) holder.Drop(reader.place());
  holder.CheckEmpty();
  return 0;
}
