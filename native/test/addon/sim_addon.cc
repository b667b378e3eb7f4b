// The addon on simulated disks: all that the real one exports, and what a simulation needs besides.
// test/simulation/sim-addon.ts has the same in TypeScript.
#include <node_api.h>

#include <memory>
#include <vector>

#include "binding/exports.h"
#include "test/addon/sim_calls.h"

NAPI_MODULE_INIT() {
  using namespace millrace::test;
  if (millrace::DefineExports(env, exports) == nullptr) return nullptr;
  // Never destroyed: engines are on its disks until the environment has gone.
  SimTables* tables = std::make_unique<SimTables>().release();
  std::vector<napi_property_descriptor> properties;
  AppendMachineCalls(properties, tables);
  AppendFileCalls(properties, tables);
  AppendSimEngine(properties, tables);
  napi_define_properties(env, exports, properties.size(), properties.data());
  return exports;
}
