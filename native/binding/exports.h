#pragma once

#include <node_api.h>

namespace millrace {

class Environment;

// Installs the environment and adds to `exports` all that the addon exports, for one environment:
// the main thread and every worker thread that loads the addon have engines of their own. Null with
// a JavaScript exception pending.
Environment* DefineExports(napi_env env, napi_value exports);

}  // namespace millrace
