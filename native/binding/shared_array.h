#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>

namespace millrace {

// A typed array that JavaScript and C++ both keep for as long as the engine lives. The memory
// belongs to JavaScript's array buffer, held by a strong reference; it never moves. JavaScript must
// not transfer the buffer away.
class SharedArray {
 public:
  SharedArray() = default;
  SharedArray(const SharedArray&) = delete;
  SharedArray& operator=(const SharedArray&) = delete;

  // False with a JavaScript exception pending.
  bool Create(napi_env env, napi_typedarray_type type, size_t count);
  napi_value Value(napi_env env) const;
  void Release(napi_env env);

  double* numbers() const { return static_cast<double*>(data_); }
  int64_t* integers() const { return static_cast<int64_t*>(data_); }

 private:
  napi_ref reference_ = nullptr;
  void* data_ = nullptr;
};

}  // namespace millrace
