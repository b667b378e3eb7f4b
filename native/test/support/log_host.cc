#include "test/support/log_host.h"

#include <algorithm>
#include <utility>

#include "core/log/segment_names.h"

namespace millrace::test {
namespace {

constexpr size_t kOpenFiles = 2;  // fewer than any of the logs has
const char* const kCleanMarker = ".kafka_cleanshutdown";

Offset Between(const LogModel& model, uint64_t per_mille) {
  const auto length = static_cast<uint64_t>(model.end() - model.start());
  return model.start() + static_cast<Offset>(length * std::min<uint64_t>(per_mille, 1000) / 1000);
}

}  // namespace

LogHost::LogHost(SimDisk& disk) : disk_(&disk) {
  for (int log = 0; log < kLogs; ++log) TopicOf(log).id = static_cast<uint64_t>(log);
}

std::string LogHost::NameOf(int log) { return "topic-" + std::to_string(log); }

// Pages of 4096 bytes, and batches that cross them.
LogConfig LogHost::ConfigOf(int log) {
  LogConfig config;
  config.segment_bytes = 12'000;
  config.index_interval_bytes = 1000;
  config.segment_ms = 60'000;
  if (log == 1) config.segment_index_bytes = 5 * 12;
  if (log == 0) config.spare_segments = 1;
  return config;
}

void LogHost::Blame(int log, const std::string& what) {
  if (wrong_.empty()) wrong_ = NameOf(log) + ": " + what;
}

bool LogHost::Start() {
  Stop();
  services_ = std::make_unique<LogServices>(kOpenFiles, LogServices::Background::kInline);
  bool clean = false;
  if (!Load(recovery_points_) || !Load(log_starts_) || !TakeCleanMarker(&clean)) return false;
  trust_ = distrust_         ? OpenTrust::kReboot
           : clean || fresh_ ? OpenTrust::kClean
           : power_lost_     ? OpenTrust::kReboot
                             : OpenTrust::kSameBoot;
  fresh_ = false;
  for (int log = 0; log < kLogs; ++log) {
    Topic& topic = TopicOf(log);
    if (distrust_) topic.model.LosePageCache();
    if (topic.exists && !OpenLog(log, trust_)) return false;
  }
  if (!Sweep()) return false;
  power_lost_ = distrust_ = false;
  running_ = true;
  return true;
}

bool LogHost::OpenLog(int log, OpenTrust trust) {
  bool is_new = false;
  if (!Claim(log, &is_new)) return false;
  Topic& topic = TopicOf(log);
  const std::string name = NameOf(log);
  bool refused = false;
  std::string wrong = topic.model.Open({disk_, services_.get(), PathOf(log), ConfigOf(log)},
                                       is_new ? OpenTrust::kClean : trust,
                                       recovery_points_.Of(name), log_starts_.Of(name), &refused);
  if (!wrong.empty()) {
    if (!refused) Blame(log, wrong);
    distrust_ = true;  // it may have been a sync that failed
    return false;
  }
  if (topic.model.start() > 0) log_starts_.offsets[name] = topic.model.start();
  topic.failed = topic.parted = false;
  return true;
}

void LogHost::Stop() {
  for (Topic& topic : topics_) topic.model.Kill();
  services_.reset();
  running_ = false;
}

bool LogHost::Do(const Operation& operation) {
  using Kind = Operation::Kind;
  switch (operation.kind) {
    case Kind::kTimePasses:
      now_ms_ += static_cast<int64_t>(operation.a);
      return true;
    case Kind::kRestart:
      return !running_ ? Start() : CloseAll() && Start();
    case Kind::kKill:
      return Start();
    case Kind::kDamageIndexes:
      if (running_ && operation.a == 0 && !CloseAll()) return false;
      Stop();
      return DamageIndexes(operation.log, operation.b) && Start();
    case Kind::kCheckpoint:
      return running_ && WriteCheckpoints();
    default:
      break;
  }
  if (!running_) return false;
  Topic& topic = TopicOf(operation.log);
  if (operation.kind == Kind::kCreateTopic) return topic.exists || CreateTopic(operation.log);
  if (!topic.exists) return true;
  const bool usable = !topic.model.log().failed() && !topic.parted;
  const bool done = operation.kind == Kind::kDeleteTopic ? DeleteTopic(operation.log)
                                                         : usable && DoTo(topic, operation);
  NoteFailures(operation.log);
  return done;
}

bool LogHost::DoTo(Topic& topic, const Operation& operation) {
  using Kind = Operation::Kind;
  LogModel& model = topic.model;
  switch (operation.kind) {
    case Kind::kAppend:
      return Append(topic, operation);
    case Kind::kAppendTogether:
      ++content_;
      return model.AppendTogether(operation.a, operation.b, 1'000'000 + now_ms_, content_);
    case Kind::kFlush:
      return model.Flush();
    case Kind::kWriteBack:
      model.log().StartWriteBack();
      return true;
    case Kind::kTruncate:
      return Truncate(operation.log, Between(model, operation.a));
    case Kind::kReset:
      return Reset(operation.log, operation.b == 0 ? model.end() + static_cast<Offset>(operation.a)
                                                   : Between(model, operation.a));
    case Kind::kDeleteRecords:
      return MoveStart(operation.log, Between(model, operation.a));
    case Kind::kRetention:
      return Expire(operation.log, operation.a);
    case Kind::kRoll:
      return model.log().Roll().ok();
    case Kind::kRest:
      return model.log().Rest();
    case Kind::kRead:
      if (std::string wrong = model.CheckRead(Between(model, operation.a)); !wrong.empty())
        Blame(operation.log, wrong);
      return true;
    default:
      return true;
  }
}

// One log's failure is nobody else's.
void LogHost::NoteFailures(int log) {
  for (int each = 0; each < kLogs; ++each) {
    Topic& topic = TopicOf(each);
    if (!topic.exists || !topic.model.is_open() || !topic.model.log().failed()) continue;
    distrust_ = true;
    if (!topic.failed && each != log && !disk_->crashed())
      Blame(each, "it failed although " + NameOf(log) + " had the fault");
    topic.failed = true;
  }
}

bool LogHost::Append(Topic& topic, const Operation& operation) {
  ++content_;
  const int64_t timestamp = 1'000'000 + now_ms_ + static_cast<int64_t>(content_ * 7 % 50);
  return topic.model.Append(static_cast<int32_t>(operation.a), operation.b, timestamp, content_);
}

bool LogHost::Truncate(int log, Offset offset) {
  Topic& topic = TopicOf(log);
  const std::string name = NameOf(log);
  // A start that was asked for and may be there after a restart is not undone by what comes again.
  if (log_starts_.Highest(name) > topic.model.start()) return false;
  const Offset boundary = topic.model.boundary_before(offset);
  if (recovery_points_.Highest(name) > boundary && !SetAndWrite(recovery_points_, log, boundary))
    return false;
  return topic.model.Truncate(offset);
}

bool LogHost::Reset(int log, Offset offset) {
  Topic& topic = TopicOf(log);
  const std::string name = NameOf(log);
  // From here on the log is given up: until it was reset, or opened anew, nothing is added to it.
  topic.parted = true;
  topic.model.GiveUp();
  if (recovery_points_.Highest(name) > offset && !SetAndWrite(recovery_points_, log, offset))
    return false;
  if (!SetAndWrite(log_starts_, log, offset)) return false;
  topic.parted = !topic.model.Reset(offset);
  return !topic.parted;
}

bool LogHost::MoveStart(int log, Offset offset) {
  Topic& topic = TopicOf(log);
  const std::string name = NameOf(log);
  if (offset <= topic.model.start()) return true;
  if (!SetAndWrite(log_starts_, log, std::max(offset, log_starts_.Of(name)))) return false;
  return topic.model.AdvanceStart(offset);
}

// As retention does it: only what is durable, and the active segment is rolled before it may go.
bool LogHost::Expire(int log, uint64_t kept) {
  Log& open = TopicOf(log).model.log();
  if (kept == 0) {
    const Offset end = open.log_end_offset();
    if (open.durable_offset() < end) return true;
    return open.Roll().ok() && MoveStart(log, end);
  }
  SegmentFacts segments[64];
  Result<size_t> count = open.ListSegments(true, segments);
  if (!count.ok()) return false;
  if (*count <= kept) return true;
  const Offset start = segments[*count - kept].base_offset;
  return start > open.durable_offset() || MoveStart(log, start);
}

bool LogHost::WriteCheckpoints() {
  for (int log = 0; log < kLogs; ++log) {
    Topic& topic = TopicOf(log);
    if (!topic.exists || !topic.model.is_open()) continue;
    Offset& point = recovery_points_.offsets[NameOf(log)];
    if (!topic.parted) point = std::max(point, topic.model.log().durable_offset());
  }
  return Write(recovery_points_) && Write(log_starts_);
}

bool LogHost::DeleteTopic(int log) {
  Topic& topic = TopicOf(log);
  topic.exists = false;
  const bool deleted = topic.model.Delete();
  topic.model = LogModel();
  topic.failed = topic.parted = false;
  recovery_points_.offsets.erase(NameOf(log));
  log_starts_.offsets.erase(NameOf(log));
  return WriteCheckpoints() && deleted;
}

bool LogHost::CreateTopic(int log) {
  Topic& topic = TopicOf(log);
  topic.exists = true;
  topic.id = next_id_++;
  if (OpenLog(log, trust_)) return true;
  Stop();  // a broker would go on without this one; here it starts anew
  return false;
}

bool LogHost::CloseAll() {
  bool clean = true;
  for (int log = 0; log < kLogs; ++log) {
    Topic& topic = TopicOf(log);
    if (!topic.exists || !topic.model.is_open()) continue;
    if (topic.parted || topic.model.log().failed()) {
      topic.model.Kill();
      clean = false;
    } else if (topic.model.CloseCleanly()) {
      recovery_points_.offsets[NameOf(log)] = topic.model.end();
    } else {
      distrust_ = true;
      clean = false;
    }
  }
  const bool written = Write(recovery_points_) && Write(log_starts_);
  if (clean) {
    closed_cleanly_ = true;
    clean = ReplaceFile("/data", kCleanMarker, "{}\n");
  }
  Stop();
  return clean && written;
}

std::string LogHost::Check() {
  for (int log = 0; log < kLogs; ++log) {
    Topic& topic = TopicOf(log);
    if (!running_ || !topic.exists || topic.failed || topic.parted) continue;
    if (std::string wrong = topic.model.CheckContent(); !wrong.empty()) Blame(log, wrong);
  }
  return wrong_;
}

std::string LogHost::CheckNames() {
  for (int log = 0; log < kLogs; ++log) {
    Topic& topic = TopicOf(log);
    if (!running_ || !topic.exists || topic.failed || topic.parted) continue;
    if (std::string wrong = topic.model.CheckNames({"partition.metadata"}); !wrong.empty())
      Blame(log, wrong);
  }
  Result<std::vector<std::string>> names = disk_->List("/data");
  if (!names.ok()) return wrong_;
  for (const std::string& name : *names) {
    if (name.size() > 7 && name.compare(name.size() - 7, 7, "-delete") == 0)
      Blame(0, name + " is left over");
  }
  return wrong_;
}

std::string LogHost::GoOn() {
  for (int log = 0; log < kLogs; ++log) {
    Topic& topic = TopicOf(log);
    if (!running_ || !topic.exists || topic.parted) continue;
    const Operation append{Operation::Kind::kAppend, log, 2, 700};
    const bool taken = Append(topic, append) && topic.model.Flush();
    if (taken == topic.failed)
      Blame(log, taken ? "it failed and goes on" : "it has not failed and does not go on");
  }
  return Check();
}

uint64_t LogHost::CountPutAside() const {
  uint64_t count = 0;
  for (const Topic& topic : topics_) {
    if (topic.exists) count += topic.model.CountPutAside();
  }
  return count;
}

std::unique_ptr<LogHost> LogHost::After(SimDisk& disk, bool power_loss) const {
  auto after = std::make_unique<LogHost>(disk);
  for (int log = 0; log < kLogs; ++log) {
    const Topic& topic = topics_[static_cast<size_t>(log)];
    Topic& same = after->TopicOf(log);
    same.exists = topic.exists;
    same.id = topic.id;
    same.model = topic.model.After();
    if (power_loss) same.model.LosePageCache();
  }
  after->next_id_ = next_id_;
  after->recovery_points_.possible = recovery_points_.possible;
  after->log_starts_.possible = log_starts_.possible;
  after->closed_cleanly_ = closed_cleanly_;
  after->distrust_ = distrust_;
  after->power_lost_ = power_lost_ || power_loss;
  after->fresh_ = fresh_;
  after->content_ = content_;
  after->now_ms_ = now_ms_;
  after->wrong_ = wrong_;
  return after;
}

}  // namespace millrace::test
