#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace millrace {

// Which part of the budget a frame was paid from, and goes back to.
enum class BudgetLane : uint8_t { kGeneral, kReserve };

// The bytes all frames together may take, granted before a body is read. Whoever does not fit waits
// in line: a grant never overtakes an older wish, so a large frame is not starved by small ones.
// A reserve serves control frames (small ones) only: heartbeats pass while large bodies wait.
// Loop thread only.
class FrameBudget {
 public:
  static constexpr uint32_t kControlFrameBytes = 64u << 10;  // frames up to this length are control

  FrameBudget(uint64_t total_bytes, uint64_t reserve_bytes)
      : general_free_(total_bytes - reserve_bytes), reserve_free_(reserve_bytes) {}

  std::optional<BudgetLane> TryTake(uint64_t bytes, bool control);
  void Return(uint64_t bytes, BudgetLane lane);

  using Ticket = uint64_t;
  Ticket Wait(uint64_t connection, uint64_t bytes, bool control);
  void Forget(Ticket ticket);  // harmless when it was granted already

  struct Grant {
    uint64_t connection;
    uint64_t bytes;
    BudgetLane lane;
  };
  // Takes the bytes of the next waiter that fits; nothing when none does. Ask after each Return and
  // Forget until it says nothing.
  std::optional<Grant> NextGrant();

  size_t waiting() const { return control_.size() + large_.size(); }

 private:
  struct Wish {
    uint64_t connection;
    uint64_t bytes;
  };
  using Line = std::map<Ticket, Wish>;  // by age

  Grant Serve(Line& line, BudgetLane lane);
  uint64_t& free(BudgetLane lane) {
    return lane == BudgetLane::kGeneral ? general_free_ : reserve_free_;
  }

  uint64_t general_free_;
  uint64_t reserve_free_;
  Line control_;
  Line large_;
  Ticket next_ticket_ = 1;
};

}  // namespace millrace
