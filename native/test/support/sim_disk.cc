#include "test/support/sim_disk.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "test/support/sim_state.h"

namespace millrace::test {
namespace {

class SimFile final : public File {
 public:
  SimFile(std::shared_ptr<SimState> state, std::shared_ptr<SimFileData> data, std::string path,
          bool writable)
      : state_(std::move(state)),
        data_(std::move(data)),
        path_(std::move(path)),
        writable_(writable) {}

  Status WriteAt(uint64_t position, std::span<const std::byte> bytes) override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    bool crashed_before = state_->crashed;
    Status status = state_->Begin(SimCallKind::kWrite, path_, position, bytes.size());
    if (!writable_) return state_->Finish(Status::FromErrno(EBADF));
    if (status.ok()) return state_->Finish(data_->Write(position, bytes));
    if (!crashed_before)
      (void)data_->Write(position, bytes.first(state_->Interrupted(position, bytes.size())));
    return status;
  }

  Result<size_t> ReadAt(uint64_t position, std::span<std::byte> into) override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    if (Status status = state_->Begin(SimCallKind::kRead, path_, position, into.size());
        !status.ok())
      return status;
    data_->NoteCached(position, into.size());
    return data_->Read(position, state_->Shortened(into));
  }

  Result<size_t> ReadCached(uint64_t position, std::span<std::byte> into) override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    if (Status status = state_->Begin(SimCallKind::kRead, path_, position, into.size());
        !status.ok())
      return status;
    const uint64_t cached = data_->CachedEnd(position, into.size());
    if (cached == position && !into.empty() && position < data_->size())
      return Status(Code::kWouldBlock);
    return data_->Read(position,
                       state_->Shortened(into.first(static_cast<size_t>(cached - position))));
  }

  Status Allocate(uint64_t begin, uint64_t end) override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    Status status = state_->Begin(SimCallKind::kAllocate, path_, begin, end - begin);
    if (!status.ok()) return status;
    return state_->Finish(writable_ ? data_->Allocate(end) : Status::FromErrno(EBADF));
  }

  Status Truncate(uint64_t size) override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    Status status = state_->Begin(SimCallKind::kTruncate, path_, size);
    if (!status.ok()) return status;
    return state_->Finish(writable_ ? data_->Truncate(size) : Status::FromErrno(EINVAL));
  }

  // Nobody else has the file when the directory and this are all that refers to its data; a name
  // that is about to change refers to the directory's entry.
  Result<bool> Erase(uint64_t size) override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    if (Status status = state_->Begin(SimCallKind::kErase, path_, 0, size); !status.ok())
      return status;
    constexpr long kNodeAndThis = 2;
    if (!writable_ || data_.use_count() > kNodeAndThis) return false;
    if (Status status = data_->Erase(size); !status.ok()) return state_->Finish(status);
    return true;
  }

  Status Sync() override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    Status status = state_->Begin(SimCallKind::kSync, path_);
    if (status.ok()) {
      data_->Sync();
      for (const auto& file : std::exchange(state_->written_back, {})) {
        if (const auto held = file.lock()) held->FlushDevice();
      }
    } else if (!state_->crashed) {
      data_->FailSync();
    }
    return status;
  }

  Status WriteBack() override {
    if (!state_->shares_flushes) return Sync();
    std::lock_guard<std::mutex> lock(state_->mutex);
    Status status = state_->Begin(SimCallKind::kStartWriteBack, path_);
    if (status.ok()) {
      data_->WriteBack();
      state_->written_back.push_back(data_);
    }
    return status;
  }

  void StartWriteBack(uint64_t position, uint64_t length) override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    (void)state_->Begin(SimCallKind::kStartWriteBack, path_, position, length);
  }

  // A hint without a result, and so no call that could fail or be the last one.
  void DropCache() override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    if (!state_->crashed) data_->DropCache(state_->random);
  }

  Result<uint64_t> Size() override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    if (Status status = state_->Begin(SimCallKind::kSize, path_); !status.ok()) return status;
    return data_->size();
  }

  Result<int64_t> ModifiedMs() override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    if (Status status = state_->Begin(SimCallKind::kSize, path_); !status.ok()) return status;
    return data_->modified_ms();
  }

  Status SetModifiedMs(int64_t modified_ms) override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    if (Status status = state_->Begin(SimCallKind::kTruncate, path_); !status.ok()) return status;
    data_->SetModifiedMs(modified_ms);
    return Status::Ok();
  }

  Result<std::unique_ptr<Mapping>> Map(uint64_t length, bool writable) override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    if (Status status = state_->Begin(SimCallKind::kMap, path_, 0, length); !status.ok())
      return status;
    if (writable && !writable_) return state_->Finish(Status(Code::kIoError, EACCES));
    return data_->Map(length, writable);
  }

  int descriptor() const override { return -1; }

 private:
  const std::shared_ptr<SimState> state_;
  const std::shared_ptr<SimFileData> data_;
  const std::string path_;
  const bool writable_;
};

// Files are all that it syncs.
class SimFileSystem final : public FileSystem {
 public:
  Status Sync() override { return Status::FromErrno(EIO); }
  bool shares_flushes() const override { return true; }
};

}  // namespace

SimDisk::SimDisk(uint64_t seed) : SimDisk(std::make_shared<SimState>(seed)) {}
SimDisk::SimDisk(std::shared_ptr<SimState> state) : state_(std::move(state)) {}
SimDisk::~SimDisk() = default;

void SimDisk::CrashAfter(uint64_t n) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->crash_at = n;
}

void SimDisk::FailCall(uint64_t n, int system_error) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->failures[n] = system_error;
}

void SimDisk::FailFrom(uint64_t n, int system_error, uint32_t kinds) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->outage = {n, system_error, kinds};
}

void SimDisk::ShortenRead(uint64_t n) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->shortened_read = n;
}

void SimDisk::Heal() {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->failures.clear();
  state_->outage = {};
  state_->shortened_read = 0;
  if (!state_->crashed) state_->crash_at = 0;
}

void SimDisk::SetCapacity(uint64_t bytes) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->space->capacity = bytes;
}

void SimDisk::EvictCache() {
  std::lock_guard<std::mutex> lock(state_->mutex);
  ++state_->space->evictions;
}

void SimDisk::ShareFlushes() {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->shares_flushes = true;
}

Result<std::shared_ptr<FileSystem>> SimDisk::OpenFileSystem(const std::string&) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (!state_->shares_flushes) return std::shared_ptr<FileSystem>();
  return std::shared_ptr<FileSystem>(std::make_shared<SimFileSystem>());
}

void SimDisk::SetTime(int64_t now_ms) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->space->now_ms = now_ms;
}

bool SimDisk::crashed() const {
  std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->crashed;
}

uint64_t SimDisk::faults() const {
  std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->faults;
}

uint64_t SimDisk::call_count() const {
  std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->calls.size();
}

std::vector<SimCall> SimDisk::calls() const {
  std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->calls;
}

std::unique_ptr<SimDisk> SimDisk::Reboot(uint64_t seed) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  return std::unique_ptr<SimDisk>(new SimDisk(state_->AfterPowerLoss(seed, std::nullopt)));
}

std::unique_ptr<SimDisk> SimDisk::Reboot(uint64_t seed, uint64_t names_kept) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  return std::unique_ptr<SimDisk>(new SimDisk(state_->AfterPowerLoss(seed, names_kept)));
}

uint64_t SimDisk::pending_names() const {
  std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->pending.size();
}

std::unique_ptr<SimDisk> SimDisk::KillProcess(uint64_t seed) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  return std::unique_ptr<SimDisk>(new SimDisk(state_->AfterProcessDeath(seed)));
}

Result<std::shared_ptr<File>> SimDisk::Open(const std::string& path, OpenMode mode) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (Status status = state_->Begin(SimCallKind::kOpen, path); !status.ok()) return status;
  Result<SimState::Place> place = state_->Find(path);
  if (!place.ok()) return state_->Finish(place.status());
  bool creates = mode == OpenMode::kCreateNew || mode == OpenMode::kCreateOrOpen;
  std::shared_ptr<SimNode> node = place->node;
  if (node == nullptr) {
    if (!creates) return state_->Finish(Status::FromErrno(ENOENT));
    node = std::make_shared<SimNode>();
    node->file = std::make_shared<SimFileData>(state_->space);
    state_->Apply({node, {{place->directory, place->name, node}}});
  } else if (mode == OpenMode::kCreateNew) {
    return state_->Finish(Status::FromErrno(EEXIST));
  } else if (node->is_directory()) {
    return state_->Finish(Status::FromErrno(EISDIR));
  }
  return std::shared_ptr<File>(
      std::make_shared<SimFile>(state_, node->file, path, mode != OpenMode::kRead));
}

Status SimDisk::Rename(const std::string& from, const std::string& to) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (Status status = state_->Begin(SimCallKind::kRename, from + " -> " + to); !status.ok())
    return status;
  Result<SimState::Place> source = state_->Find(from);
  if (!source.ok()) return state_->Finish(source.status());
  Result<SimState::Place> target = state_->Find(to);
  if (!target.ok()) return state_->Finish(target.status());
  if (source->node == nullptr) return state_->Finish(Status::FromErrno(ENOENT));
  if (source->node == target->node) return Status::Ok();
  if (target->node != nullptr) {
    if (target->node->is_directory() != source->node->is_directory()) {
      return state_->Finish(Status::FromErrno(target->node->is_directory() ? EISDIR : ENOTDIR));
    }
    if (!target->node->entries.empty()) return state_->Finish(Status::FromErrno(ENOTEMPTY));
  }
  state_->Apply({source->node,
                 {{source->directory, source->name, nullptr},
                  {target->directory, target->name, source->node}}});
  return Status::Ok();
}

Status SimDisk::Unlink(const std::string& path) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (Status status = state_->Begin(SimCallKind::kUnlink, path); !status.ok()) return status;
  Result<SimState::Place> place = state_->Find(path);
  if (!place.ok()) return state_->Finish(place.status());
  if (place->node == nullptr) return state_->Finish(Status::FromErrno(ENOENT));
  if (place->node->is_directory()) return state_->Finish(Status::FromErrno(EISDIR));
  state_->Apply({place->node, {{place->directory, place->name, nullptr}}});
  return Status::Ok();
}

Status SimDisk::MakeDirectory(const std::string& path) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (Status status = state_->Begin(SimCallKind::kMakeDirectory, path); !status.ok()) return status;
  Result<SimState::Place> place = state_->Find(path);
  if (!place.ok()) return state_->Finish(place.status());
  if (place->node != nullptr) return state_->Finish(Status::FromErrno(EEXIST));
  auto node = std::make_shared<SimNode>();
  state_->Apply({node, {{place->directory, place->name, node}}});
  return Status::Ok();
}

Status SimDisk::RemoveDirectory(const std::string& path) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (Status status = state_->Begin(SimCallKind::kRemoveDirectory, path); !status.ok())
    return status;
  Result<SimState::Place> place = state_->Find(path);
  if (!place.ok()) return state_->Finish(place.status());
  if (place->node == nullptr) return state_->Finish(Status::FromErrno(ENOENT));
  if (!place->node->is_directory()) return state_->Finish(Status::FromErrno(ENOTDIR));
  if (!place->node->entries.empty()) return state_->Finish(Status::FromErrno(ENOTEMPTY));
  state_->Apply({place->node, {{place->directory, place->name, nullptr}}});
  return Status::Ok();
}

Result<std::vector<std::string>> SimDisk::List(const std::string& directory) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (Status status = state_->Begin(SimCallKind::kList, directory); !status.ok()) return status;
  Result<SimState::Place> place = state_->Find(directory);
  if (!place.ok()) return state_->Finish(place.status());
  if (place->node == nullptr) return state_->Finish(Status::FromErrno(ENOENT));
  if (!place->node->is_directory()) return state_->Finish(Status::FromErrno(ENOTDIR));
  std::vector<std::string> names;
  for (const auto& [name, node] : place->node->entries) names.push_back(name);
  return names;
}

Status SimDisk::SyncDirectory(const std::string& directory) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (Status status = state_->Begin(SimCallKind::kSyncDirectory, directory); !status.ok())
    return status;
  Result<SimState::Place> place = state_->Find(directory);
  if (!place.ok()) return state_->Finish(place.status());
  if (place->node == nullptr) return state_->Finish(Status::FromErrno(ENOENT));
  if (!place->node->is_directory()) return state_->Finish(Status::FromErrno(ENOTDIR));
  state_->MakeDurable(place->node);
  return Status::Ok();
}

Result<uint64_t> SimDisk::FreeBytes(const std::string& path) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (Status status = state_->Begin(SimCallKind::kFreeBytes, path); !status.ok()) return status;
  return state_->space->capacity - std::min(state_->space->capacity, state_->space->used);
}

}  // namespace millrace::test
