#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace millrace {

// The arguments of one call, and the object it was made for: every function of an engine carries it
// as its data, which is cheaper than unwrapping a receiver and cannot be given a foreign one.
template <size_t kCount>
class CallArgs {
 public:
  CallArgs(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = kCount;
    if (napi_get_cb_info(env, info, &count, values_, nullptr, &data_) != napi_ok) count = 0;
    for (size_t index = count; index < kCount; ++index) values_[index] = nullptr;
  }

  template <typename T>
  T& Owner() const {
    return *static_cast<T*>(data_);
  }
  napi_value operator[](size_t index) const { return values_[index]; }

  std::optional<double> Number(size_t index) const {
    double value;
    if (values_[index] == nullptr || napi_get_value_double(env_, values_[index], &value) != napi_ok)
      return {};
    return value;
  }
  // An integer from 0 to 2^32 - 1.
  std::optional<uint32_t> Uint32(size_t index) const {
    const std::optional<double> value = Number(index);
    if (!value.has_value() || !(*value >= 0 && *value <= UINT32_MAX)) return {};
    return static_cast<uint32_t>(*value);
  }
  std::optional<bool> Boolean(size_t index) const {
    bool value;
    if (values_[index] == nullptr || napi_get_value_bool(env_, values_[index], &value) != napi_ok)
      return {};
    return value;
  }
  std::optional<std::string> String(size_t index) const {
    size_t length;
    if (values_[index] == nullptr ||
        napi_get_value_string_utf8(env_, values_[index], nullptr, 0, &length) != napi_ok) {
      return {};
    }
    std::string text(length, '\0');
    napi_get_value_string_utf8(env_, values_[index], text.data(), length + 1, &length);
    return text;
  }
  // A Uint8Array (Buffers are). Borrowed: valid until control returns to JavaScript.
  std::optional<std::span<std::byte>> Bytes(size_t index) const {
    return BytesOf(env_, values_[index]);
  }

  static std::optional<std::span<std::byte>> BytesOf(napi_env env, napi_value value) {
    napi_typedarray_type type;
    size_t length;
    void* data;
    if (value == nullptr ||
        napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
        type != napi_uint8_array) {
      return {};
    }
    return std::span(static_cast<std::byte*>(data), length);
  }

 private:
  napi_env env_;
  void* data_ = nullptr;
  napi_value values_[kCount];
};

// For functions without arguments: only the owner.
template <typename T>
T& CallOwner(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  return *static_cast<T*>(data);
}

inline napi_value ToJs(napi_env env, int32_t number) {
  napi_value value = nullptr;
  napi_create_int32(env, number, &value);
  return value;
}

inline napi_value ToJs(napi_env env, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}

inline napi_value ToJs(napi_env env, const std::string& text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &value);
  return value;
}

}  // namespace millrace
