#include "binding/exports.h"

#include <vector>

#include "binding/call_args.h"
#include "binding/cleaning_pass.h"
#include "binding/directory_calls.h"
#include "binding/embedded_read.h"
#include "binding/engine.h"
#include "binding/environment.h"
#include "binding/log_upkeep.h"
#include "binding/process_calls.h"
#include "binding/status_to_js.h"

namespace millrace {
namespace {

// Raised with every change to what the addon exports; src/native refuses to load any other.
constexpr int32_t kAddonAbi = 11;

// Every status by name: src/native/status.ts is compared with it.
napi_value StatusTable(napi_env env) {
  napi_value table = nullptr;
  if (napi_create_object(env, &table) != napi_ok) return nullptr;
  for (const StatusText& text : StatusTexts()) {
    napi_set_named_property(env, table, text.name, ToJs(env, static_cast<int32_t>(text.code)));
  }
  return table;
}

}  // namespace

Environment* DefineExports(napi_env env, napi_value exports) {
  Environment* environment = Environment::Install(env);
  if (environment == nullptr) return nullptr;
  std::vector<napi_property_descriptor> properties = {
      {"abi", nullptr, nullptr, nullptr, nullptr, ToJs(env, kAddonAbi), napi_enumerable, nullptr},
      {"statuses", nullptr, nullptr, nullptr, nullptr, StatusTable(env), napi_enumerable, nullptr},
      Method("createEngine", Engine::Create, environment),
  };
  AppendProcessCalls(properties, environment);
  AppendDirectoryCalls(properties, environment);
  AppendFileLimit(properties);
  AppendCleaningPass(properties, environment);
  AppendEmbeddedRead(properties, environment);
  if (napi_define_properties(env, exports, properties.size(), properties.data()) != napi_ok)
    return nullptr;
  return environment;
}

}  // namespace millrace
