#include "test/support/sweep.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace millrace::test {
namespace {

// Opens everything on a disk that does as it is told, and looks.
std::string StartAndLook(LogHost& host) {
  if (!host.Start() && host.wrong().empty()) return "it does not start";
  if (!host.wrong().empty()) return host.wrong();
  if (std::string wrong = host.Check(); !wrong.empty()) return wrong;
  return host.CheckNames();
}

std::string Told(const char* when, const std::string& wrong) {
  return wrong.empty() ? "" : std::string(when) + ": " + wrong;
}

}  // namespace

uint64_t SweepStride(uint64_t sample) {
  const char* asked = std::getenv("MILLRACE_SWEEP");
  if (asked != nullptr && std::string(asked) == "full") return 1;
#if defined(__SANITIZE_THREAD__)
  return 11 * sample;  // there is but one thread here, and it is thirty times slower
#elif defined(__SANITIZE_ADDRESS__)
  return 3 * sample;
#else
  return sample;
#endif
}

std::string Describe(const Fault& fault) {
  const std::string call = std::to_string(fault.call);
  switch (fault.kind) {
    case Fault::Kind::kNone:
      return "no fault";
    case Fault::Kind::kCrash:
      return "a crash at call " + call;
    case Fault::Kind::kFailOnce:
      return "error " + std::to_string(fault.error) + " of call " + call;
    case Fault::Kind::kFailForGood:
      return "error " + std::to_string(fault.error) + " from call " + call + " on, of kinds " +
             std::to_string(fault.kinds);
    case Fault::Kind::kShortRead:
      return "a short read at call " + call;
  }
  return "";
}

std::string Describe(const std::vector<SimCall>& calls, uint64_t n) {
  static constexpr const char* kNames[] = {
      "open",  "rename", "unlink",   "mkdir",    "rmdir", "list",       "sync dir", "free bytes",
      "write", "read",   "allocate", "truncate", "sync",  "write back", "size",     "map"};
  std::string text;
  for (uint64_t i = n > 4 ? n - 4 : 1; i <= calls.size() && i < n + 4; ++i) {
    const SimCall& call = calls[i - 1];
    text += (i == n ? "> " : "  ") + std::to_string(i) + ": " +
            kNames[static_cast<size_t>(call.kind)] + " " + call.path + " " +
            std::to_string(call.position) + "+" + std::to_string(call.length) + "\n";
  }
  return text;
}

std::vector<Fault> PlausibleFaults(const SimCall& call, uint64_t n) {
  std::vector<Fault> faults;
  const auto add = [&](int error, uint32_t kinds) {
    if ((kinds & MaskOf(call.kind)) == 0) return;
    faults.push_back({Fault::Kind::kFailOnce, n, error});
    faults.push_back({Fault::Kind::kFailForGood, n, error, kinds});
  };
  add(EIO, kAnyCall);
  add(ENOSPC, kCallsThatTakeSpace);
  add(EDQUOT, kCallsThatTakeSpace);
  add(EMFILE, kCallsThatTakeDescriptors);
  add(ENOMEM, MaskOf(SimCallKind::kMap));
  if (call.kind == SimCallKind::kRead) {
    faults.push_back({Fault::Kind::kFailForGood, n, EIO, MaskOf(SimCallKind::kRead)});
    faults.push_back({Fault::Kind::kShortRead, n});
  }
  if (call.kind == SimCallKind::kSync)
    faults.push_back({Fault::Kind::kFailForGood, n, EIO, MaskOf(SimCallKind::kSync)});
  return faults;
}

Play::Play(const Plan& plan, const Fault& fault, uint64_t seed) : disk_(seed), host_(disk_) {
  if (!disk_.MakeDirectory("/data").ok() || !disk_.SyncDirectory("/").ok()) std::abort();
  first_call_ = disk_.call_count();
  const uint64_t call = first_call_ + fault.call;
  if (fault.kind == Fault::Kind::kCrash) disk_.CrashAfter(call);
  if (fault.kind == Fault::Kind::kFailOnce) disk_.FailCall(call, fault.error);
  if (fault.kind == Fault::Kind::kFailForGood) disk_.FailFrom(call, fault.error, fault.kinds);
  if (fault.kind == Fault::Kind::kShortRead) disk_.ShortenRead(call);

  bool started = host_.Start();
  for (const Operation& operation : plan) {
    if (disk_.crashed() || !host_.wrong().empty()) break;
    ++operations_;
    if (!started) started = host_.Start();
    const bool done = started && host_.Do(operation);
    started = started && host_.running();
    if (!done && fault.kind == Fault::Kind::kNone && host_.wrong().empty() &&
        operation.kind != Operation::Kind::kRest && operation.kind != Operation::Kind::kTruncate) {
      wrong_ = "it does not " + Describe(operation) + ", though nothing fails";
      return;
    }
  }
  if (host_.wrong().empty() && !disk_.crashed() && host_.running()) {
    disk_.Heal();
    wrong_ = Told("in the same process", host_.GoOn());
  } else {
    wrong_ = host_.wrong();
  }
}

std::vector<SimCall> Play::calls() const {
  std::vector<SimCall> calls = disk_.calls();
  calls.erase(calls.begin(), calls.begin() + static_cast<ptrdiff_t>(first_call_));
  return calls;
}

// Starts on `disk`, goes on with it, and loses power twice more: straight after the start, when
// everything that was found has to stay, and after more appends that were promised.
std::string Play::CheckFrom(SimDisk& disk, bool power_loss, uint64_t seed) {
  std::unique_ptr<LogHost> host = host_.After(disk, power_loss);
  if (std::string wrong = StartAndLook(*host); !wrong.empty()) return wrong;
  {
    std::unique_ptr<SimDisk> again = disk.Reboot(seed + 1);
    std::unique_ptr<LogHost> second = host->After(*again, true);
    std::string wrong = StartAndLook(*second);
    if (wrong.empty() && second->CountPutAside() != host->CountPutAside())
      wrong = "more was put aside";
    if (!wrong.empty()) return Told("after a second crash straight after the start", wrong);
  }
  if (std::string wrong = host->GoOn(); !wrong.empty()) return Told("going on", wrong);
  std::unique_ptr<SimDisk> again = disk.Reboot(seed + 2);
  return Told("after a later crash", StartAndLook(*host->After(*again, true)));
}

std::string Play::KillAndCheck(uint64_t seed) {
  std::unique_ptr<SimDisk> disk = disk_.KillProcess(seed);
  return Told("after the process was killed", CheckFrom(*disk, false, seed));
}

std::string Play::LosePowerAndCheck(uint64_t seed) {
  std::unique_ptr<SimDisk> disk = disk_.Reboot(seed);
  return Told("after the power was lost", CheckFrom(*disk, true, seed));
}

std::string Play::LosePowerAndCheck(uint64_t seed, uint64_t names_kept) {
  std::unique_ptr<SimDisk> disk = disk_.Reboot(seed, names_kept);
  return Told("after the power was lost, and names", CheckFrom(*disk, true, seed));
}

uint64_t Play::CallsOfStart(uint64_t seed) {
  std::unique_ptr<SimDisk> disk = disk_.Reboot(seed);
  (void)host_.After(*disk, true)->Start();
  return disk->call_count();
}

std::string Play::CrashWhileStarting(uint64_t seed, uint64_t n) {
  std::unique_ptr<SimDisk> disk = disk_.Reboot(seed);
  disk->CrashAfter(n);
  std::unique_ptr<LogHost> host = host_.After(*disk, true);
  (void)host->Start();
  if (!host->wrong().empty()) return Told("while starting", host->wrong());
  std::unique_ptr<SimDisk> next = disk->Reboot(seed + 3);
  return Told("after a crash during the start", StartAndLook(*host->After(*next, true)));
}

std::string Play::FailWhileStarting(uint64_t seed, uint64_t n, int error) {
  std::unique_ptr<SimDisk> disk = disk_.Reboot(seed);
  disk->FailCall(n, error);
  std::unique_ptr<LogHost> host = host_.After(*disk, true);
  (void)host->Start();
  if (!host->wrong().empty()) return Told("while starting", host->wrong());
  // Started or not, the next process of the same boot does.
  std::unique_ptr<SimDisk> next = disk->KillProcess(seed + 3);
  return Told("after an error during the start", StartAndLook(*host->After(*next, false)));
}

}  // namespace millrace::test
