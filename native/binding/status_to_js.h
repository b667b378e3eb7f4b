#pragma once

#include <node_api.h>

#include <span>
#include <string_view>

#include "core/base/status.h"

namespace millrace {

struct StatusText {
  Code code;
  const char* name;     // as in src/native/status.ts
  const char* error;    // what programs compare: Error.code
  const char* meaning;  // for people
};

// Every Code once.
std::span<const StatusText> StatusTexts();

// An Error with `code`, `nativeCode`, `errno` (when a system call failed) and a message; `action`
// says what was tried.
napi_value ErrorFromStatus(napi_env env, Status status, std::string_view action);
// Leaves that error pending; returns null, which the caller returns.
napi_value ThrowStatus(napi_env env, Status status, std::string_view action);
// A TypeError for arguments that no caller of the typed surface can pass.
napi_value ThrowArgument(napi_env env, const char* message);

}  // namespace millrace
