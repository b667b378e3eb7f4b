#pragma once

#include <node_api.h>

#include <vector>

namespace millrace {

class Engine;

// Functions of an engine, and of the addon itself.
void AppendLogUpkeep(std::vector<napi_property_descriptor>& properties, Engine* engine);
void AppendFileLimit(std::vector<napi_property_descriptor>& properties);

}  // namespace millrace
