#include "binding/environment.h"

#include <cstdlib>
#include <utility>

#include "binding/cleaning_pass.h"
#include "binding/embedded_read.h"
#include "binding/engine.h"

namespace millrace {

namespace {

// Bun has no libuv: it lends its name to a loop that is another, and ends the process at the first
// call of uv_poll. The variable lets a test do in Node what Bun needs.
bool PollsByThreads(napi_env env) {
  if (getenv("MILLRACE_POLL_BY_THREADS") != nullptr) return true;
  napi_value object;
  bool in_bun = false;
  return napi_get_global(env, &object) == napi_ok &&
         napi_get_named_property(env, object, "process", &object) == napi_ok &&
         napi_get_named_property(env, object, "versions", &object) == napi_ok &&
         napi_has_named_property(env, object, "bun", &in_bun) == napi_ok && in_bun;
}

}  // namespace

Environment* Environment::Install(napi_env env) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return nullptr;
  std::unique_ptr<Environment> environment(
      new Environment(env, loop));  // its constructor is private
  const auto remove = [](napi_env, void* data, void*) { delete static_cast<Environment*>(data); };
  if (napi_set_instance_data(env, environment.get(), remove, nullptr) != napi_ok) return nullptr;
  Environment* self = environment.release();  // Node owns it from here
  const auto hook = [](napi_async_cleanup_hook_handle, void* data) {
    static_cast<Environment*>(data)->TearDown();
  };
  if (napi_add_async_cleanup_hook(env, hook, self, &self->hook_) != napi_ok) return nullptr;
  return self;
}

Environment* Environment::Of(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return static_cast<Environment*>(data);
}

Environment::Environment(napi_env env, uv_loop_t* loop)
    : env_(env),
      loop_(loop),
      polls_by_threads_(PollsByThreads(env)),
      reads_(std::make_unique<EmbeddedReads>(env)) {}

Environment::~Environment() = default;

Engine& Environment::AddEngine(std::unique_ptr<Engine> engine) {
  return *engines_.emplace_back(std::move(engine));
}

void Environment::End() {
  if (--pending_ == 0 && tearing_down_)
    napi_remove_async_cleanup_hook(std::exchange(hook_, nullptr));
}

void Environment::TearDown() {
  Begin();  // so that nothing below can be the last to end
  tearing_down_ = true;
  for (const std::unique_ptr<Engine>& engine : engines_) engine->Abandon();
  locks_.Clear();
  passes_.Clear();
  reads_->Clear();
  End();
}

}  // namespace millrace
