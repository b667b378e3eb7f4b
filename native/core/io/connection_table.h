#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "core/io/connection.h"

namespace millrace {

// Connections by id. An id is a slot (16 bits) and how often the slot was used before (37 bits), so
// a look-up is an index and ids are never repeated; slots are reused oldest first, which keeps the
// counts small. Loop thread only.
class ConnectionTable {
 public:
  static constexpr uint32_t kMaxConnections = 65'535;

  // nullptr when all slots are taken.
  Connection* Add(UniqueFd fd, const SocketAddress& peer);
  Connection* Find(uint64_t id) const;            // open ones only
  Connection* FindEvenClosed(uint64_t id) const;  // those whose job is still out, too
  Connection* At(uint32_t slot) const {
    return slot < slots_.size() ? slots_[slot].connection.get() : nullptr;
  }
  static uint32_t SlotOf(uint64_t id) { return static_cast<uint32_t>(id & kSlotMask); }
  uint32_t slots() const { return static_cast<uint32_t>(slots_.size()); }

  // The object stays alive until Bury, for whoever is still on the stack with it.
  void Remove(Connection& connection);
  void Bury() { removed_.clear(); }

 private:
  static constexpr uint32_t kSlotBits = 16;
  static constexpr uint64_t kSlotMask = (1u << kSlotBits) - 1;
  struct Slot {
    uint64_t uses = 0;
    std::unique_ptr<Connection> connection;
  };

  std::vector<Slot> slots_;
  std::deque<uint32_t> free_;
  std::vector<std::unique_ptr<Connection>> removed_;
};

}  // namespace millrace
