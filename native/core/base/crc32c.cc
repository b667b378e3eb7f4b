#include "core/base/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#endif

namespace millrace {
namespace {

// Checksums are kept bit-reflected: bit 31 of a uint32_t is the coefficient of x^0.
constexpr uint32_t kPolynomial = 0x82f63b78;

constexpr uint32_t MultiplyByX(uint32_t value) {
  return (value >> 1) ^ ((value & 1) != 0 ? kPolynomial : 0);
}

// tables[k][b]: what byte b does to the checksum when k more bytes follow it.
constexpr std::array<std::array<uint32_t, 256>, 8> MakeTables() {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = MultiplyByX(value);
    tables[0][byte] = value;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      uint32_t previous = tables[k - 1][byte];
      tables[k][byte] = (previous >> 8) ^ tables[0][previous & 0xff];
    }
  }
  return tables;
}
constexpr auto kTables = MakeTables();

uint64_t LoadLittleEndian(const std::byte* data) {
  static_assert(std::endian::native == std::endian::little,
                "the formats are read by byte swaps from little-endian");
  uint64_t value;
  std::memcpy(&value, data, sizeof value);
  return value;
}

uint32_t ExtendPortable(uint32_t crc, const std::byte* data, size_t size) {
  crc = ~crc;
  for (; size >= 8; data += 8, size -= 8) {
    uint64_t word = LoadLittleEndian(data) ^ crc;
    uint32_t next = 0;
    for (size_t byte = 0; byte < 8; ++byte) next ^= kTables[7 - byte][(word >> (8 * byte)) & 0xff];
    crc = next;
  }
  for (; size > 0; ++data, --size) {
    crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint32_t>(*data)) & 0xff];
  }
  return ~crc;
}

#if defined(__x86_64__)

// x^exponent modulo the polynomial.
constexpr uint32_t PowerOfX(uint64_t exponent) {
  uint32_t value = 0x80000000;
  for (uint64_t i = 0; i < exponent; ++i) value = MultiplyByX(value);
  return value;
}

// The crc32 instruction takes 3 cycles and can start every cycle, so three lanes run side by side.
// Lane checksums are then moved past the lanes behind them: a carry-less product with x^(8n - 33)
// is a 64-bit value whose own crc32 is the checksum times x^(8n) (the reflected product is one bit
// short, the instruction multiplies by x^32).
template <size_t kLaneBytes>
__attribute__((target("sse4.2,pclmul"))) inline uint64_t ThreeLanes(uint64_t crc,
                                                                    const std::byte* data) {
  static_assert(kLaneBytes % 8 == 0 && kLaneBytes >= 16);
  constexpr uint32_t kPastOne = PowerOfX(8 * kLaneBytes - 33);
  constexpr uint32_t kPastTwo = PowerOfX(16 * kLaneBytes - 33);
  const std::byte* second = data + kLaneBytes;
  const std::byte* third = second + kLaneBytes;
  uint64_t a = crc, b = 0, c = 0;
  for (size_t at = 0; at < kLaneBytes - 8; at += 8) {
    a = _mm_crc32_u64(a, LoadLittleEndian(data + at));
    b = _mm_crc32_u64(b, LoadLittleEndian(second + at));
    c = _mm_crc32_u64(c, LoadLittleEndian(third + at));
  }
  a = _mm_crc32_u64(a, LoadLittleEndian(data + kLaneBytes - 8));
  b = _mm_crc32_u64(b, LoadLittleEndian(second + kLaneBytes - 8));
  __m128i factors = _mm_set_epi64x(kPastOne, kPastTwo);
  __m128i moved_a = _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<int64_t>(a)), factors, 0x00);
  __m128i moved_b = _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<int64_t>(b)), factors, 0x10);
  uint64_t moved = static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_xor_si128(moved_a, moved_b)));
  return _mm_crc32_u64(c, LoadLittleEndian(third + kLaneBytes - 8) ^ moved);
}

// The same on the inverted checksum, which is what the instruction works on.
__attribute__((target("sse4.2,pclmul"))) inline uint32_t ContinueThreeLanes(uint64_t state,
                                                                            const std::byte* data,
                                                                            size_t size) {
  // Lane lengths for large batches, for about a kilobyte, and for small records.
  for (; size >= 3 * 2048; data += 3 * 2048, size -= 3 * 2048)
    state = ThreeLanes<2048>(state, data);
  for (; size >= 3 * 336; data += 3 * 336, size -= 3 * 336) state = ThreeLanes<336>(state, data);
  for (; size >= 3 * 64; data += 3 * 64, size -= 3 * 64) state = ThreeLanes<64>(state, data);
  for (; size >= 8; data += 8, size -= 8) state = _mm_crc32_u64(state, LoadLittleEndian(data));
  uint32_t tail = static_cast<uint32_t>(state);
  for (; size > 0; ++data, --size) tail = _mm_crc32_u8(tail, static_cast<uint8_t>(*data));
  return tail;
}

__attribute__((target("sse4.2,pclmul"))) uint32_t ExtendThreeLanes(uint32_t crc,
                                                                   const std::byte* data,
                                                                   size_t size) {
  return ~ContinueThreeLanes(~crc, data, size);
}

// Folding keeps 256 bytes that have the checksum of all bytes so far: each 128-bit lane is moved
// past the bytes behind it by two carry-less products, of its two halves. In a lane, bit 0 is the
// highest power, and a product is one bit short, so that moving the half that lies `bits` and 64
// more before its new place takes x^(bits + 64 - 33), the other x^(bits - 33).
template <uint64_t kBits>
__attribute__((target("avx512f,vpclmulqdq"))) inline __m512i Fold(__m512i lanes, __m512i behind) {
  constexpr uint64_t kLow = PowerOfX(kBits + 64 - 33);
  constexpr uint64_t kHigh = PowerOfX(kBits - 33);
  const __m512i factors = _mm512_set4_epi64(kHigh, kLow, kHigh, kLow);
  const __m512i low = _mm512_clmulepi64_epi128(lanes, factors, 0x00);
  const __m512i high = _mm512_clmulepi64_epi128(lanes, factors, 0x11);
  constexpr int kXorOfThree = 0x96;
  return _mm512_ternarylogic_epi64(low, high, behind, kXorOfThree);
}

constexpr size_t kFoldBytes = 256;
constexpr size_t kFoldFromBytes = 2 * kFoldBytes;  // below it, starting and ending cost more

__attribute__((target("avx512f,vpclmulqdq,sse4.2,pclmul"))) uint32_t
ExtendFolding(uint32_t crc, const std::byte* data, size_t size) {
  if (size < kFoldFromBytes) return ExtendThreeLanes(crc, data, size);
  const __m128i state = _mm_cvtsi32_si128(static_cast<int>(~crc));
  __m512i a = _mm512_xor_si512(_mm512_loadu_si512(data), _mm512_zextsi128_si512(state));
  __m512i b = _mm512_loadu_si512(data + 64);
  __m512i c = _mm512_loadu_si512(data + 128);
  __m512i d = _mm512_loadu_si512(data + 192);
  data += kFoldBytes;
  size -= kFoldBytes;
  for (; size >= kFoldBytes; data += kFoldBytes, size -= kFoldBytes) {
    a = Fold<8 * kFoldBytes>(a, _mm512_loadu_si512(data));
    b = Fold<8 * kFoldBytes>(b, _mm512_loadu_si512(data + 64));
    c = Fold<8 * kFoldBytes>(c, _mm512_loadu_si512(data + 128));
    d = Fold<8 * kFoldBytes>(d, _mm512_loadu_si512(data + 192));
  }
  d = Fold<512>(Fold<512>(Fold<512>(a, b), c), d);
  for (; size >= 64; data += 64, size -= 64) d = Fold<512>(d, _mm512_loadu_si512(data));
  alignas(64) std::array<std::byte, 64> folded;
  _mm512_store_si512(folded.data(), d);
  uint64_t crc_of_folded = 0;
  for (size_t at = 0; at < folded.size(); at += 8) {
    crc_of_folded = _mm_crc32_u64(crc_of_folded, LoadLittleEndian(folded.data() + at));
  }
  return ~ContinueThreeLanes(crc_of_folded, data, size);
}

#elif defined(__aarch64__)

__attribute__((target("+crc"))) uint32_t ExtendArm(uint32_t crc, const std::byte* data,
                                                   size_t size) {
  crc = ~crc;
  for (; size >= 8; data += 8, size -= 8) crc = __crc32cd(crc, LoadLittleEndian(data));
  for (; size > 0; ++data, --size) crc = __crc32cb(crc, static_cast<uint8_t>(*data));
  return ~crc;
}

#endif

// The ways that run here, written once before main's threads can ask (a function-local static).
struct Ways {
  std::array<Crc32cWay, 4> list;
  size_t count = 0;

  Ways() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq") &&
        __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul"))
      Add("avx512 folding", &ExtendFolding);
    if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul"))
      Add("sse4.2 x3", &ExtendThreeLanes);
#elif defined(__aarch64__)
    if ((getauxval(AT_HWCAP) & HWCAP_CRC32) != 0) Add("armv8 crc", &ExtendArm);
#endif
    Add("portable", &ExtendPortable);
  }
  void Add(const char* name, uint32_t (*extend)(uint32_t, const std::byte*, size_t)) {
    list[count++] = Crc32cWay{name, extend};
  }
};

const Ways& AvailableWays() {
  static const Ways ways;
  return ways;
}

}  // namespace

std::span<const Crc32cWay> Crc32cWays() {
  const Ways& ways = AvailableWays();
  return std::span(ways.list).first(ways.count);
}

uint32_t Crc32cExtend(uint32_t crc, std::span<const std::byte> bytes) {
  return AvailableWays().list[0].extend(crc, bytes.data(), bytes.size());
}

uint32_t Crc32c(std::span<const std::byte> bytes) { return Crc32cExtend(0, bytes); }

}  // namespace millrace
