#pragma once

#include <cstdint>

namespace millrace::test {

// splitmix64: the same numbers everywhere from the same seed.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // Uniform enough for tests: 0 .. below - 1; 0 when `below` is 0.
  uint64_t Below(uint64_t below) { return below == 0 ? 0 : Next() % below; }
  bool Chance(uint64_t one_in) { return Below(one_in) == 0; }

 private:
  uint64_t state_;
};

}  // namespace millrace::test
