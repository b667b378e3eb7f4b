#include <cstdint>
#include <string>
#include <utility>

#include "binding/call_args.h"
#include "binding/engine.h"
#include "binding/status_to_js.h"
#include "test/addon/sim_calls.h"

namespace millrace::test {
namespace {

const char* NameOf(SimCallKind kind) {
  switch (kind) {
    case SimCallKind::kOpen:
      return "open";
    case SimCallKind::kRename:
      return "rename";
    case SimCallKind::kUnlink:
      return "unlink";
    case SimCallKind::kMakeDirectory:
      return "mkdir";
    case SimCallKind::kRemoveDirectory:
      return "rmdir";
    case SimCallKind::kList:
      return "list";
    case SimCallKind::kSyncDirectory:
      return "fsync directory";
    case SimCallKind::kFreeBytes:
      return "free bytes";
    case SimCallKind::kWrite:
      return "write";
    case SimCallKind::kRead:
      return "read";
    case SimCallKind::kAllocate:
      return "allocate";
    case SimCallKind::kTruncate:
      return "truncate";
    case SimCallKind::kErase:
      return "erase";
    case SimCallKind::kSync:
      return "fsync";
    case SimCallKind::kStartWriteBack:
      return "start write-back";
    case SimCallKind::kSize:
      return "stat";
    case SimCallKind::kMap:
      return "map";
  }
  return "?";
}

napi_value Hold(napi_env env, SimTables& tables, std::unique_ptr<SimDisk> disk) {
  const auto id = tables.machines.Add(std::make_unique<SimMachine>(std::move(disk)));
  if (!id) return ThrowStatus(env, Status(Code::kNoMemory), "make a simulated disk");
  return ToJs(env, static_cast<double>(*id));
}

uint64_t Count(std::optional<double> number) {
  return number && *number > 0 ? static_cast<uint64_t>(*number) : 0;
}

// createDisk(seed): an empty one.
napi_value CreateDisk(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  return Hold(env, args.Owner<SimTables>(), std::make_unique<SimDisk>(Count(args.Number(0))));
}

// killProcess(disk, seed): the disk as the next process of this boot finds it.
napi_value KillProcess(napi_env env, napi_callback_info info) {
  CallArgs<2> args(env, info);
  SimTables& tables = args.Owner<SimTables>();
  SimMachine* machine = FindMachine(env, tables, args.Number(0));
  if (machine == nullptr) return nullptr;
  return Hold(env, tables, machine->disk->KillProcess(Count(args.Number(1))));
}

// losePower(disk, seed): the disk as the next boot finds it.
napi_value LosePower(napi_env env, napi_callback_info info) {
  CallArgs<2> args(env, info);
  SimTables& tables = args.Owner<SimTables>();
  SimMachine* machine = FindMachine(env, tables, args.Number(0));
  if (machine == nullptr) return nullptr;
  return Hold(env, tables, machine->disk->Reboot(Count(args.Number(1))));
}

// dropDisk(disk): every engine on it was abandoned before.
napi_value DropDisk(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  if (const auto id = args.Number(0)) args.Owner<SimTables>().machines.Take(*id);
  return nullptr;
}

// crashAfter(disk, n)
napi_value CrashAfter(napi_env env, napi_callback_info info) {
  CallArgs<2> args(env, info);
  SimMachine* machine = FindMachine(env, args.Owner<SimTables>(), args.Number(0));
  if (machine != nullptr) machine->disk->CrashAfter(Count(args.Number(1)));
  return nullptr;
}

// failCall(disk, n, errno)
napi_value FailCall(napi_env env, napi_callback_info info) {
  CallArgs<3> args(env, info);
  SimMachine* machine = FindMachine(env, args.Owner<SimTables>(), args.Number(0));
  if (machine == nullptr) return nullptr;
  machine->disk->FailCall(Count(args.Number(1)), static_cast<int>(Count(args.Number(2))));
  return nullptr;
}

// setCapacity(disk, bytes)
napi_value SetCapacity(napi_env env, napi_callback_info info) {
  CallArgs<2> args(env, info);
  SimMachine* machine = FindMachine(env, args.Owner<SimTables>(), args.Number(0));
  if (machine != nullptr) machine->disk->SetCapacity(Count(args.Number(1)));
  return nullptr;
}

// setTime(disk, wallMs): of files that are written from now on.
napi_value SetTime(napi_env env, napi_callback_info info) {
  CallArgs<2> args(env, info);
  SimMachine* machine = FindMachine(env, args.Owner<SimTables>(), args.Number(0));
  if (machine != nullptr) machine->disk->SetTime(static_cast<int64_t>(Count(args.Number(1))));
  return nullptr;
}

// hasCrashed(disk)
napi_value HasCrashed(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  SimMachine* machine = FindMachine(env, args.Owner<SimTables>(), args.Number(0));
  napi_value crashed;
  if (machine == nullptr || napi_get_boolean(env, machine->disk->crashed(), &crashed) != napi_ok)
    return nullptr;
  return crashed;
}

// callCount(disk)
napi_value CallCount(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  SimMachine* machine = FindMachine(env, args.Owner<SimTables>(), args.Number(0));
  if (machine == nullptr) return nullptr;
  return ToJs(env, static_cast<double>(machine->disk->call_count()));
}

// calls(disk): one line each.
napi_value Calls(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  SimMachine* machine = FindMachine(env, args.Owner<SimTables>(), args.Number(0));
  if (machine == nullptr) return nullptr;
  napi_value array;
  if (napi_create_array(env, &array) != napi_ok) return nullptr;
  uint32_t index = 0;
  for (const SimCall& call : machine->disk->calls()) {
    std::string line = std::string(NameOf(call.kind)) + " " + call.path;
    if (call.position != 0 || call.length != 0)
      line += " " + std::to_string(call.position) + "+" + std::to_string(call.length);
    if (call.code != Code::kOk) line += " FAILED " + std::to_string(static_cast<int>(call.code));
    napi_set_element(env, array, index++, ToJs(env, line));
  }
  return array;
}

}  // namespace

SimMachine* FindMachine(napi_env env, SimTables& tables, std::optional<double> id) {
  std::unique_ptr<SimMachine>* machine = id ? tables.machines.Find(*id) : nullptr;
  if (machine == nullptr) (void)ThrowArgument(env, "there is no simulated disk of this number");
  return machine != nullptr ? machine->get() : nullptr;
}

void AppendMachineCalls(std::vector<napi_property_descriptor>& properties, SimTables* tables) {
  properties.push_back(Method("createDisk", CreateDisk, tables));
  properties.push_back(Method("killProcess", KillProcess, tables));
  properties.push_back(Method("losePower", LosePower, tables));
  properties.push_back(Method("dropDisk", DropDisk, tables));
  properties.push_back(Method("crashAfter", CrashAfter, tables));
  properties.push_back(Method("failCall", FailCall, tables));
  properties.push_back(Method("setCapacity", SetCapacity, tables));
  properties.push_back(Method("setTime", SetTime, tables));
  properties.push_back(Method("hasCrashed", HasCrashed, tables));
  properties.push_back(Method("callCount", CallCount, tables));
  properties.push_back(Method("calls", Calls, tables));
}

}  // namespace millrace::test
