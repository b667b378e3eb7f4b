#pragma once

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "core/log/log_services.h"
#include "test/support/log_model.h"
#include "test/support/sweep_plan.h"

namespace millrace::test {

// Stands for the broker over one data directory on a simulated disk: several logs that share open
// files, and beside them Kafka's checkpoint files, the clean-shutdown marker and each log's
// partition.metadata, written and read in the order that the broker keeps. Topics and boot ids are
// remembered elsewhere, on a disk that forgets nothing, and so is that a sync failed.
//
// It is at once what must be true: After gives the same promises on the disk that a crash has left.
class LogHost {
 public:
  static constexpr int kLogs = 3;

  explicit LogHost(SimDisk& disk);
  ~LogHost() { Stop(); }

  // A process starts: reads the checkpoints and opens all logs. False when the disk would not let
  // it; `wrong` says what no disk excuses.
  bool Start();
  bool running() const { return running_; }
  // False when the disk was in the way. A log that has failed takes part in nothing until the next
  // start; the others go on.
  bool Do(const Operation& operation);
  // The process is gone, as it stood.
  void Stop();

  // What was found to be wrong so far; empty: nothing.
  const std::string& wrong() const { return wrong_; }
  // The rest is to be asked when nothing fails, and tells what `wrong` tells.
  // Everything that can be read is what the models have.
  std::string Check();
  // After a start: no file is there that nobody accounts for.
  std::string CheckNames();
  // Every log takes more records, or has failed and stays so.
  std::string GoOn();
  // Files with bytes that recovery cut off.
  uint64_t CountPutAside() const;

  std::unique_ptr<LogHost> After(SimDisk& disk, bool power_loss) const;

 private:
  // What one of the checkpoint files says: an offset for each log.
  struct Checkpoint {
    const char* file;
    std::map<std::string, Offset> offsets{};
    // What the file may say of each log: more than one after a write that failed.
    std::map<std::string, std::set<Offset>> possible{};

    Offset Of(const std::string& name) const;
    Offset Highest(const std::string& name) const;  // that the file says, or is about to say
  };
  struct Topic {
    bool exists = true;
    uint64_t id = 0;
    bool failed = false;  // as far as it was noticed
    bool parted = false;  // a reset began and did not end
    LogModel model{};
  };

  static std::string NameOf(int log);
  static LogConfig ConfigOf(int log);
  std::string PathOf(int log) const;
  Topic& TopicOf(int log) { return topics_[static_cast<size_t>(log)]; }
  void Blame(int log, const std::string& what);

  // Files beside the logs (log_host_files.cc).
  bool ReadFile(const std::string& path, std::string* content, bool* there);
  bool ReplaceFile(const std::string& directory, const std::string& name, const std::string& text);
  bool Load(Checkpoint& checkpoint);
  bool Write(Checkpoint& checkpoint);
  bool SetAndWrite(Checkpoint& checkpoint, int log, Offset offset);
  bool Forget(int log);
  bool TakeCleanMarker(bool* was_there);
  bool Sweep();
  bool Claim(int log, bool* is_new);
  bool SetAside(const std::string& path, const std::string& owner);
  bool RemoveTree(const std::string& path);

  bool OpenLog(int log, OpenTrust trust);
  bool DoTo(Topic& topic, const Operation& operation);
  bool Append(Topic& topic, const Operation& operation);
  bool Truncate(int log, Offset offset);
  bool Reset(int log, Offset offset);
  bool MoveStart(int log, Offset offset);
  bool Expire(int log, uint64_t kept);
  bool WriteCheckpoints();
  bool DeleteTopic(int log);
  bool CreateTopic(int log);
  bool CloseAll();
  bool DamageIndexes(int log, uint64_t how);
  void NoteFailures(int log);

  SimDisk* disk_;
  std::array<Topic, kLogs> topics_;
  uint64_t next_id_ = kLogs;
  Checkpoint recovery_points_{"recovery-point-offset-checkpoint"};
  Checkpoint log_starts_{"log-start-offset-checkpoint"};
  bool closed_cleanly_ = false;  // the marker may be there
  bool distrust_ = false;        // a sync failed: the page cache may not be believed
  bool power_lost_ = true;       // since all logs were last open, or they never were
  bool fresh_ = true;            // no process has been here
  uint64_t content_ = 0;
  int64_t now_ms_ = 0;
  std::string wrong_;

  // While a process runs.
  bool running_ = false;
  OpenTrust trust_ = OpenTrust::kClean;
  std::unique_ptr<LogServices> services_;
};

}  // namespace millrace::test
