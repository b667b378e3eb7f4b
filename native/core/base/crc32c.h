#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace millrace {

// CRC-32C (Castagnoli), as record batch v2 uses it. The fastest way this CPU has is picked on first
// use.
uint32_t Crc32c(std::span<const std::byte> bytes);

// The checksum of `before` followed by `bytes`, where `crc` is that of `before`.
uint32_t Crc32cExtend(uint32_t crc, std::span<const std::byte> bytes);

// Every way this CPU can run, fastest first, so that tests hold them against each other.
struct Crc32cWay {
  const char* name;
  uint32_t (*extend)(uint32_t crc, const std::byte* data, size_t size);
};
std::span<const Crc32cWay> Crc32cWays();

}  // namespace millrace
