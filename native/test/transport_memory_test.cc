// The parts below the sockets: arenas, frame memory, the budget's line, the frame reader, timers.
#include <sys/mman.h>

#include <algorithm>
#include <optional>
#include <random>

#include "core/io/frame_reader.h"
#include "core/io/timer_wheel.h"
#include "transport_harness.h"

namespace millrace::test {
namespace {

TEST_CASE("arena: random allocation and release never overlaps, and all of it merges again") {
  constexpr uint32_t kBytes = 1u << 20;
  Result<std::unique_ptr<Arena>> made = Arena::Create(kBytes);
  REQUIRE(made.ok());
  Arena& arena = **made;
  struct Piece {
    uint32_t position, length;
    uint64_t owner;
    uint8_t fill;
  };
  std::vector<Piece> pieces;
  std::mt19937 random(7);
  uint64_t next_owner = 1;
  uint64_t failures = 0;
  const auto release = [&](size_t index) {
    const Piece piece = pieces[index];
    const auto* bytes = reinterpret_cast<const uint8_t*>(arena.data()) + piece.position;
    REQUIRE(std::count(bytes, bytes + piece.length, piece.fill) == piece.length);
    const Arena::Released released = arena.Release(piece.position);
    REQUIRE(released.owner.connection == piece.owner);
    REQUIRE((released.owner.lane == BudgetLane::kReserve) == (piece.owner % 2 == 0));
    REQUIRE(released.bytes >= piece.length);
    REQUIRE(released.bytes < piece.length + Arena::kGranuleBytes);
    pieces[index] = pieces.back();
    pieces.pop_back();
  };
  for (int step = 0; step < 20'000; ++step) {
    if (pieces.empty() || random() % 100 < 55) {
      const uint32_t length = 8 + random() % (1u << (4 + random() % 14));
      const uint64_t owner = next_owner++;
      const std::optional<uint32_t> position = arena.Allocate(
          length, {owner, owner % 2 == 0 ? BudgetLane::kReserve : BudgetLane::kGeneral});
      if (!position) {
        ++failures;
        release(random() % pieces.size());
        continue;
      }
      REQUIRE(*position % 8 == 0);
      REQUIRE(*position + length <= kBytes);
      const uint8_t fill = static_cast<uint8_t>(random());
      std::memset(arena.data() + *position, fill, length);
      pieces.push_back({*position, length, owner, fill});
    } else {
      release(random() % pieces.size());
    }
  }
  CHECK(failures > 0);  // it was full at times
  while (!pieces.empty()) release(pieces.size() - 1);
  CHECK(arena.empty());
  CHECK(arena.Allocate(kBytes, {}) == std::optional<uint32_t>(0));
}

TEST_CASE("frame memory: pages beyond the spare bytes go back, addresses and ids stay") {
  FrameMemory memory(
      {.arena_bytes = 1u << 20, .own_mapping_above_bytes = 256u << 10, .spare_bytes = 4u << 20});
  std::vector<FramePlace> places;
  for (int i = 0; i < 4; ++i) {
    Result<FramePlace> place = memory.Allocate(2'000'000, {});
    REQUIRE(place.ok());
    std::memset(place->bytes, 0xab, 2'000'000);
    places.push_back(*place);
  }
  for (const FramePlace& place : places) {
    const FrameMemory::Released released = memory.Release(place.arena, place.position);
    CHECK(released.charge == memory.Charge(2'000'000));
  }
  CHECK(memory.resident_bytes() <= 4u << 20);
  std::vector<uint32_t> ids;
  for (int i = 0; i < 4; ++i) {
    Result<FramePlace> place = memory.Allocate(2'000'000, {});
    REQUIRE(place.ok());
    ids.push_back(place->arena);
    CHECK(place->bytes == places[place->arena].bytes);
    CHECK(memory.arena(place->arena).data() == place->bytes);
  }
  std::sort(ids.begin(), ids.end());
  CHECK(ids == std::vector<uint32_t>{0, 1, 2, 3});
}

TEST_CASE("frame memory: a frame of which nothing has arrived takes the memory released last") {
  FrameMemory memory(
      {.arena_bytes = 1u << 20, .own_mapping_above_bytes = 256u << 10, .spare_bytes = 8u << 20});
  const FrameOwner owner{.connection = 7, .lane = BudgetLane::kReserve};
  Result<FramePlace> first = memory.Allocate(1'900'000, {});
  Result<FramePlace> waiting = memory.Allocate(2'000'000, owner);
  REQUIRE(first.ok());
  REQUIRE(waiting.ok());
  CHECK(memory.Refresh(*waiting, 2'000'000).bytes == waiting->bytes);  // nothing is released yet
  std::memset(first->bytes, 0xab, 1'900'000);
  memory.Release(first->arena, first->position);

  const FramePlace moved = memory.Refresh(*waiting, 2'000'000);
  CHECK(moved.arena == first->arena);
  CHECK(moved.bytes == first->bytes);
  std::memset(moved.bytes, 0xcd, 2'000'000);
  Result<FramePlace> next = memory.Allocate(1'500'000, {});
  REQUIRE(next.ok());
  CHECK(next->bytes == waiting->bytes);

  const FrameMemory::Released released = memory.Release(moved.arena, moved.position);
  CHECK(released.owner.connection == 7);
  CHECK(released.owner.lane == BudgetLane::kReserve);
  CHECK(released.charge == memory.Charge(2'000'000));
  memory.Release(next->arena, next->position);
  CHECK(memory.resident_bytes() == 2 * memory.Charge(2'000'000));

  Result<FramePlace> small = memory.Allocate(1000, {});
  REQUIRE(small.ok());
  CHECK(memory.Refresh(*small, 1000).bytes == small->bytes);
}

TEST_CASE("frame memory: an emptied arena gives its pages back when enough are spare") {
  FrameMemory memory(
      {.arena_bytes = 1u << 20, .own_mapping_above_bytes = 256u << 10, .spare_bytes = 1u << 20});
  std::vector<FramePlace> places;
  for (int i = 0; i < 40; ++i) {
    Result<FramePlace> place = memory.Allocate(100'000, {});
    REQUIRE(place.ok());
    std::memset(place->bytes, i, 100'000);
    places.push_back(*place);
  }
  CHECK(memory.resident_bytes() >= 4'000'000);
  for (const FramePlace& place : places) memory.Release(place.arena, place.position);
  CHECK(memory.resident_bytes() <= 1u << 20);
  CHECK(memory.resident_bytes() > 0);
}

TEST_CASE("arena: a large one counts whole huge pages, and gives all of them back") {
  Result<std::unique_ptr<Arena>> made = Arena::Create(4u << 20);
  REQUIRE(made.ok());
  Arena& arena = **made;
  const std::optional<uint32_t> position = arena.Allocate(1000, {});
  REQUIRE(position.has_value());
  std::memset(arena.data() + *position, 1, 1000);
  CHECK(arena.touched_bytes() == Arena::kHugePageBytes);
  arena.Release(*position);
  arena.GiveBackPages();
  CHECK(arena.touched_bytes() == 0);
  std::vector<unsigned char> present(arena.size() / PageBytes());
  REQUIRE(mincore(arena.data(), arena.size(), present.data()) == 0);
  for (const unsigned char page : present) REQUIRE((page & 1) == 0);
}

TEST_CASE("budget: grants are in order of age, and small frames have a reserve") {
  FrameBudget budget(1000, 200);
  CHECK(budget.TryTake(700, false) == BudgetLane::kGeneral);
  CHECK_FALSE(budget.TryTake(300, false).has_value());
  budget.Wait(1, 300, false);
  // 100 are free, but somebody older wants them.
  CHECK_FALSE(budget.TryTake(50, false).has_value());
  budget.Wait(2, 50, false);
  CHECK(budget.TryTake(150, true) == BudgetLane::kReserve);
  CHECK_FALSE(budget.TryTake(60, true).has_value());
  budget.Wait(3, 60, true);
  CHECK_FALSE(budget.TryTake(10, true).has_value());  // not past an older control frame either
  CHECK_FALSE(budget.NextGrant().has_value());

  budget.Return(150, BudgetLane::kReserve);
  std::optional<FrameBudget::Grant> grant = budget.NextGrant();
  REQUIRE(grant.has_value());
  CHECK(grant->connection == 3);
  CHECK(grant->lane == BudgetLane::kReserve);
  CHECK_FALSE(budget.NextGrant().has_value());

  budget.Return(700, BudgetLane::kGeneral);
  grant = budget.NextGrant();
  REQUIRE(grant.has_value());
  CHECK(grant->connection == 1);
  grant = budget.NextGrant();
  REQUIRE(grant.has_value());
  CHECK(grant->connection == 2);
  CHECK(budget.waiting() == 0);
}

TEST_CASE("budget: whoever leaves the line lets the next one pass") {
  FrameBudget budget(1000, 0);
  CHECK(budget.TryTake(600, false).has_value());
  const FrameBudget::Ticket first = budget.Wait(1, 500, false);
  budget.Wait(2, 400, false);
  CHECK_FALSE(budget.NextGrant().has_value());
  budget.Forget(first);
  const std::optional<FrameBudget::Grant> grant = budget.NextGrant();
  REQUIRE(grant.has_value());
  CHECK(grant->connection == 2);
  budget.Forget(first);  // harmless
}

TEST_CASE("budget: a large wish is not starved by small ones that keep coming") {
  FrameBudget budget(1000, 100);
  for (int i = 0; i < 9; ++i) CHECK(budget.TryTake(100, true) == BudgetLane::kGeneral);
  budget.Wait(1, 500, false);
  for (int i = 0; i < 5; ++i) {
    budget.Return(100, BudgetLane::kGeneral);
    const std::optional<FrameBudget::Grant> grant = budget.NextGrant();
    CHECK(grant.has_value() == (i == 4));
    if (i < 4) {
      CHECK(budget.TryTake(100, true) == BudgetLane::kReserve);  // small ones only by the reserve
      CHECK_FALSE(budget.TryTake(100, true).has_value());
      budget.Return(100, BudgetLane::kReserve);
    }
  }
}

class CollectingSink final : public FrameSink {
 public:
  explicit CollectingSink(FrameMemory& memory) : memory_(memory) {}
  Answer Place(uint32_t length, FramePlace* place) override {
    if (refusals > 0) {
      --refusals;
      return Answer::kWait;
    }
    Result<FramePlace> made = memory_.Allocate(length, {});
    if (!made.ok()) return Answer::kFailed;
    *place = *made;
    return Answer::kPlaced;
  }
  void Complete(const FramePlace& place, uint32_t length) override {
    frames.emplace_back(reinterpret_cast<const char*>(place.bytes), length);
    memory_.Release(place.arena, place.position);
  }
  int refusals = 0;
  std::vector<std::string> frames;

 private:
  FrameMemory& memory_;
};

TEST_CASE("frame reader: every split of a stream into two gives the same frames") {
  const std::vector<std::string> bodies = {Pattern(8), Pattern(300, 2), Pattern(2000, 3)};
  std::string stream;
  for (const std::string& body : bodies) stream += Framed(body);
  const auto bytes = std::as_bytes(std::span(stream));
  FrameMemory memory(
      {.arena_bytes = 64u << 10, .own_mapping_above_bytes = 1024, .spare_bytes = 1u << 20});
  for (size_t split = 0; split <= stream.size(); ++split) {
    CollectingSink sink(memory);
    sink.refusals = static_cast<int>(split % 3);
    FrameReader reader;
    for (std::span<const std::byte> half : {bytes.first(split), bytes.subspan(split)}) {
      FrameReader::State state;
      while ((state = reader.Feed(&half, 10'000, sink)) == FrameReader::State::kWaiting) {
      }
      REQUIRE(state == FrameReader::State::kMore);
      REQUIRE(half.empty());
    }
    REQUIRE(sink.frames == bodies);
    REQUIRE(reader.between_frames());
  }
}

TEST_CASE("frame reader: a body may be filled from outside") {
  FrameMemory memory(
      {.arena_bytes = 64u << 10, .own_mapping_above_bytes = 1024, .spare_bytes = 1u << 20});
  CollectingSink sink(memory);
  FrameReader reader;
  const std::string body = Pattern(5000);
  const std::string start = Framed(body).substr(0, 100);
  std::span<const std::byte> bytes = std::as_bytes(std::span(start));
  CHECK(reader.Feed(&bytes, 10'000, sink) == FrameReader::State::kMore);
  size_t filled = 96;
  while (reader.in_body()) {
    const std::span<std::byte> missing = reader.MissingBody();
    REQUIRE(missing.size() == body.size() - filled);
    const size_t n = std::min<size_t>(missing.size(), 777);
    std::memcpy(missing.data(), body.data() + filled, n);
    filled += n;
    reader.Received(n, sink);
  }
  CHECK(sink.frames == std::vector<std::string>{body});
}

TEST_CASE("timer wheel: fires after its time, within a tick, and at the horizon at the latest") {
  TimerWheel wheel(1'000'000);
  std::vector<uint32_t> due;
  const auto advance = [&](int64_t to) {
    due.clear();
    wheel.Advance(to, &due);
    std::sort(due.begin(), due.end());
    return due;
  };
  using Due = std::vector<uint32_t>;
  CHECK(wheel.NextDueMs() == -1);
  wheel.Schedule(1, 1'000'120);
  wheel.Schedule(2, 1'000'120);
  wheel.Schedule(3, 1'000'990);
  wheel.Schedule(4, 9'000'000);
  wheel.Schedule(5, 10);  // long ago
  CHECK(wheel.NextDueMs() == 1'000'050);
  wheel.Cancel(2);
  CHECK(advance(1'000'049) == Due{});
  CHECK(advance(1'000'119) == Due{5});
  CHECK(wheel.NextDueMs() == 1'000'150);
  CHECK(advance(1'000'149) == Due{});
  CHECK(advance(1'000'150) == Due{1});
  wheel.Schedule(3, 1'000'500);  // moved forward
  CHECK(advance(1'000'500) == Due{3});
  CHECK(wheel.scheduled(4));
  CHECK(advance(1'000'500 + TimerWheel::kTickMs * static_cast<int64_t>(TimerWheel::kSlots)) ==
        Due{4});
  CHECK(wheel.NextDueMs() == -1);
  wheel.Schedule(7, 2'000'000);
  CHECK(advance(50'000'000) == Due{7});  // a long sleep
}

}  // namespace
}  // namespace millrace::test
