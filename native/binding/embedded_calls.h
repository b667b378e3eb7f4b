#pragma once

#include <node_api.h>

#include <vector>

namespace millrace {

class Engine;

// The functions of an engine for the write side of embedded logs. Such a log has a number as any
// other, and is also for the functions of log_calls.
void AppendEmbeddedCalls(std::vector<napi_property_descriptor>& properties, Engine* engine);

}  // namespace millrace
