// The small files beside a log, all of a directory in one call on a worker thread: a start with
// thousands of partitions would otherwise make a dozen such calls for each.
#include "binding/directory_calls.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "binding/call_args.h"
#include "binding/engine.h"
#include "binding/environment.h"
#include "binding/status_to_js.h"
#include "core/base/disk.h"

namespace millrace {
namespace {

constexpr uint64_t kMostBytes = 1 << 20;

bool EndsWith(std::string_view name, std::string_view end) {
  return name.size() >= end.size() && name.substr(name.size() - end.size()) == end;
}

bool IsOfLog(std::string_view name) {
  return EndsWith(name, ".log") || EndsWith(name, "index") ||
         name.find(".log.") != std::string_view::npos;
}

struct NamedBytes {
  std::string name;
  std::vector<std::byte> bytes;
};

// A call on a worker thread that belongs to no engine.
class DirectoryCall {
 public:
  virtual ~DirectoryCall() = default;

  static napi_value Start(napi_env env, Environment& environment,
                          std::unique_ptr<DirectoryCall> call) {
    napi_value promise;
    napi_value name;
    call->environment_ = &environment;
    if (napi_create_promise(env, &call->deferred_, &promise) != napi_ok ||
        napi_create_string_utf8(env, "millrace", NAPI_AUTO_LENGTH, &name) != napi_ok ||
        napi_create_async_work(env, nullptr, name, Execute, Complete, call.get(), &call->work_) !=
            napi_ok) {
      return ThrowStatus(env, Status(Code::kNoMemory), "use the files in " + call->directory_);
    }
    if (napi_queue_async_work(env, call->work_) != napi_ok) {
      napi_delete_async_work(env, call->work_);
      return ThrowStatus(env, Status(Code::kNoMemory), "use the files in " + call->directory_);
    }
    environment.Begin();
    (void)call.release();  // Complete takes it back
    return promise;
  }

 protected:
  explicit DirectoryCall(std::string directory) : directory_(std::move(directory)) {}
  // On a worker thread.
  virtual Status Run() = 0;
  virtual napi_value Value(napi_env env) = 0;

  const std::string directory_;

 private:
  static void Execute(napi_env, void* data) {
    auto* call = static_cast<DirectoryCall*>(data);
    call->status_ = call->Run();
  }

  static void Complete(napi_env env, napi_status, void* data) {
    const std::unique_ptr<DirectoryCall> call(static_cast<DirectoryCall*>(data));
    Environment& environment = *call->environment_;
    napi_handle_scope scope;
    const bool scoped = napi_open_handle_scope(env, &scope) == napi_ok;
    napi_delete_async_work(env, call->work_);
    if (call->status_.ok()) {
      napi_resolve_deferred(env, call->deferred_, call->Value(env));
    } else {
      napi_reject_deferred(
          env, call->deferred_,
          ErrorFromStatus(env, call->status_, "use the files in " + call->directory_));
    }
    if (scoped) napi_close_handle_scope(env, scope);
    environment.End();
  }

  Environment* environment_ = nullptr;
  Status status_{Code::kClosed};
  napi_async_work work_ = nullptr;
  napi_deferred deferred_ = nullptr;
};

class LookCall final : public DirectoryCall {
 public:
  explicit LookCall(std::string directory) : DirectoryCall(std::move(directory)) {}

 private:
  Status Run() override {
    Result<std::vector<std::string>> names = PosixDisk().List(directory_);
    if (names.status().code() == Code::kNotFound) return Status::Ok();
    if (!names.ok()) return names.status();
    there_ = true;
    names_ = std::move(*names);
    for (const std::string& name : names_) {
      if (IsOfLog(name)) continue;
      Result<std::shared_ptr<File>> file =
          PosixDisk().Open(directory_ + "/" + name, OpenMode::kRead);
      if (!file.ok()) continue;  // a directory, or gone: whoever needs it reads it, and learns why
      Result<uint64_t> size = (*file)->Size();
      if (!size.ok() || *size > kMostBytes) continue;
      std::vector<std::byte> bytes(static_cast<size_t>(*size));
      Result<size_t> got = (*file)->ReadAt(0, bytes);
      if (got.ok() && *got == bytes.size()) contents_.push_back({name, std::move(bytes)});
    }
    return Status::Ok();
  }

  // [names, name of a file, its content, name of another, ...], or undefined.
  napi_value Value(napi_env env) override {
    napi_value answer = nullptr;
    if (!there_) {
      napi_get_undefined(env, &answer);
      return answer;
    }
    napi_value names;
    napi_create_array_with_length(env, names_.size(), &names);
    for (uint32_t i = 0; i < names_.size(); ++i)
      napi_set_element(env, names, i, ToJs(env, names_[i]));
    napi_create_array(env, &answer);
    napi_set_element(env, answer, 0, names);
    uint32_t at = 1;
    for (const NamedBytes& file : contents_) {
      napi_value bytes;
      napi_create_buffer_copy(env, file.bytes.size(), file.bytes.data(), nullptr, &bytes);
      napi_set_element(env, answer, at++, ToJs(env, file.name));
      napi_set_element(env, answer, at++, bytes);
    }
    return answer;
  }

  bool there_ = false;
  std::vector<std::string> names_;
  std::vector<NamedBytes> contents_;
};

class PutCall final : public DirectoryCall {
 public:
  PutCall(std::string directory, std::vector<NamedBytes> files, std::vector<std::string> removed)
      : DirectoryCall(std::move(directory)),
        files_(std::move(files)),
        removed_(std::move(removed)) {}

 private:
  Status Run() override {
    Status made = PosixDisk().MakeDirectory(directory_);
    if (!made.ok() && made.code() != Code::kExists) return made;
    for (const NamedBytes& file : files_) {
      const std::string path = directory_ + "/" + file.name;
      const std::string temporary = path + ".tmp";
      Result<std::shared_ptr<File>> written = PosixDisk().Open(temporary, OpenMode::kCreateOrOpen);
      if (!written.ok()) return written.status();
      Status status = (*written)->Truncate(0);
      if (status.ok()) status = (*written)->WriteAt(0, file.bytes);
      if (status.ok()) status = PosixDisk().Rename(temporary, path);
      if (!status.ok()) {
        // On a full disk what was written of it would be missing for the next attempt.
        (void)PosixDisk().Unlink(temporary);
        return status;
      }
    }
    for (const std::string& name : removed_) (void)PosixDisk().Unlink(directory_ + "/" + name);
    return Status::Ok();
  }

  napi_value Value(napi_env env) override {
    napi_value undefined = nullptr;
    napi_get_undefined(env, &undefined);
    return undefined;
  }

  const std::vector<NamedBytes> files_;
  const std::vector<std::string> removed_;
};

std::optional<std::string> TextAt(napi_env env, napi_value array, uint32_t index) {
  napi_value value;
  size_t length;
  if (napi_get_element(env, array, index, &value) != napi_ok ||
      napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) {
    return {};
  }
  std::string text(length, '\0');
  if (napi_get_value_string_utf8(env, value, text.data(), length + 1, &length) != napi_ok)
    return {};
  return text;
}

// lookAtDirectory(directory)
napi_value LookAtDirectory(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  auto directory = args.String(0);
  if (!directory) return ThrowArgument(env, "lookAtDirectory takes a path");
  return DirectoryCall::Start(env, args.Owner<Environment>(),
                              std::make_unique<LookCall>(std::move(*directory)));
}

// putFiles(directory, [name, bytes, ...], [name, ...])
napi_value PutFiles(napi_env env, napi_callback_info info) {
  CallArgs<3> args(env, info);
  auto directory = args.String(0);
  uint32_t parts = 0;
  uint32_t removals = 0;
  if (!directory || napi_get_array_length(env, args[1], &parts) != napi_ok ||
      napi_get_array_length(env, args[2], &removals) != napi_ok) {
    return ThrowArgument(env, "putFiles takes a path and two arrays");
  }
  std::vector<NamedBytes> files;
  for (uint32_t i = 0; i + 1 < parts; i += 2) {
    std::optional<std::string> name = TextAt(env, args[1], i);
    napi_value value = nullptr;
    (void)napi_get_element(env, args[1], i + 1, &value);
    const auto bytes = CallArgs<1>::BytesOf(env, value);
    if (!name || !bytes) return ThrowArgument(env, "a file is put by its name and its bytes");
    files.push_back({std::move(*name), {bytes->begin(), bytes->end()}});
  }
  std::vector<std::string> removed;
  for (uint32_t i = 0; i < removals; ++i) {
    std::optional<std::string> name = TextAt(env, args[2], i);
    if (!name) return ThrowArgument(env, "a file is removed by its name");
    removed.push_back(std::move(*name));
  }
  return DirectoryCall::Start(
      env, args.Owner<Environment>(),
      std::make_unique<PutCall>(std::move(*directory), std::move(files), std::move(removed)));
}

}  // namespace

void AppendDirectoryCalls(std::vector<napi_property_descriptor>& properties,
                          Environment* environment) {
  properties.push_back(Method("lookAtDirectory", LookAtDirectory, environment));
  properties.push_back(Method("putFiles", PutFiles, environment));
}

}  // namespace millrace
