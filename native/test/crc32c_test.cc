#include "core/base/crc32c.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "test/support/random.h"

namespace millrace {
namespace {

std::span<const std::byte> BytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST_CASE("CRC-32C of the published vectors, by every way this CPU has") {
  std::string zeros(32, '\0');
  std::string ones(32, '\xff');
  std::string ascending, descending;
  for (int i = 0; i < 32; ++i) {
    ascending.push_back(static_cast<char>(i));
    descending.push_back(static_cast<char>(31 - i));
  }
  REQUIRE(!Crc32cWays().empty());
  for (const Crc32cWay& way : Crc32cWays()) {
    CAPTURE(way.name);
    auto crc = [&](std::string_view text) {
      return way.extend(0, BytesOf(text).data(), text.size());
    };
    CHECK(crc("") == 0);
    CHECK(crc("a") == 0xc1d04330);
    CHECK(crc("123456789") == 0xe3069283);
    CHECK(crc(zeros) == 0x8a9136aa);  // RFC 3720, appendix B.4
    CHECK(crc(ones) == 0x62a8ab43);
    CHECK(crc(ascending) == 0x46dd794e);
    CHECK(crc(descending) == 0x113fdb5c);
  }
}

TEST_CASE("all ways agree at every length around their lanes, and at every alignment") {
  test::Random random(7);
  std::vector<std::byte> bytes(32 * 1024);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.Next());
  const Crc32cWay& reference = Crc32cWays().back();
  std::vector<size_t> lengths;
  for (size_t length = 0; length <= 1100; ++length) lengths.push_back(length);
  for (size_t length = 3 * 2048 - 17; length <= 3 * 2048 + 17; ++length) lengths.push_back(length);
  for (size_t length = 6 * 2048 + 3 * 336 - 9; length <= 6 * 2048 + 3 * 336 + 200; ++length)
    lengths.push_back(length);
  for (const Crc32cWay& way : Crc32cWays()) {
    CAPTURE(way.name);
    for (size_t length : lengths) {
      size_t at = length % 19;
      uint32_t seed = static_cast<uint32_t>(random.Next());
      if (way.extend(seed, &bytes[at], length) == reference.extend(seed, &bytes[at], length))
        continue;
      FAIL("length " << length);
    }
    for (size_t at = 0; at < 16; ++at) {
      CHECK(way.extend(0, &bytes[at], 7000) == reference.extend(0, &bytes[at], 7000));
    }
  }
}

TEST_CASE("extending piece by piece gives the checksum of the whole") {
  test::Random random(8);
  std::vector<std::byte> bytes(9000);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.Next());
  for (int round = 0; round < 50; ++round) {
    uint32_t crc = 0;
    for (size_t at = 0; at < bytes.size();) {
      size_t length = std::min(bytes.size() - at, 1 + random.Below(3000));
      crc = Crc32cExtend(crc, std::span(bytes).subspan(at, length));
      at += length;
    }
    CHECK(crc == Crc32c(bytes));
  }
}

}  // namespace
}  // namespace millrace
