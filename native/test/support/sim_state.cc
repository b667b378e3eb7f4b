#include "test/support/sim_state.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

namespace millrace::test {
namespace {

std::vector<std::string> Split(const std::string& path) {
  std::vector<std::string> parts;
  for (size_t at = 0; at < path.size();) {
    size_t end = std::min(path.find('/', at), path.size());
    std::string part = path.substr(at, end - at);
    if (!part.empty() && part != ".") parts.push_back(std::move(part));
    at = end + 1;
  }
  return parts;
}

void Set(SimNode::Entries* entries, const std::string& name, SimState::NodePtr value) {
  if (value == nullptr) {
    entries->erase(name);
  } else {
    (*entries)[name] = std::move(value);
  }
}

void FreezeFiles(const SimNode& node, std::set<const SimNode*>* seen) {
  if (!seen->insert(&node).second) return;
  if (!node.is_directory()) node.file->Freeze();
  for (const auto& [name, child] : node.entries) FreezeFiles(*child, seen);
  for (const auto& [name, child] : node.durable) FreezeFiles(*child, seen);
}

// Whether `later` cannot have reached the device without `earlier`: it moves the same node, or sets
// an entry that the earlier one emptied or filled. Forgetting one of two such operations never
// leads anywhere that a prefix does not.
bool RestsOn(const SimState::Operation& later, const SimState::Operation& earlier) {
  if (later.subject == earlier.subject) return true;
  for (const SimState::EntryChange& a : later.changes) {
    for (const SimState::EntryChange& b : earlier.changes) {
      if (a.directory == b.directory && a.name == b.name) return true;
    }
  }
  return false;
}

// Copies the nodes that are still of interest after a crash, each once.
class TreeCopy {
 public:
  using NodePtr = SimState::NodePtr;
  using CopyFile = std::shared_ptr<SimFileData> (*)(void* context, const SimFileData& file);

  TreeCopy(CopyFile copy_file, void* context) : copy_file_(copy_file), context_(context) {}

  void Bind(const NodePtr& original, const NodePtr& copy) { copies_[original.get()] = copy; }

  // The copy of `original` (null for null), empty where it is a directory; `*is_new` when it was
  // made now.
  NodePtr Of(const NodePtr& original, bool* is_new) {
    *is_new = false;
    if (original == nullptr) return nullptr;
    auto [found, inserted] = copies_.try_emplace(original.get());
    if (inserted) {
      found->second = std::make_shared<SimNode>();
      if (!original->is_directory()) found->second->file = copy_file_(context_, *original->file);
      *is_new = true;
    }
    return found->second;
  }

 private:
  const CopyFile copy_file_;
  void* const context_;
  std::map<const SimNode*, NodePtr> copies_;
};

}  // namespace

SimState::SimState(uint64_t seed)
    : space(std::make_shared<SimSpace>()), root(std::make_shared<SimNode>()), random(seed) {}

Status SimState::Begin(SimCallKind kind, const std::string& path, uint64_t position,
                       uint64_t length) {
  calls.push_back(SimCall{kind, path, position, length});
  uint64_t number = calls.size();
  if (!crashed && number == crash_at) {
    crashed = true;
    std::set<const SimNode*> seen;
    FreezeFiles(*root, &seen);
  }
  int error = crashed ? EIO : 0;
  const bool out = outage.from != 0 && number >= outage.from && (outage.kinds & MaskOf(kind)) != 0;
  if (error == 0 && out) error = outage.system_error;
  if (auto failure = failures.find(number); error == 0 && failure != failures.end())
    error = failure->second;
  if (error == 0) return Status::Ok();
  ++faults;
  return Finish(Status::FromErrno(error));
}

std::span<std::byte> SimState::Shortened(std::span<std::byte> into) {
  if (calls.size() != shortened_read || into.empty()) return into;
  ++faults;
  return into.first(random.Below(into.size()));
}

size_t SimState::Interrupted(uint64_t position, size_t size) {
  const size_t done = random.Below(size + 1);
  if (!crashed || done == size) return done;
  const uint64_t end = (position + done) / SimFileData::kPageBytes * SimFileData::kPageBytes;
  return end > position ? static_cast<size_t>(end - position) : 0;
}

Status SimState::Finish(Status status) {
  calls.back().code = status.code();
  return status;
}

Result<SimState::Place> SimState::Find(const std::string& path) const {
  Place place{root, "", root};
  for (const std::string& part : Split(path)) {
    if (place.node == nullptr) return Status::FromErrno(ENOENT);
    if (!place.node->is_directory()) return Status::FromErrno(ENOTDIR);
    place.directory = place.node;
    place.name = part;
    auto found = place.directory->entries.find(part);
    place.node = found == place.directory->entries.end() ? nullptr : found->second;
  }
  return place;
}

void SimState::Apply(Operation operation) {
  for (const EntryChange& change : operation.changes)
    Set(&change.directory->entries, change.name, change.value);
  pending.push_back(std::move(operation));
}

// Makes durable what happened in `directory`, and what that rests on (the other half of a rename
// between directories).
void SimState::MakeDurable(const NodePtr& directory) {
  std::vector<bool> chosen(pending.size(), false);
  for (size_t i = pending.size(); i-- > 0;) {
    for (const EntryChange& change : pending[i].changes)
      chosen[i] = chosen[i] || change.directory == directory;
    for (size_t later = i + 1; later < pending.size() && !chosen[i]; ++later) {
      chosen[i] = chosen[later] && RestsOn(pending[later], pending[i]);
    }
  }
  std::vector<Operation> rest;
  for (size_t i = 0; i < pending.size(); ++i) {
    if (chosen[i]) {
      for (const EntryChange& change : pending[i].changes)
        Set(&change.directory->durable, change.name, change.value);
    } else {
      rest.push_back(std::move(pending[i]));
    }
  }
  pending = std::move(rest);
}

std::shared_ptr<SimState> SimState::AfterPowerLoss(uint64_t seed,
                                                   std::optional<uint64_t> names_kept) const {
  CrashFate fate(seed);
  auto after = std::make_shared<SimState>(seed);
  after->space->capacity = space->capacity;

  std::map<const SimNode*, SimNode::Entries> survived;  // of directories with kept changes
  std::vector<const Operation*> forgotten;
  uint64_t nth = 0;
  for (const Operation& operation : pending) {
    bool kept = fate.NextKept();
    if (names_kept.has_value()) kept = (*names_kept >> (nth++ % 64) & 1) != 0;
    for (const Operation* earlier : forgotten) kept = kept && !RestsOn(operation, *earlier);
    if (!kept) {
      forgotten.push_back(&operation);
      continue;
    }
    for (const EntryChange& change : operation.changes) {
      auto [entries, inserted] =
          survived.try_emplace(change.directory.get(), change.directory->durable);
      Set(&entries->second, change.name, change.value);
    }
  }

  struct Context {
    CrashFate* fate;
    std::shared_ptr<SimSpace> space;
  } context{&fate, after->space};
  TreeCopy copy(
      [](void* context, const SimFileData& file) {
        auto* with = static_cast<Context*>(context);
        return file.AfterPowerLoss(*with->fate, with->space);
      },
      &context);
  std::vector<std::pair<NodePtr, NodePtr>> directories{{root, after->root}};
  while (!directories.empty()) {
    auto [from, to] = directories.back();
    directories.pop_back();
    auto found = survived.find(from.get());
    for (const auto& [name, child] : found == survived.end() ? from->durable : found->second) {
      bool is_new;
      NodePtr child_copy = copy.Of(child, &is_new);
      if (is_new && child->is_directory()) directories.emplace_back(child, child_copy);
      to->entries[name] = child_copy;
      to->durable[name] = child_copy;
    }
  }
  return after;
}

std::shared_ptr<SimState> SimState::AfterProcessDeath(uint64_t seed) const {
  auto after = std::make_shared<SimState>(seed);
  after->space->capacity = space->capacity;

  struct Context {
    Random random;
    std::shared_ptr<SimSpace> space;
  } context{Random(seed), after->space};
  TreeCopy copy(
      [](void* context, const SimFileData& file) {
        auto* with = static_cast<Context*>(context);
        return file.AfterProcessDeath(with->random, with->space);
      },
      &context);
  copy.Bind(root, after->root);
  std::vector<std::pair<NodePtr, NodePtr>> directories{{root, after->root}};
  auto copy_of = [&](const NodePtr& node) {
    bool is_new;
    NodePtr made = copy.Of(node, &is_new);
    if (is_new && node->is_directory()) directories.emplace_back(node, made);
    return made;
  };
  for (const Operation& operation : pending) {
    Operation copied{copy_of(operation.subject), {}};
    for (const EntryChange& change : operation.changes) {
      copied.changes.push_back({copy_of(change.directory), change.name, copy_of(change.value)});
    }
    after->pending.push_back(std::move(copied));
  }
  while (!directories.empty()) {
    auto [from, to] = directories.back();
    directories.pop_back();
    for (const auto& [name, child] : from->entries) to->entries[name] = copy_of(child);
    for (const auto& [name, child] : from->durable) to->durable[name] = copy_of(child);
  }
  return after;
}

}  // namespace millrace::test
