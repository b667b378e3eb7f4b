#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace millrace {

static_assert(std::endian::native == std::endian::little,
              "big-endian fields are read by byte swaps");

namespace internal {
template <typename T>
T SwapBytes(T value) {
  if constexpr (sizeof(T) == 8)
    return static_cast<T>(__builtin_bswap64(static_cast<uint64_t>(value)));
  if constexpr (sizeof(T) == 4)
    return static_cast<T>(__builtin_bswap32(static_cast<uint32_t>(value)));
  if constexpr (sizeof(T) == 2)
    return static_cast<T>(__builtin_bswap16(static_cast<uint16_t>(value)));
  return value;
}
}  // namespace internal

// Big-endian fields at any alignment; the caller has checked the bounds.
template <std::integral T>
T LoadBigEndian(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return internal::SwapBytes(value);
}

template <std::integral T>
void StoreBigEndian(std::byte* to, std::type_identity_t<T> value) {
  T swapped = internal::SwapBytes<T>(value);
  std::memcpy(to, &swapped, sizeof swapped);
}

}  // namespace millrace
