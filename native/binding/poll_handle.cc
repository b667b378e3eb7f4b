#include "binding/poll_handle.h"

#include "binding/environment.h"
#include "binding/thread_poll.h"
#include "binding/uv_poll.h"

namespace millrace {

Result<PollHandle::Pointer> PollHandle::Open(Environment& environment, int descriptor,
                                             Callback callback, void* context) {
  return environment.polls_by_threads()
             ? ThreadPoll::Open(environment, descriptor, callback, context)
             : UvPoll::Open(environment, descriptor, callback, context);
}

}  // namespace millrace
