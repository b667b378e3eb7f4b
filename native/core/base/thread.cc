#include "core/base/thread.h"

#include <signal.h>

#include <initializer_list>
#include <memory>

namespace millrace {
namespace {

void* Run(void* argument) {
  std::unique_ptr<std::function<void()>> body(static_cast<std::function<void()>*>(argument));
  (*body)();
  return nullptr;
}

}  // namespace

Result<Thread> Thread::Start(const char* name, std::function<void()> body) {
  auto owned = std::make_unique<std::function<void()>>(std::move(body));
  sigset_t blocked;
  sigset_t previous;
  sigfillset(&blocked);
  for (int fault : {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT})
    sigdelset(&blocked, fault);
  pthread_sigmask(SIG_SETMASK, &blocked,
                  &previous);  // inherited, so that not even its first moment is exposed
  Thread thread;
  int failed = pthread_create(&thread.handle_, nullptr, &Run, owned.get());
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  if (failed != 0)
    return Status(Code::kNoMemory, failed);  // EAGAIN: out of threads or of memory for one
  thread.running_ = true;
  (void)owned.release();  // Run deletes it
  pthread_setname_np(thread.handle_, name);
  return thread;
}

}  // namespace millrace
