#pragma once

#include <node_api.h>

#include <memory>
#include <vector>

#include "binding/slot_table.h"
#include "test/addon/sim_machine.h"

namespace millrace::test {

// What JavaScript holds of simulated disks, by number. One thread, one environment.
struct SimTables {
  SlotTable<std::unique_ptr<SimMachine>> machines;
  SlotTable<std::shared_ptr<File>> files;
};

// Null with an exception pending when there is no such machine.
SimMachine* FindMachine(napi_env env, SimTables& tables, std::optional<double> id);

// Each adds its functions: the life of machines and their faults; single calls to their file
// systems, as src/app makes them; engines on them.
void AppendMachineCalls(std::vector<napi_property_descriptor>& properties, SimTables* tables);
void AppendFileCalls(std::vector<napi_property_descriptor>& properties, SimTables* tables);
void AppendSimEngine(std::vector<napi_property_descriptor>& properties, SimTables* tables);

}  // namespace millrace::test
