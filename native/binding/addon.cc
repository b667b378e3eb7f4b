#include <napi.h>

namespace {

// Raised with every change to what the addon exports; src/native refuses to load any other.
constexpr int kAddonAbi = 1;

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("abi", Napi::Number::New(env, kAddonAbi));
  return exports;
}

}  // namespace

NODE_API_MODULE(millrace, Init)
