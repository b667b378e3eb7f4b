#include "binding/shared_array.h"

namespace millrace {

bool SharedArray::Create(napi_env env, napi_typedarray_type type, size_t count) {
  napi_value buffer, array;
  return napi_create_arraybuffer(env, count * 8, &data_, &buffer) ==
             napi_ok &&  // all our types have 8 bytes
         napi_create_typedarray(env, type, count, buffer, 0, &array) == napi_ok &&
         napi_create_reference(env, array, 1, &reference_) == napi_ok;
}

napi_value SharedArray::Value(napi_env env) const {
  napi_value value = nullptr;
  if (reference_ != nullptr) napi_get_reference_value(env, reference_, &value);
  return value;
}

void SharedArray::Release(napi_env env) {
  if (reference_ != nullptr) napi_delete_reference(env, reference_);
  reference_ = nullptr;
}

}  // namespace millrace
