// Which keys a pass knows: the hash that stands for a key, and the map of offsets.
#include <doctest/doctest.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "core/clean/key_hash.h"
#include "core/clean/offset_map.h"
#include "test/support/random.h"

namespace millrace::test {
namespace {

std::span<const std::byte> BytesOf(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// The reference's bytes, first to last.
std::string Hex(const KeyHash& hash) {
  std::string hex;
  for (const uint64_t word : {hash.high, hash.low}) {
    for (int byte = 0; byte < 8; ++byte) {
      char digits[3];
      std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(word >> (8 * byte) & 255));
      hex += digits;
    }
  }
  return hex;
}

}  // namespace

TEST_CASE("cleaning hashes keys as the published vectors of SipHash-2-4-128 have it") {
  const HashSeed seed{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  CHECK(Hex(HashKey(seed, {})) == "a3817f04ba25a8e66df67214c7550293");
  std::string input(1, '\0');
  CHECK(Hex(HashKey(seed, BytesOf(input))) == "da87c1d86b99af44347659119b22fc45");
}

TEST_CASE("cleaning's hash differs with every byte, every length and the seed") {
  std::map<std::string, std::string> seen;
  for (size_t length = 0; length < 40; ++length) {
    for (size_t changed = 0; changed <= length; ++changed) {
      std::string key(length, 'a');
      if (changed < length) key[changed] = 'b';
      const std::string hash = Hex(HashKey({1, 2}, BytesOf(key)));
      CHECK(seen.try_emplace(hash, key).first->second == key);
      CHECK(hash != Hex(HashKey({1, 3}, BytesOf(key))));
    }
  }
}

TEST_CASE("cleaning's offset map keeps the largest offset of each key, whatever its size") {
  for (const uint64_t bytes : {uint64_t{4000}, uint64_t{100'000}, uint64_t{2} << 20}) {
    CAPTURE(bytes);
    Random random(bytes);
    OffsetMap map(bytes, {3, 4});
    std::map<std::pair<uint64_t, uint64_t>, Offset> model;
    const auto key_of = [&](uint64_t number) {
      const std::string key = std::to_string(number);
      return HashKey(map.seed(), BytesOf(key));
    };
    const uint64_t keys = map.max_size() * 5 / 4;
    bool refused = false;
    for (Offset offset = 0; offset < static_cast<Offset>(4 * keys); ++offset) {
      const KeyHash key = key_of(random.Below(keys));
      const auto known = model.find({key.high, key.low});
      if (map.Put(key, offset)) {
        model[{key.high, key.low}] = offset;
      } else {
        REQUIRE(known == model.end());  // a key that is there always fits
        refused = true;
        REQUIRE(map.full());
      }
    }
    CHECK(refused);
    CHECK(map.size() == model.size());
    CHECK(map.size() >= map.max_size() * 95 / 100);
    // Nine tenths of what fits into the bytes.
    CHECK(map.max_size() >= bytes / 24 * 7 / 10);
    CHECK(map.max_size() <= bytes / 24 * 9 / 10);
    for (uint64_t number = 0; number < keys; ++number) {
      const KeyHash key = key_of(number);
      const auto known = model.find({key.high, key.low});
      REQUIRE(map.Find(key) == (known == model.end() ? -1 : known->second));
    }
    // An older offset says nothing new.
    const auto any = *model.begin();
    CHECK(map.Put({any.first.first, any.first.second}, 0));
    CHECK(map.Find({any.first.first, any.first.second}) == any.second);
  }
}

TEST_CASE("cleaning's offset map keeps keys apart that share one half of their hash") {
  OffsetMap map(1 << 20, {0, 0});
  for (uint64_t i = 0; i < 50; ++i) {
    CHECK(map.Put({i, 7}, static_cast<Offset>(i)));
    CHECK(map.Put({7, i + 1000}, static_cast<Offset>(i)));
  }
  for (uint64_t i = 0; i < 50; ++i) {
    CHECK(map.Find({i, 7}) == static_cast<Offset>(i));
    CHECK(map.Find({7, i + 1000}) == static_cast<Offset>(i));
    CHECK(map.Find({i + 50, 7}) == -1);
  }
}

}  // namespace millrace::test
