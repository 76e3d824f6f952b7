// A library to preload (LD_PRELOAD) that gives a process a bad disk, a jumping wall clock and an
// address of its own. What it does is read, at every call, from a file that another process writes:
// MATRICULA_CHAOS_CONTROL names it, `struct control` is its layout (faults.py knows it, too).
// Without that variable it changes nothing.
//
// Disk: only regular files other than standard output and error. A delayed sync, an error of a
// write or of a sync, and a file system with so many bytes left. Besides, it notes how much of each
// file has been synced, so that a power failure can be played afterwards: whoever killed the
// process cuts the files to that. Clock: CLOCK_REALTIME is shifted; waits that are given a moment
// of it are shifted back, as the kernel knows nothing of the jump. Address: connections to
// 127.0.0.1 come from MATRICULA_CHAOS_SOURCE, another loopback address, by which a proxy knows who
// connects.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 16384
#define NS_PER_S 1000000000LL
// A moment after this is one of the wall clock; the monotonic one counts from the machine's start.
#define EARLIEST_WALL_S 1000000000LL

struct synced {
  _Atomic uint64_t inode;  // 0: a free slot
  _Atomic int64_t bytes;
};

struct control {
  _Atomic int64_t clock_offset_ns;
  _Atomic int64_t sync_delay_us;
  _Atomic int64_t limited;     // whether bytes_left counts
  _Atomic int64_t bytes_left;  // on the file system; a write beyond them: ENOSPC
  _Atomic int64_t write_errno;
  _Atomic int64_t sync_errno;
  struct synced synced[SLOTS];
};

static struct control* control;
static struct in_addr source;

// The next definition of a function, found once.
#define REAL(result, name, ...)                 \
  static result (*real)(__VA_ARGS__);           \
  if (real == NULL) {                           \
    *(void**)(&real) = dlsym(RTLD_NEXT, #name); \
  }

__attribute__((constructor)) static void begin(void) {
  const char* address = getenv("MATRICULA_CHAOS_SOURCE");
  if (address != NULL) inet_pton(AF_INET, address, &source);
  const char* path = getenv("MATRICULA_CHAOS_CONTROL");
  if (path == NULL) return;
  const int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void* memory = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory != MAP_FAILED) control = memory;
  close(file);
}

// ---- disk ----

static int is_disk_file(int file, struct stat* status) {
  return control != NULL && file > STDERR_FILENO && fstat(file, status) == 0 &&
         S_ISREG(status->st_mode);
}

static void note_synced(uint64_t inode, int64_t bytes, int is_new) {
  for (size_t i = 0; i < SLOTS; ++i) {
    struct synced* slot = &control->synced[(inode + i) % SLOTS];
    uint64_t found = 0;
    if (atomic_compare_exchange_strong(&slot->inode, &found, inode) || found == inode) {
      int64_t before = atomic_load(&slot->bytes);
      while ((is_new || before < bytes) &&
             !atomic_compare_exchange_weak(&slot->bytes, &before, bytes)) {
      }
      return;
    }
  }
}

// True: errno says why the write fails.
static int write_fails(int file, size_t bytes) {
  struct stat status;
  if (control == NULL || (control->write_errno == 0 && !control->limited)) return 0;
  if (!is_disk_file(file, &status)) return 0;
  if (control->write_errno != 0) {
    errno = (int)control->write_errno;
    return 1;
  }
  if (atomic_fetch_sub(&control->bytes_left, (int64_t)bytes) >= (int64_t)bytes) return 0;
  errno = ENOSPC;
  return 1;
}

ssize_t write(int file, const void* data, size_t size) {
  REAL(ssize_t, write, int, const void*, size_t)
  return write_fails(file, size) ? -1 : real(file, data, size);
}

ssize_t pwrite(int file, const void* data, size_t size, off_t offset) {
  REAL(ssize_t, pwrite, int, const void*, size_t, off_t)
  return write_fails(file, size) ? -1 : real(file, data, size, offset);
}

ssize_t pwrite64(int file, const void* data, size_t size, off64_t offset) {
  REAL(ssize_t, pwrite64, int, const void*, size_t, off64_t)
  return write_fails(file, size) ? -1 : real(file, data, size, offset);
}

ssize_t writev(int file, const struct iovec* parts, int count) {
  REAL(ssize_t, writev, int, const struct iovec*, int)
  size_t size = 0;
  for (int i = 0; i < count; ++i) size += parts[i].iov_len;
  return write_fails(file, size) ? -1 : real(file, parts, count);
}

static int synced(int file, int (*real)(int)) {
  struct stat status;
  if (!is_disk_file(file, &status)) return real(file);
  const int64_t delay_us = control->sync_delay_us;
  if (delay_us > 0) {
    const struct timespec pause = {delay_us / 1000000, delay_us % 1000000 * 1000};
    nanosleep(&pause, NULL);
  }
  if (control->sync_errno != 0) {
    errno = (int)control->sync_errno;
    return -1;
  }
  const int result = real(file);
  if (result == 0) note_synced(status.st_ino, status.st_size, 0);
  return result;
}

int fsync(int file) {
  REAL(int, fsync, int)
  return synced(file, real);
}

int fdatasync(int file) {
  REAL(int, fdatasync, int)
  return synced(file, real);
}

// Nothing of a new file is on the disk yet, whoever had its inode before.
static int opened(int file, int flags) {
  struct stat status;
  if (file >= 0 && (flags & O_CREAT) != 0 && is_disk_file(file, &status) && status.st_size == 0) {
    note_synced(status.st_ino, 0, 1);
  }
  return file;
}

static mode_t mode_of(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? (mode_t)va_arg(arguments, int) : 0;
}

#define OPEN(name)                                 \
  int name(const char* path, int flags, ...) {     \
    REAL(int, name, const char*, int, ...)         \
    va_list arguments;                             \
    va_start(arguments, flags);                    \
    const mode_t mode = mode_of(flags, arguments); \
    va_end(arguments);                             \
    return opened(real(path, flags, mode), flags); \
  }
OPEN(open)
OPEN(open64)

// ---- clock ----

static int64_t offset_ns(void) {
  return control == NULL ? 0 : atomic_load(&control->clock_offset_ns);
}

static void shift(struct timespec* time, int64_t by_ns) {
  const int64_t ns = time->tv_sec * NS_PER_S + time->tv_nsec + by_ns;
  time->tv_sec = ns / NS_PER_S;
  time->tv_nsec = ns % NS_PER_S;
}

int clock_gettime(clockid_t clock, struct timespec* time) {
  REAL(int, clock_gettime, clockid_t, struct timespec*)
  const int result = real(clock, time);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    shift(time, offset_ns());
  }
  return result;
}

int gettimeofday(struct timeval* restrict time, void* restrict zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != NULL) *out = now.tv_sec;
  return now.tv_sec;
}

// A moment of the shifted wall clock as the kernel knows it.
static const struct timespec* unshifted(const struct timespec* moment, struct timespec* buffer) {
  if (moment == NULL || offset_ns() == 0 || moment->tv_sec < EARLIEST_WALL_S) return moment;
  *buffer = *moment;
  shift(buffer, -offset_ns());
  return buffer;
}

int pthread_cond_timedwait(pthread_cond_t* restrict condition, pthread_mutex_t* restrict mutex,
                           const struct timespec* restrict until) {
  static int (*real)(pthread_cond_t*, pthread_mutex_t*, const struct timespec*);
  if (real == NULL) {
    // There is an older one of the same name.
    *(void**)(&real) = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
  }
  struct timespec buffer;
  return real(condition, mutex, unshifted(until, &buffer));
}

int sem_timedwait(sem_t* restrict semaphore, const struct timespec* restrict until) {
  REAL(int, sem_timedwait, sem_t*, const struct timespec*)
  struct timespec buffer;
  return real(semaphore, unshifted(until, &buffer));
}

// Abseil waits on futexes of its own.
long syscall(long number, ...) {
  REAL(long, syscall, long, ...)
  va_list arguments;
  va_start(arguments, number);
  long words[6];
  for (int i = 0; i < 6; ++i) words[i] = va_arg(arguments, long);
  va_end(arguments);
  struct timespec buffer;
  if (number == SYS_futex && (words[1] & FUTEX_CLOCK_REALTIME) != 0) {
    words[3] = (long)unshifted((const struct timespec*)words[3], &buffer);
  }
  return real(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

// ---- address ----

static void come_from_source(int file, const struct sockaddr* to) {
  const int yes = 1;
  setsockopt(file, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
  if (to->sa_family == AF_INET) {
    if (((const struct sockaddr_in*)to)->sin_addr.s_addr != htonl(INADDR_LOOPBACK)) return;
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = source};
    bind(file, (struct sockaddr*)&from, sizeof(from));
    return;
  }
  struct sockaddr_in6 from = {.sin6_family = AF_INET6,
                              .sin6_addr = ((const struct sockaddr_in6*)to)->sin6_addr};
  const in_addr_t loopback = htonl(INADDR_LOOPBACK);
  if (!IN6_IS_ADDR_V4MAPPED(&from.sin6_addr) ||
      memcmp(&from.sin6_addr.s6_addr[12], &loopback, sizeof(loopback)) != 0) {
    return;
  }
  memcpy(&from.sin6_addr.s6_addr[12], &source, sizeof(source));
  bind(file, (struct sockaddr*)&from, sizeof(from));
}

int connect(int file, const struct sockaddr* to, socklen_t size) {
  REAL(int, connect, int, const struct sockaddr*, socklen_t)
  if (source.s_addr != 0 && (to->sa_family == AF_INET || to->sa_family == AF_INET6)) {
    come_from_source(file, to);
  }
  return real(file, to, size);
}
