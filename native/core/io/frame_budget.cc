#include "core/io/frame_budget.h"

namespace millrace {

std::optional<BudgetLane> FrameBudget::TryTake(uint64_t bytes, bool control) {
  if (control_.empty() && large_.empty() && bytes <= general_free_) {
    general_free_ -= bytes;
    return BudgetLane::kGeneral;
  }
  if (control && control_.empty() && bytes <= reserve_free_) {
    reserve_free_ -= bytes;
    return BudgetLane::kReserve;
  }
  return std::nullopt;
}

void FrameBudget::Return(uint64_t bytes, BudgetLane lane) { free(lane) += bytes; }

FrameBudget::Ticket FrameBudget::Wait(uint64_t connection, uint64_t bytes, bool control) {
  const Ticket ticket = next_ticket_++;
  (control ? control_ : large_).emplace(ticket, Wish{connection, bytes});
  return ticket;
}

void FrameBudget::Forget(Ticket ticket) {
  if (control_.erase(ticket) == 0) large_.erase(ticket);
}

std::optional<FrameBudget::Grant> FrameBudget::NextGrant() {
  if (!control_.empty() && control_.begin()->second.bytes <= reserve_free_) {
    return Serve(control_, BudgetLane::kReserve);
  }
  if (control_.empty() && large_.empty()) return std::nullopt;
  // The general part goes by age alone: the oldest wish of both lines, or nobody.
  Line& line =
      large_.empty() || (!control_.empty() && control_.begin()->first < large_.begin()->first)
          ? control_
          : large_;
  if (line.begin()->second.bytes > general_free_) return std::nullopt;
  return Serve(line, BudgetLane::kGeneral);
}

FrameBudget::Grant FrameBudget::Serve(Line& line, BudgetLane lane) {
  const Wish wish = line.begin()->second;
  line.erase(line.begin());
  free(lane) -= wish.bytes;
  return Grant{wish.connection, wish.bytes, lane};
}

}  // namespace millrace
