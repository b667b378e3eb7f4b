#pragma once

#include <node_api.h>

#include <vector>

namespace millrace {

class Environment;

void AppendDirectoryCalls(std::vector<napi_property_descriptor>& properties,
                          Environment* environment);

}  // namespace millrace
