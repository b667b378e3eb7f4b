#include "core/log/varint_cursor.h"

#include <doctest/doctest.h>

#include <vector>

namespace millrace {
namespace {

using Encoded = std::vector<std::byte>;

Encoded Bytes(std::initializer_list<int> values) {
  Encoded bytes;
  for (int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

Encoded Encode(int64_t value) {
  uint64_t rest = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  Encoded bytes;
  for (; rest >= 0x80; rest >>= 7) bytes.push_back(static_cast<std::byte>(rest | 0x80));
  bytes.push_back(static_cast<std::byte>(rest));
  return bytes;
}

VarintCursor CursorOver(const Encoded& bytes) {
  return VarintCursor(bytes.data(), bytes.data() + bytes.size());
}

TEST_CASE("a varint of any length is read whole, and nothing behind it; one that is cut is none") {
  for (int shift = 0; shift < 64; ++shift) {
    for (int64_t near : {-1, 0, 1}) {
      for (int64_t value :
           {static_cast<int64_t>((uint64_t{1} << shift) + static_cast<uint64_t>(near)),
            -static_cast<int64_t>(uint64_t{1} << (shift % 63)) + near}) {
        CAPTURE(value);
        Encoded bytes = Encode(value);
        const size_t length = bytes.size();
        bytes.push_back(std::byte{0x7f});
        VarintCursor cursor = CursorOver(bytes);
        int64_t read = 0;
        REQUIRE(cursor.ReadVarlong(&read));
        CHECK(read == value);
        CHECK(cursor.remaining() == 1);
        if (value >= INT32_MIN && value <= INT32_MAX) {
          VarintCursor narrow = CursorOver(bytes);
          int32_t small = 0;
          REQUIRE(narrow.ReadVarint(&small));
          CHECK(small == value);
          CHECK(narrow.remaining() == 1);
        }
        for (size_t cut = 0; cut < length; ++cut) {
          const Encoded part(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(cut));
          CHECK(!CursorOver(part).ReadVarlong(&read));
        }
      }
    }
  }
}

TEST_CASE("a varint may be longer than it need be, but not longer than its type") {
  int32_t narrow = -1;
  int64_t wide = -1;
  CHECK(CursorOver(Bytes({0x80, 0x00})).ReadVarint(&narrow));
  CHECK(narrow == 0);
  CHECK(CursorOver(Bytes({0x82, 0x80, 0x80, 0x80, 0x00})).ReadVarint(&narrow));
  CHECK(narrow == 1);
  CHECK(!CursorOver(Bytes({0x80, 0x80, 0x80, 0x80, 0x80, 0x00})).ReadVarint(&narrow));
  CHECK(!CursorOver(Bytes({0x80, 0x80, 0x80, 0x80, 0x10})).ReadVarint(&narrow));  // bit 32
  const Encoded ten = Bytes({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01});
  CHECK(CursorOver(ten).ReadVarlong(&wide));
  CHECK(wide == int64_t{1} << 62);
  Encoded beyond = ten;
  beyond.back() = std::byte{0x02};
  CHECK(!CursorOver(beyond).ReadVarlong(&wide));
}

}  // namespace
}  // namespace millrace
