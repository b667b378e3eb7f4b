#include "core/io/connection_table.h"

#include <cstring>
#include <utility>

namespace millrace {

void Carry::Assign(std::span<const std::byte> bytes) {
  block_.reset(new std::byte[bytes.size()]);
  std::memcpy(block_.get(), bytes.data(), bytes.size());
  begin_ = 0;
  end_ = static_cast<uint32_t>(bytes.size());
}

void Carry::DropAllBut(size_t left) {
  begin_ = end_ - static_cast<uint32_t>(left);
  if (left > 0) return;
  block_.reset();
  begin_ = end_ = 0;
}

Connection* ConnectionTable::Add(UniqueFd fd, const SocketAddress& peer) {
  uint32_t index = 0;
  if (!free_.empty()) {
    index = free_.front();
    free_.pop_front();
  } else if (slots_.size() < kMaxConnections) {
    index = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    return nullptr;
  }
  Slot& slot = slots_[index];
  ++slot.uses;
  slot.connection =
      std::make_unique<Connection>(slot.uses << kSlotBits | index, std::move(fd), peer);
  return slot.connection.get();
}

Connection* ConnectionTable::FindEvenClosed(uint64_t id) const {
  Connection* connection = At(SlotOf(id));
  return connection != nullptr && connection->id == id ? connection : nullptr;
}

Connection* ConnectionTable::Find(uint64_t id) const {
  Connection* connection = FindEvenClosed(id);
  return connection != nullptr && !connection->closed ? connection : nullptr;
}

void ConnectionTable::Remove(Connection& connection) {
  const uint32_t index = SlotOf(connection.id);
  removed_.push_back(std::move(slots_[index].connection));
  free_.push_back(index);
}

}  // namespace millrace
