// A bad disk for one process: loaded before libc (LD_PRELOAD), it makes chosen calls on chosen files fail or transfer
// less, by the rules in the file that MILLRACE_FAULTS names. The file is shared memory: faults.ts writes it while the
// process runs. Async-signal-safe and without locks; a rule is switched on last and off first.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum call { OPEN, READ, WRITE, FSYNC, FALLOCATE, FTRUNCATE, RENAME, SENDFILE, MMAP, CALLS };

struct rule {
  _Atomic uint32_t on;
  uint32_t calls;         // bit per enum call
  int32_t error;          // errno; 0: half of what was asked for is transferred
  _Atomic int32_t left;   // how many calls it still concerns; below 0: all
  _Atomic uint32_t hits;
  char path[108];         // part of the file's path
};

#define RULES 16
static struct rule* rules;

__attribute__((constructor)) static void load(void) {
  const char* path = getenv("MILLRACE_FAULTS");
  if (path == NULL) return;
  int file = open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void* memory = mmap(NULL, RULES * sizeof(struct rule), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory != MAP_FAILED) rules = memory;
}

// The rule that this call meets, counted; null for none.
static struct rule* met(enum call call, const char* path, int file) {
  char name[4096];
  if (rules == NULL) return NULL;
  for (int i = 0; i < RULES; i++) {
    struct rule* rule = &rules[i];
    if (!atomic_load(&rule->on) || !(rule->calls & (1u << call))) continue;
    if (path == NULL) {
      char link[40];
      snprintf(link, sizeof link, "/proc/self/fd/%d", file);
      ssize_t length = readlink(link, name, sizeof name - 1);
      if (length < 0) return NULL;
      name[length] = '\0';
      path = name;
    }
    if (strstr(path, rule->path) == NULL) continue;
    int32_t left = atomic_load(&rule->left);
    while (left > 0 && !atomic_compare_exchange_weak(&rule->left, &left, left - 1)) {
    }
    if (left == 0) continue;
    atomic_fetch_add(&rule->hits, 1);
    return rule;
  }
  return NULL;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL(call, path, file)                        \
  do {                                                \
    struct rule* rule = met(call, path, file);        \
    if (rule != NULL && rule->error != 0) {           \
      errno = rule->error;                            \
      return -1;                                      \
    }                                                 \
  } while (0)
#define TRANSFER(call, file, length)                  \
  do {                                                \
    struct rule* rule = met(call, NULL, file);        \
    if (rule != NULL && rule->error != 0) {           \
      errno = rule->error;                            \
      return -1;                                      \
    }                                                 \
    if (rule != NULL && (length) > 1) (length) /= 2;  \
  } while (0)

static mode_t mode_of(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  FAIL(OPEN, path, -1);
  return REAL(openat)(AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  FAIL(OPEN, path, -1);
  return REAL(openat)(AT_FDCWD, path, flags, mode);
}
ssize_t write(int file, const void* bytes, size_t length) {
  TRANSFER(WRITE, file, length);
  return REAL(write)(file, bytes, length);
}
ssize_t pwrite(int file, const void* bytes, size_t length, off_t at) {
  TRANSFER(WRITE, file, length);
  return REAL(pwrite)(file, bytes, length, at);
}
ssize_t pwrite64(int file, const void* bytes, size_t length, off_t at) {
  TRANSFER(WRITE, file, length);
  return REAL(pwrite)(file, bytes, length, at);
}
// Of several parts, half of all their bytes: the last of them may be cut.
static ssize_t write_parts(int file, const struct iovec* parts, int count, off_t at) {
  struct iovec kept[64];
  size_t length = 0;
  for (int i = 0; i < count; i++) length += parts[i].iov_len;
  const size_t asked = length;
  TRANSFER(WRITE, file, length);
  if (length == asked || count > 64) return REAL(pwritev)(file, parts, count, at);
  int last = 0;
  for (; length > parts[last].iov_len; last++) {
    kept[last] = parts[last];
    length -= parts[last].iov_len;
  }
  kept[last] = (struct iovec){parts[last].iov_base, length};
  return REAL(pwritev)(file, kept, last + 1, at);
}
ssize_t pwritev(int file, const struct iovec* parts, int count, off_t at) {
  return write_parts(file, parts, count, at);
}
ssize_t pwritev64(int file, const struct iovec* parts, int count, off_t at) {
  return write_parts(file, parts, count, at);
}
ssize_t read(int file, void* bytes, size_t length) {
  TRANSFER(READ, file, length);
  return REAL(read)(file, bytes, length);
}
ssize_t pread(int file, void* bytes, size_t length, off_t at) {
  TRANSFER(READ, file, length);
  return REAL(pread)(file, bytes, length, at);
}
ssize_t pread64(int file, void* bytes, size_t length, off_t at) {
  TRANSFER(READ, file, length);
  return REAL(pread)(file, bytes, length, at);
}
ssize_t preadv2(int file, const struct iovec* parts, int count, off_t at, int flags) {
  FAIL(READ, NULL, file);
  return REAL(preadv2)(file, parts, count, at, flags);
}
ssize_t preadv64v2(int file, const struct iovec* parts, int count, off_t at, int flags) {
  FAIL(READ, NULL, file);
  return REAL(preadv2)(file, parts, count, at, flags);
}
int fsync(int file) {
  FAIL(FSYNC, NULL, file);
  return REAL(fsync)(file);
}
// The name of the file that is mapped at an address.
static int mapped_name(void* address, char* name) {
  FILE* maps = fopen("/proc/self/maps", "re");
  char line[4200];
  int found = 0;
  while (maps != NULL && !found && fgets(line, sizeof line, maps) != NULL) {
    uintptr_t begin, end;
    name[0] = '\0';
    sscanf(line, "%lx-%lx %*s %*s %*s %*s %4095s", &begin, &end, name);
    found = (uintptr_t)address >= begin && (uintptr_t)address < end;
  }
  if (maps != NULL) fclose(maps);
  return found;
}
int msync(void* address, size_t length, int flags) {
  char name[4096];
  if (rules != NULL && mapped_name(address, name)) FAIL(FSYNC, name, -1);
  return REAL(msync)(address, length, flags);
}
int fdatasync(int file) {
  FAIL(FSYNC, NULL, file);
  return REAL(fdatasync)(file);
}
int fallocate(int file, int mode, off_t at, off_t length) {
  FAIL(FALLOCATE, NULL, file);
  return REAL(fallocate)(file, mode, at, length);
}
int fallocate64(int file, int mode, off_t at, off_t length) {
  FAIL(FALLOCATE, NULL, file);
  return REAL(fallocate)(file, mode, at, length);
}
int ftruncate(int file, off_t length) {
  FAIL(FTRUNCATE, NULL, file);
  return REAL(ftruncate)(file, length);
}
int ftruncate64(int file, off_t length) {
  FAIL(FTRUNCATE, NULL, file);
  return REAL(ftruncate)(file, length);
}
int rename(const char* from, const char* to) {
  FAIL(RENAME, from, -1);
  return REAL(rename)(from, to);
}
ssize_t sendfile(int to, int file, off_t* at, size_t length) {
  TRANSFER(SENDFILE, file, length);
  return REAL(sendfile)(to, file, at, length);
}
ssize_t sendfile64(int to, int file, off_t* at, size_t length) {
  TRANSFER(SENDFILE, file, length);
  return REAL(sendfile)(to, file, at, length);
}
void* mmap64(void* address, size_t length, int protection, int flags, int file, off_t at) {
  struct rule* rule = file < 0 ? NULL : met(MMAP, NULL, file);
  if (rule != NULL && rule->error != 0) {
    errno = rule->error;
    return MAP_FAILED;
  }
  return REAL(mmap)(address, length, protection, flags, file, at);
}
void* mmap(void* address, size_t length, int protection, int flags, int file, off_t at) {
  struct rule* rule = file < 0 ? NULL : met(MMAP, NULL, file);
  if (rule != NULL && rule->error != 0) {
    errno = rule->error;
    return MAP_FAILED;
  }
  return REAL(mmap)(address, length, protection, flags, file, at);
}
