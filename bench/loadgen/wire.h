#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace millrace::loadgen {

using Bytes = std::span<const char>;

// Kafka's wire format is big-endian throughout. These work on any alignment.
template <typename T>
void StoreBigEndian(char* to, T value) {
  for (size_t i = sizeof(T); i > 0; --i) {
    to[i - 1] = static_cast<char>(value);
    if constexpr (sizeof(T) > 1) value = static_cast<T>(value >> 8);
  }
}

template <typename T>
T LoadBigEndian(const char* from) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value = value << 8 | static_cast<uint8_t>(from[i]);
  return static_cast<T>(value);
}

// Appends fields, those of flexible message versions too: compact lengths are one more than what
// they count, and tagged fields are always none.
class Writer {
 public:
  template <typename T>
  Writer& Int(T value) {
    char bytes[sizeof(T)];
    StoreBigEndian(bytes, value);
    buffer_.append(bytes, sizeof(T));
    return *this;
  }
  Writer& Int8(int8_t value) { return Int(value); }
  Writer& Int16(int16_t value) { return Int(value); }
  Writer& Int32(int32_t value) { return Int(value); }
  Writer& Int64(int64_t value) { return Int(value); }

  Writer& String(std::string_view text) {
    Int16(static_cast<int16_t>(text.size()));
    return Raw(text);
  }
  Writer& NullString() { return Int16(-1); }
  Writer& Raw(std::string_view bytes) {
    buffer_.append(bytes);
    return *this;
  }
  // The zigzag varint of records.
  Writer& Varint(int64_t value) {
    uint64_t zigzag = static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63);
    for (; zigzag >= 0x80; zigzag >>= 7) buffer_.push_back(static_cast<char>(zigzag | 0x80));
    buffer_.push_back(static_cast<char>(zigzag));
    return *this;
  }
  // The plain varint of compact lengths.
  Writer& Unsigned(size_t value) {
    for (; value >= 0x80; value >>= 7) buffer_.push_back(static_cast<char>(value | 0x80));
    buffer_.push_back(static_cast<char>(value));
    return *this;
  }
  Writer& CompactCount(size_t count) { return Unsigned(count + 1); }
  Writer& CompactString(std::string_view text) { return CompactCount(text.size()).Raw(text); }
  Writer& NoTags() { return Unsigned(0); }

  size_t size() const { return buffer_.size(); }
  char* at(size_t position) { return buffer_.data() + position; }
  std::string Take() { return std::move(buffer_); }

 private:
  std::string buffer_;
};

// Reads the fields of one frame. A read past the end yields zeros and leaves ok() false, so that a
// caller checks once.
class Reader {
 public:
  explicit Reader(Bytes bytes) : bytes_(bytes) {}

  template <typename T>
  T Int() {
    if (!Has(sizeof(T))) return T{};
    T value = LoadBigEndian<T>(bytes_.data());
    bytes_ = bytes_.subspan(sizeof(T));
    return value;
  }
  int8_t Int8() { return Int<int8_t>(); }
  int16_t Int16() { return Int<int16_t>(); }
  int32_t Int32() { return Int<int32_t>(); }
  int64_t Int64() { return Int<int64_t>(); }

  // A null string reads as an empty one.
  std::string_view String() {
    int16_t length = Int16();
    if (length <= 0 || !Has(static_cast<size_t>(length))) return {};
    std::string_view text(bytes_.data(), static_cast<size_t>(length));
    bytes_ = bytes_.subspan(text.size());
    return text;
  }
  void Skip(size_t count) {
    if (Has(count)) bytes_ = bytes_.subspan(count);
  }
  // The length of an array whose elements take at least `element_bytes`: a count that cannot fit
  // fails the read.
  size_t Count(size_t element_bytes) {
    int32_t count = Int32();
    if (count <= 0) return 0;
    return Has(static_cast<size_t>(count) * element_bytes) ? static_cast<size_t>(count) : 0;
  }

  uint64_t Unsigned() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      auto byte = static_cast<uint8_t>(Int8());
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    ok_ = false;
    return 0;
  }
  // As Count(); null counts nothing.
  size_t CompactCount(size_t element_bytes) {
    uint64_t count = Unsigned();
    if (count <= 1) return 0;
    bool fits = count - 1 <= remaining() && Has((count - 1) * element_bytes);
    if (!fits) ok_ = false;
    return fits ? static_cast<size_t>(count - 1) : 0;
  }
  // A null string reads as an empty one.
  std::string_view CompactString() {
    size_t size = CompactCount(1);
    std::string_view text(bytes_.data(), size);
    bytes_ = bytes_.subspan(size);
    return text;
  }
  void SkipTags() {
    for (uint64_t count = Unsigned(); count > 0 && ok_; --count) {
      Unsigned();
      Skip(Unsigned());
    }
  }

  bool ok() const { return ok_; }
  size_t remaining() const { return bytes_.size(); }

 private:
  bool Has(size_t count) {
    if (bytes_.size() >= count) return ok_;
    ok_ = false;
    bytes_ = {};
    return false;
  }

  Bytes bytes_;
  bool ok_ = true;
};

}  // namespace millrace::loadgen
