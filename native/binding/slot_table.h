#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace millrace {

// Values that JavaScript holds by number. An id is `generation << 20 | index`, so it stays exact in
// a double and an id whose value was taken out never finds its slot's next tenant. One thread.
template <typename T>
class SlotTable {
 public:
  static constexpr uint64_t kIndexBits = 20;
  static constexpr size_t kMaxLive = size_t{1} << kIndexBits;

  // Nothing when a million values are held already.
  std::optional<uint64_t> Add(T value) {
    if (free_.empty()) {
      if (slots_.size() == kMaxLive) return std::nullopt;
      free_.push_back(static_cast<uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    const uint32_t index = free_.back();
    free_.pop_back();
    slots_[index].value.emplace(std::move(value));
    return Id(index);
  }

  // `id` as JavaScript gave it: any number at all. The pointer holds until the next Add or Take.
  T* Find(double id) {
    if (!(id >= 0 && id < 9007199254740992.0)) return nullptr;
    return Find(static_cast<uint64_t>(id));
  }

  T* Find(uint64_t id) {
    const uint64_t index = id & (kMaxLive - 1);
    if (index >= slots_.size() || Id(index) != id) return nullptr;
    std::optional<T>& value = slots_[index].value;
    return value.has_value() ? &*value : nullptr;
  }

  std::optional<T> Take(double id) {
    if (Find(id) == nullptr) return std::nullopt;
    const uint64_t index = static_cast<uint64_t>(id) & (kMaxLive - 1);
    Slot& slot = slots_[index];
    std::optional<T> taken = std::move(slot.value);
    slot.value.reset();
    ++slot.generation;
    free_.push_back(static_cast<uint32_t>(index));
    return taken;
  }

  size_t live() const { return slots_.size() - free_.size(); }

  // `visit(id, value)` for each; it must not change the table.
  template <typename Visit>
  void ForEach(Visit visit) {
    for (size_t index = 0; index < slots_.size(); ++index) {
      if (slots_[index].value.has_value()) visit(Id(index), *slots_[index].value);
    }
  }

  // Takes everything out; the ids handed out so far stay dead.
  void Clear() {
    for (size_t index = 0; index < slots_.size(); ++index) {
      if (slots_[index].value.has_value()) Take(static_cast<double>(Id(index)));
    }
  }

 private:
  struct Slot {
    std::optional<T> value;
    uint32_t generation = 1;  // so that 0 is never an id
  };

  uint64_t Id(uint64_t index) const {
    return uint64_t{slots_[index].generation} << kIndexBits | index;
  }

  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
};

}  // namespace millrace
