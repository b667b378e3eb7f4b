#pragma once

#include <node_api.h>

#include <vector>

namespace millrace {

class Environment;

// Functions that need no engine: crc32c(bytes), lockFile(path), unlockFile(lock), processAgeMs().
void AppendProcessCalls(std::vector<napi_property_descriptor>& properties,
                        Environment* environment);

}  // namespace millrace
