#include "core/clean/key_hash.h"

#include <bit>
#include <cstring>

namespace millrace {
namespace {

class SipState {
 public:
  explicit SipState(const HashSeed& seed)
      : a_(seed.first ^ 0x736f6d6570736575),
        b_(seed.second ^ 0x646f72616e646f6d ^ 0xee),
        c_(seed.first ^ 0x6c7967656e657261),
        d_(seed.second ^ 0x7465646279746573) {}

  void Add(uint64_t word) {
    d_ ^= word;
    Rounds<2>();
    a_ ^= word;
  }
  KeyHash Finish() {
    c_ ^= 0xee;
    Rounds<4>();
    const uint64_t high = a_ ^ b_ ^ c_ ^ d_;
    b_ ^= 0xdd;
    Rounds<4>();
    return {high, a_ ^ b_ ^ c_ ^ d_};
  }

 private:
  template <int kCount>
  void Rounds() {
    for (int i = 0; i < kCount; ++i) {
      a_ += b_;
      c_ += d_;
      b_ = std::rotl(b_, 13) ^ a_;
      d_ = std::rotl(d_, 16) ^ c_;
      a_ = std::rotl(a_, 32);
      c_ += b_;
      a_ += d_;
      b_ = std::rotl(b_, 17) ^ c_;
      d_ = std::rotl(d_, 21) ^ a_;
      c_ = std::rotl(c_, 32);
    }
  }

  uint64_t a_, b_, c_, d_;
};

}  // namespace

KeyHash HashKey(const HashSeed& seed, std::span<const std::byte> key) {
  SipState state(seed);
  const std::byte* at = key.data();
  size_t left = key.size();
  for (; left >= 8; left -= 8, at += 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    state.Add(word);
  }
  uint64_t last = uint64_t{key.size()} << 56;
  for (size_t i = 0; i < left; ++i) last |= std::to_integer<uint64_t>(at[i]) << (8 * i);
  state.Add(last);
  return state.Finish();
}

}  // namespace millrace
