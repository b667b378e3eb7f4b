#pragma once

#include <node_api.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/clean/clean_pass.h"

namespace millrace {

class Environment;

// The codecs of JavaScript, called within the pass's functions.
class JsCodecs final : public RecordCodecs {
 public:
  JsCodecs(napi_env env, napi_ref codec) : env_(env), codec_(codec) {}
  ~JsCodecs() override;

  Status Unfold(int16_t codec, std::span<const std::byte> records,
                std::vector<std::byte>* into) override {
    return Call(false, codec, records, into);
  }
  Status Fold(int16_t codec, std::span<const std::byte> records,
              std::vector<std::byte>* into) override {
    return Call(true, codec, records, into);
  }
  // A JavaScript exception is pending.
  bool threw() const { return threw_; }

 private:
  Status Call(bool fold, int16_t codec, std::span<const std::byte> records,
              std::vector<std::byte>* into);

  const napi_env env_;
  const napi_ref codec_;
  bool threw_ = false;
};

// A cleaning pass that JavaScript holds by number, on the thread of its environment.
class BoundPass {
 public:
  // `stop` is a reference to a typed array whose memory `flag` is.
  BoundPass(napi_env env, CleanTask task, napi_ref codec, napi_ref stop,
            std::atomic<int32_t>* flag);
  ~BoundPass();
  BoundPass(const BoundPass&) = delete;
  BoundPass& operator=(const BoundPass&) = delete;

  CleanPass& pass() { return pass_; }
  const JsCodecs& codecs() const { return codecs_; }
  // A codec may call back into the addon: meanwhile the pass is neither used nor closed.
  bool busy = false;

 private:
  const napi_env env_;
  const napi_ref stop_;
  JsCodecs codecs_;
  CleanPass pass_;
};

void AppendCleaningPass(std::vector<napi_property_descriptor>& properties,
                        Environment* environment);

}  // namespace millrace
