#include <node_api.h>

#include "binding/exports.h"

NAPI_MODULE_INIT() { return millrace::DefineExports(env, exports) == nullptr ? nullptr : exports; }
