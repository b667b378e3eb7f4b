#include "core/io/patient_poll.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace millrace {
namespace {

bool Control(int epoll, int operation, int fd, uint32_t events, uint64_t tag) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  return epoll_ctl(epoll, operation, fd, &event) == 0;
}

// Once it has told of the first, the outer set is silent until it is asked again.
constexpr uint32_t kOnce = uint32_t{EPOLLIN} | uint32_t{EPOLLONESHOT};

}  // namespace

Result<PatientPoll> PatientPoll::Create(int outer, uint64_t ready_tag, uint64_t due_tag,
                                        int64_t patience_ms) {
  UniqueFd inner(epoll_create1(EPOLL_CLOEXEC));
  if (!inner.valid()) return Status::FromErrno(errno);
  UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!timer.valid()) return Status::FromErrno(errno);
  if (!Control(outer, EPOLL_CTL_ADD, inner.get(), kOnce, ready_tag) ||
      !Control(outer, EPOLL_CTL_ADD, timer.get(), EPOLLIN, due_tag)) {
    return Status::FromErrno(errno);
  }
  return PatientPoll(std::move(inner), std::move(timer), outer, ready_tag, patience_ms);
}

void PatientPoll::OnReady() { Arm(patience_ms_ * 1'000'000); }

size_t PatientPoll::OnDue(std::span<epoll_event> into) {
  uint64_t fired;
  (void)!read(timer_.get(), &fired, sizeof fired);
  const int count = epoll_wait(inner_.get(), into.data(), static_cast<int>(into.size()), 0);
  const size_t ready = count > 0 ? static_cast<size_t>(count) : 0;
  if (ready < into.size()) {
    (void)Control(outer_, EPOLL_CTL_MOD, inner_.get(), kOnce, ready_tag_);
  } else {
    Arm(1);  // the rest comes with the next turn, behind the other sockets
  }
  return ready;
}

void PatientPoll::Arm(int64_t wait_nanos) {
  itimerspec spec{};
  spec.it_value.tv_sec = wait_nanos / 1'000'000'000;
  spec.it_value.tv_nsec = wait_nanos % 1'000'000'000;
  (void)timerfd_settime(timer_.get(), 0, &spec, nullptr);
}

}  // namespace millrace
