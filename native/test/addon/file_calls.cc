// Single calls to a simulated file system. Each answers an errno, negated, where it failed.
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "binding/call_args.h"
#include "binding/engine.h"
#include "binding/status_to_js.h"
#include "test/addon/sim_calls.h"

namespace millrace::test {
namespace {

double Failure(Status status) {
  return -(status.system_error() != 0 ? status.system_error() : EIO);
}

napi_value Answer(napi_env env, Status status) {
  return ToJs(env, status.ok() ? 0.0 : Failure(status));
}

// The machine and one or two paths.
struct PathCall {
  PathCall(napi_env env, napi_callback_info info) : args(env, info) {
    machine = FindMachine(env, args.Owner<SimTables>(), args.Number(0));
    path = args.String(1).value_or("");
  }
  CallArgs<3> args;
  SimMachine* machine;
  std::string path;
};

// openFile(disk, path, create): the file's number.
napi_value OpenFile(napi_env env, napi_callback_info info) {
  PathCall call(env, info);
  if (call.machine == nullptr) return nullptr;
  const OpenMode mode =
      call.args.Boolean(2).value_or(false) ? OpenMode::kCreateOrOpen : OpenMode::kRead;
  auto file = call.machine->disk->Open(call.path, mode);
  if (!file.ok()) return Answer(env, file.status());
  const auto id = call.args.Owner<SimTables>().files.Add(std::move(*file));
  return ToJs(env, id ? static_cast<double>(*id) : Failure(Status::FromErrno(ENFILE)));
}

napi_value Rename(napi_env env, napi_callback_info info) {
  PathCall call(env, info);
  if (call.machine == nullptr) return nullptr;
  return Answer(env, call.machine->disk->Rename(call.path, call.args.String(2).value_or("")));
}

// unlink, makeDirectory, removeDirectory, syncDirectory: (disk, path).
template <Status (Disk::*kCall)(const std::string&)>
napi_value OnPath(napi_env env, napi_callback_info info) {
  PathCall call(env, info);
  if (call.machine == nullptr) return nullptr;
  Disk& disk = *call.machine->disk;
  return Answer(env, (disk.*kCall)(call.path));
}

// listDirectory(disk, path): the names.
napi_value ListDirectory(napi_env env, napi_callback_info info) {
  PathCall call(env, info);
  if (call.machine == nullptr) return nullptr;
  const auto names = call.machine->disk->List(call.path);
  if (!names.ok()) return Answer(env, names.status());
  napi_value array;
  if (napi_create_array_with_length(env, names->size(), &array) != napi_ok) return nullptr;
  for (uint32_t index = 0; index < names->size(); ++index)
    napi_set_element(env, array, index, ToJs(env, (*names)[index]));
  return array;
}

napi_value FreeBytes(napi_env env, napi_callback_info info) {
  PathCall call(env, info);
  if (call.machine == nullptr) return nullptr;
  const auto bytes = call.machine->disk->FreeBytes(call.path);
  return ToJs(env, bytes.ok() ? static_cast<double>(*bytes) : Failure(bytes.status()));
}

struct FileCall {
  FileCall(napi_env env, napi_callback_info info) : args(env, info) {
    const auto id = args.Number(0);
    file = id ? args.Owner<SimTables>().files.Find(*id) : nullptr;
    if (file == nullptr) (void)ThrowArgument(env, "there is no open file of this number");
  }
  CallArgs<2> args;
  std::shared_ptr<File>* file;
};

// truncateFile(file, size)
napi_value TruncateFile(napi_env env, napi_callback_info info) {
  FileCall call(env, info);
  if (call.file == nullptr) return nullptr;
  return Answer(env,
                (*call.file)->Truncate(static_cast<uint64_t>(call.args.Number(1).value_or(0))));
}

// writeFile(file, bytes): from its beginning.
napi_value WriteFile(napi_env env, napi_callback_info info) {
  FileCall call(env, info);
  if (call.file == nullptr) return nullptr;
  const auto bytes = call.args.Bytes(1);
  if (!bytes) return ThrowArgument(env, "writeFile takes a Uint8Array");
  return Answer(env, (*call.file)->WriteAt(0, *bytes));
}

// readFile(file): all of it, in an ArrayBuffer.
napi_value ReadFile(napi_env env, napi_callback_info info) {
  FileCall call(env, info);
  if (call.file == nullptr) return nullptr;
  const auto size = (*call.file)->Size();
  if (!size.ok()) return Answer(env, size.status());
  void* data;
  napi_value buffer;
  if (napi_create_arraybuffer(env, *size, &data, &buffer) != napi_ok) return nullptr;
  const auto got = (*call.file)->ReadAt(0, std::span(static_cast<std::byte*>(data), *size));
  return got.ok() ? buffer : Answer(env, got.status());
}

// syncFile(file)
napi_value SyncFile(napi_env env, napi_callback_info info) {
  FileCall call(env, info);
  return call.file == nullptr ? nullptr : Answer(env, (*call.file)->Sync());
}

// closeFile(file): no call to the disk.
napi_value CloseFile(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  if (const auto id = args.Number(0)) args.Owner<SimTables>().files.Take(*id);
  return nullptr;
}

}  // namespace

void AppendFileCalls(std::vector<napi_property_descriptor>& properties, SimTables* tables) {
  properties.push_back(Method("openFile", OpenFile, tables));
  properties.push_back(Method("rename", Rename, tables));
  properties.push_back(Method("unlink", OnPath<&Disk::Unlink>, tables));
  properties.push_back(Method("makeDirectory", OnPath<&Disk::MakeDirectory>, tables));
  properties.push_back(Method("removeDirectory", OnPath<&Disk::RemoveDirectory>, tables));
  properties.push_back(Method("syncDirectory", OnPath<&Disk::SyncDirectory>, tables));
  properties.push_back(Method("listDirectory", ListDirectory, tables));
  properties.push_back(Method("freeBytes", FreeBytes, tables));
  properties.push_back(Method("truncateFile", TruncateFile, tables));
  properties.push_back(Method("writeFile", WriteFile, tables));
  properties.push_back(Method("readFile", ReadFile, tables));
  properties.push_back(Method("syncFile", SyncFile, tables));
  properties.push_back(Method("closeFile", CloseFile, tables));
}

}  // namespace millrace::test
