// The kernel and libc, as the rooms of Omega see them: static inlines only, so that Embedded
// Swift (which has no Glibc module) and ordinary Swift read the same declarations.
//
// Conventions: functions that wrap a system call return its result, or -errno when it fails.
// Nothing here allocates, locks or keeps state.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <malloc.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// MARK: Memory

static inline void *_Nullable platform_malloc(size_t n) { return malloc(n); }
static inline void *_Nullable platform_calloc(size_t n, size_t size) { return calloc(n, size); }
static inline void *_Nullable platform_realloc(void *_Nullable p, size_t n) { return realloc(p, n); }
static inline void platform_free(void *_Nullable p) { free(p); }
/// Memory aligned to `alignment` (a power of two), or NULL.
static inline void *_Nullable platform_aligned_alloc(size_t alignment, size_t n) {
  void *p = NULL;
  return posix_memalign(&p, alignment, n) == 0 ? p : NULL;
}
/// Bytes that a block from malloc really has, at least as many as were asked for.
static inline size_t platform_usable_size(void *_Nonnull p) { return malloc_usable_size(p); }
static inline int platform_compare(const void *_Nonnull a, const void *_Nonnull b, size_t n) {
  return memcmp(a, b, n);
}
static inline void platform_zero(void *_Nonnull p, size_t n) { memset(p, 0, n); }
static inline void platform_fill(void *_Nonnull p, int byte, size_t n) { memset(p, byte, n); }
static inline void platform_copy(void *_Nonnull to, const void *_Nonnull from, size_t n) {
  memcpy(to, from, n);
}
/// The same for ranges that may overlap.
static inline void platform_move(void *_Nonnull to, const void *_Nonnull from, size_t n) {
  memmove(to, from, n);
}
static inline bool platform_has_byte(const void *_Nonnull p, int byte, size_t n) {
  return memchr(p, byte, n) != NULL;
}
/// Whether the `n` bytes at `p` have `text` among them.
static inline bool platform_has_text(
    const void *_Nonnull p, size_t n, const char *_Nonnull text) {
  return memmem(p, n, text, strlen(text)) != NULL;
}
static inline size_t platform_string_length(const char *_Nonnull s) { return strlen(s); }
static inline int platform_string_compare(const char *_Nonnull a, const char *_Nonnull b) {
  return strcmp(a, b);
}

/// Whether OMEGA_PERF, a list of words with commas between them, names a switch.
static inline bool platform_is_switched_off(const char *_Nonnull name) {
  const char *rest = getenv("OMEGA_PERF");
  size_t length = strlen(name);
  while (rest != NULL) {
    if (strncmp(rest, name, length) == 0 && (rest[length] == ',' || rest[length] == 0)) return true;
    rest = strchr(rest, ',');
    if (rest != NULL) rest++;
  }
  return false;
}
/// Whether `s` has `part` in it.
static inline bool platform_contains(const char *_Nonnull s, const char *_Nonnull part) {
  return strstr(s, part) != NULL;
}

static inline float platform_sin(float radians) { return __builtin_sinf(radians); }
static inline float platform_cos(float radians) { return __builtin_cosf(radians); }

// MARK: Products in GF(2^8), for erasure codes

/// `to[i] ^= c * from[i]` for the first `n` bytes, as far as whole vectors go; how many that were, 0
/// where the processor has no shuffle of bytes. `tables`: the products of c with 0x00 … 0x0F, then with
/// 0x00, 0x10 … 0xF0. Shuffles are beyond what loops of Swift are compiled to.
#if defined(__x86_64__)
__attribute__((target("avx2"))) static inline size_t platform_add_products_32(
    uint8_t *_Nonnull to, const uint8_t *_Nonnull from, const uint8_t *_Nonnull tables, size_t n) {
  typedef char vector __attribute__((vector_size(32), aligned(1), may_alias));
  typedef unsigned short words __attribute__((vector_size(32)));
  vector low, high, mask;
  for (int half = 0; half < 32; half += 16) {
    memcpy((char *)&low + half, tables, 16);
    memcpy((char *)&high + half, tables + 16, 16);
  }
  memset(&mask, 0x0F, sizeof mask);
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    vector x = *(const vector *)(from + i);
    vector upper = (vector)((words)x >> 4) & mask;
    *(vector *)(to + i) ^=
        __builtin_ia32_pshufb256(low, x & mask) ^ __builtin_ia32_pshufb256(high, upper);
  }
  return i;
}
__attribute__((target("ssse3"))) static inline size_t platform_add_products_16(
    uint8_t *_Nonnull to, const uint8_t *_Nonnull from, const uint8_t *_Nonnull tables, size_t n) {
  typedef char vector __attribute__((vector_size(16), aligned(1), may_alias));
  typedef unsigned short words __attribute__((vector_size(16)));
  vector low, high, mask;
  memcpy(&low, tables, 16);
  memcpy(&high, tables + 16, 16);
  memset(&mask, 0x0F, sizeof mask);
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    vector x = *(const vector *)(from + i);
    vector upper = (vector)((words)x >> 4) & mask;
    *(vector *)(to + i) ^=
        __builtin_ia32_pshufb128(low, x & mask) ^ __builtin_ia32_pshufb128(high, upper);
  }
  return i;
}
static inline size_t platform_add_products(uint8_t *_Nonnull to, const uint8_t *_Nonnull from,
                                           const uint8_t *_Nonnull tables, size_t n) {
  if (__builtin_cpu_supports("avx2")) return platform_add_products_32(to, from, tables, n);
  if (__builtin_cpu_supports("ssse3")) return platform_add_products_16(to, from, tables, n);
  return 0;
}
#else
static inline size_t platform_add_products(uint8_t *_Nonnull to, const uint8_t *_Nonnull from,
                                           const uint8_t *_Nonnull tables, size_t n) {
  (void)to, (void)from, (void)tables, (void)n;
  return 0;
}
#endif

/// A new memfd, close-on-exec and sealable; -errno on failure. `memfd_create(2)`.
static inline int platform_memfd(const char *_Nonnull name) {
  int fd = (int)syscall(SYS_memfd_create, name, 0x0001u | 0x0002u);  // CLOEXEC | ALLOW_SEALING
  return fd < 0 ? -errno : fd;
}
static inline int platform_resize(int fd, uint64_t size) {
  return ftruncate(fd, (off_t)size) == 0 ? 0 : -errno;
}
/// Seals a memfd against changes of its size, and against further seals.
static inline int platform_seal_size(int fd) {
  return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0 ? 0 : -errno;
}
/// True when `fd` can neither shrink nor grow, so that a mapping of it cannot fault.
static inline bool platform_size_is_sealed(int fd) {
  int seals = fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) == (F_SEAL_SHRINK | F_SEAL_GROW);
}
/// Size of a file in bytes; -errno on failure.
static inline int64_t platform_file_size(int fd) {
  struct stat s;
  return fstat(fd, &s) == 0 ? (int64_t)s.st_size : -errno;
}
/// Maps `size` bytes of `fd` at `offset`, shared, readable and writable; NULL on failure.
static inline void *_Nullable platform_map_shared(int fd, uint64_t offset, size_t size) {
  void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)offset);
  return p == MAP_FAILED ? NULL : p;
}
/// Maps `size` bytes of private zeroed memory; NULL on failure.
static inline void *_Nullable platform_map_private(size_t size) {
  void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? NULL : p;
}
static inline int platform_unmap(void *_Nonnull p, size_t size) {
  return munmap(p, size) == 0 ? 0 : -errno;
}
/// Takes `size` bytes of address space that nothing else will be mapped into; NULL on failure.
static inline void *_Nullable platform_reserve(size_t size) {
  void *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? NULL : p;
}
/// As `platform_map_shared`, in the place of reserved address space; 0 or -errno.
static inline int platform_map_shared_at(void *_Nonnull place, int fd, uint64_t offset,
                                         size_t size) {
  void *p = mmap(place, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd,
                 (off_t)offset);
  return p == MAP_FAILED ? -errno : 0;
}
/// Takes a mapping away and keeps its address space reserved, in one step; 0 or -errno.
static inline int platform_unmap_to_reserved(void *_Nonnull place, size_t size) {
  void *p = mmap(place, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
                 -1, 0);
  return p == MAP_FAILED ? -errno : 0;
}
/// Gives the pages of a range of a memfd back to the kernel; they read as zeros again.
static inline int platform_punch_hole(int fd, uint64_t offset, uint64_t size) {
  return fallocate(fd, 0x01 | 0x02, (off_t)offset, (off_t)size) == 0 ? 0 : -errno;
}

// MARK: Atomics on shared memory

static inline uint32_t platform_load32(const uint32_t *_Nonnull p) {
  return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}
static inline uint64_t platform_load64(const uint64_t *_Nonnull p) {
  return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}
static inline uint32_t platform_load32_relaxed(const uint32_t *_Nonnull p) {
  return __atomic_load_n(p, __ATOMIC_RELAXED);
}
static inline uint64_t platform_load64_relaxed(const uint64_t *_Nonnull p) {
  return __atomic_load_n(p, __ATOMIC_RELAXED);
}
static inline void platform_store32(uint32_t *_Nonnull p, uint32_t v) {
  __atomic_store_n(p, v, __ATOMIC_RELEASE);
}
static inline void platform_store64(uint64_t *_Nonnull p, uint64_t v) {
  __atomic_store_n(p, v, __ATOMIC_RELEASE);
}
static inline uint32_t platform_load32_seq(const uint32_t *_Nonnull p) {
  return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}
static inline uint64_t platform_load64_seq(const uint64_t *_Nonnull p) {
  return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}
static inline void platform_store32_seq(uint32_t *_Nonnull p, uint32_t v) {
  __atomic_store_n(p, v, __ATOMIC_SEQ_CST);
}
static inline void platform_store64_seq(uint64_t *_Nonnull p, uint64_t v) {
  __atomic_store_n(p, v, __ATOMIC_SEQ_CST);
}
/// Adds and returns the value before.
static inline uint32_t platform_add32(uint32_t *_Nonnull p, uint32_t v) {
  return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);
}
static inline uint64_t platform_add64(uint64_t *_Nonnull p, uint64_t v) {
  return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);
}
static inline void platform_add64_relaxed(uint64_t *_Nonnull p, uint64_t v) {
  __atomic_fetch_add(p, v, __ATOMIC_RELAXED);
}
static inline uint32_t platform_or32(uint32_t *_Nonnull p, uint32_t v) {
  return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST);
}
static inline uint32_t platform_exchange32(uint32_t *_Nonnull p, uint32_t v) {
  return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);
}
static inline bool platform_compare_exchange32(uint32_t *_Nonnull p, uint32_t expected,
                                               uint32_t desired) {
  return __atomic_compare_exchange_n(p, &expected, desired, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST);
}
static inline bool platform_compare_exchange64(uint64_t *_Nonnull p, uint64_t expected,
                                               uint64_t desired) {
  return __atomic_compare_exchange_n(p, &expected, desired, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST);
}
/// Raises `*p` to at least `v`; returns true when it was lower.
static inline bool platform_max64(uint64_t *_Nonnull p, uint64_t v) {
  uint64_t old = __atomic_load_n(p, __ATOMIC_RELAXED);
  while (old < v) {
    if (__atomic_compare_exchange_n(p, &old, v, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
      return true;
    }
  }
  return false;
}
static inline void platform_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static inline void platform_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}
static inline void platform_yield(void) { sched_yield(); }

/// Processors that this process may use, at least 1.
static inline int32_t platform_processor_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : count;
}

// MARK: Futex (process-shared)

/// Sleeps while `*p == expected`, at most `nanoseconds` (UINT64_MAX = no limit).
/// 0 when woken, -EAGAIN when the value differs, -ETIMEDOUT, -EINTR. `futex(2)`.
static inline int platform_futex_wait(const uint32_t *_Nonnull p, uint32_t expected,
                                      uint64_t nanoseconds) {
  struct timespec t = {.tv_sec = (time_t)(nanoseconds / 1000000000ull),
                       .tv_nsec = (long)(nanoseconds % 1000000000ull)};
  long r = syscall(SYS_futex, p, FUTEX_WAIT, expected, nanoseconds == UINT64_MAX ? NULL : &t,
                   NULL, 0);
  return r == 0 ? 0 : -errno;
}
/// Wakes up to `count` sleepers of `p`.
static inline int platform_futex_wake(const uint32_t *_Nonnull p, int count) {
  long r = syscall(SYS_futex, p, FUTEX_WAKE, count, NULL, NULL, 0);
  return r >= 0 ? (int)r : -errno;
}

// MARK: Locks, for one process. A lock is raw memory of `platform_lock_size` bytes.

#define platform_lock_size ((size_t)64)
_Static_assert(sizeof(pthread_mutex_t) <= 64, "a lock fits its slot");
static inline void platform_lock_init(void *_Nonnull l) {
  pthread_mutex_init((pthread_mutex_t *)l, NULL);
}
static inline void platform_lock(void *_Nonnull l) { pthread_mutex_lock((pthread_mutex_t *)l); }
static inline bool platform_try_lock(void *_Nonnull l) {
  return pthread_mutex_trylock((pthread_mutex_t *)l) == 0;
}
static inline void platform_unlock(void *_Nonnull l) { pthread_mutex_unlock((pthread_mutex_t *)l); }

// MARK: Threads

/// Starts a detached thread with every signal blocked, a small stack and a name (15 bytes).
/// 0, or -errno.
static inline int platform_thread_start(void *_Nullable (*_Nonnull body)(void *_Nullable),
                                        void *_Nullable argument, size_t stack,
                                        const char *_Nonnull name) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  if (stack != 0) pthread_attr_setstacksize(&attributes, stack);
  pthread_t thread;
  int r = pthread_create(&thread, &attributes, body, argument);
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (r != 0) return -r;
  char shortName[16] = {0};
  strncpy(shortName, name, 15);
  pthread_setname_np(thread, shortName);
  return 0;
}
/// A new key for `platform_thread_value`; UINT32_MAX when there is none left. `destructor` is called
/// with a thread's value when the thread ends.
static inline uint32_t platform_thread_key(void (*_Nullable destructor)(void *_Nullable)) {
  pthread_key_t key;
  return pthread_key_create(&key, destructor) == 0 ? (uint32_t)key : UINT32_MAX;
}
/// The calling thread's value of a key; NULL for a key that does not exist.
static inline void *_Nullable platform_thread_value(uint32_t key) {
  return pthread_getspecific((pthread_key_t)key);
}
static inline bool platform_set_thread_value(uint32_t key, const void *_Nullable value) {
  return pthread_setspecific((pthread_key_t)key, value) == 0;
}
/// Has `body` called in every child of fork, by its one thread.
static inline void platform_at_fork_child(void (*_Nonnull body)(void)) {
  pthread_atfork(NULL, NULL, body);
}
static inline void platform_sleep(uint64_t nanoseconds) {
  struct timespec t = {.tv_sec = (time_t)(nanoseconds / 1000000000ull),
                       .tv_nsec = (long)(nanoseconds % 1000000000ull)};
  while (nanosleep(&t, &t) != 0 && errno == EINTR) {
  }
}
/// CLOCK_MONOTONIC in nanoseconds.
static inline uint64_t platform_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}
/// CPU time of this thread in nanoseconds.
static inline uint64_t platform_thread_time(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}
/// CPU time of this process in nanoseconds, all threads.
static inline uint64_t platform_cpu_time(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}
static inline int platform_pid(void) { return (int)getpid(); }
static inline uint32_t platform_uid(void) { return (uint32_t)getuid(); }
static inline const char *_Nullable platform_getenv(const char *_Nonnull name) {
  return getenv(name);
}
/// Sets or, with NULL, removes a variable of the environment; while the process has one thread.
static inline void platform_setenv(const char *_Nonnull name, const char *_Nullable value) {
  if (value != NULL) {
    setenv(name, value, 1);
  } else {
    unsetenv(name);
  }
}
/// Ends the process at once, without running what is registered for its end.
static inline void platform_exit(int status) { _exit(status); }
/// getenv, but NULL in a set-user-ID program.
static inline const char *_Nullable platform_secure_getenv(const char *_Nonnull name) {
  return secure_getenv(name);
}

/// The process' environment: "NAME=value", then NULL.
static inline char *_Nullable *_Nullable platform_environment(void) {
  extern char **environ;
  return environ;
}

// MARK: Files and sockets

static inline int64_t platform_read(int fd, void *_Nonnull p, size_t n) {
  ssize_t r;
  do { r = read(fd, p, n); } while (r < 0 && errno == EINTR);
  return r >= 0 ? r : -errno;
}
static inline int64_t platform_write(int fd, const void *_Nonnull p, size_t n) {
  ssize_t r;
  do { r = write(fd, p, n); } while (r < 0 && errno == EINTR);
  return r >= 0 ? r : -errno;
}
static inline int platform_close(int fd) { return close(fd) == 0 ? 0 : -errno; }
static inline int platform_open(const char *_Nonnull path, int flags, int mode) {
  int fd = open(path, flags | O_CLOEXEC, mode);
  return fd >= 0 ? fd : -errno;
}
/// 0 or a negative errno.
static inline int platform_rename(const char *_Nonnull from, const char *_Nonnull to) {
  return rename(from, to) == 0 ? 0 : -errno;
}
/// Writes to standard error, whole or not at all where the kernel lets it.
static inline void platform_stderr(const char *_Nonnull p, size_t n) {
  ssize_t r = write(2, p, n);
  (void)r;
}
/// A connected pair of SOCK_STREAM unix sockets, close-on-exec.
static inline int platform_socketpair(int *_Nonnull a, int *_Nonnull b) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) return -errno;
  *a = fds[0];
  *b = fds[1];
  return 0;
}
static inline int platform_unix_address(struct sockaddr_un *_Nonnull address,
                                        const char *_Nonnull path, socklen_t *_Nonnull length) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  size_t n = strlen(path);
  if (n >= sizeof address->sun_path) return -ENAMETOOLONG;
  memcpy(address->sun_path, path, n + 1);
  if (path[0] == '@') address->sun_path[0] = 0;  // abstract
  *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (path[0] == '@' ? 0 : 1));
  return 0;
}
/// A stream socket connected to a unix path ("@name" is abstract); fd or -errno.
static inline int platform_unix_connect(const char *_Nonnull path) {
  struct sockaddr_un address;
  socklen_t length;
  int r = platform_unix_address(&address, path, &length);
  if (r != 0) return r;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  do { r = connect(fd, (struct sockaddr *)&address, length); } while (r != 0 && errno == EINTR);
  if (r != 0) {
    int e = errno;
    close(fd);
    return -e;
  }
  return fd;
}
/// A listening unix socket at `path`, mode 0600; fd or -errno. An old file there must be removed first.
static inline int platform_unix_listen(const char *_Nonnull path, int backlog) {
  struct sockaddr_un address;
  socklen_t length;
  int r = platform_unix_address(&address, path, &length);
  if (r != 0) return r;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  mode_t before = umask(0177);
  r = bind(fd, (struct sockaddr *)&address, length);
  int e = errno;
  umask(before);
  if (r == 0 && listen(fd, backlog) == 0) return fd;
  if (r == 0) e = errno;
  close(fd);
  return -e;
}
static inline int platform_accept(int fd) {
  int r;
  do { r = accept4(fd, NULL, NULL, SOCK_CLOEXEC); } while (r < 0 && errno == EINTR);
  return r >= 0 ? r : -errno;
}
/// User id of the process at the other end of a unix socket; -errno on failure.
static inline int64_t platform_peer_uid(int fd) {
  struct ucred c;
  socklen_t n = sizeof c;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n) == 0 ? (int64_t)c.uid : -errno;
}
static inline int64_t platform_peer_pid(int fd) {
  struct ucred c;
  socklen_t n = sizeof c;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n) == 0 ? (int64_t)c.pid : -errno;
}
/// Sends bytes, never raising SIGPIPE; the count sent, or -errno.
static inline int64_t platform_send(int fd, const void *_Nonnull p, size_t n) {
  ssize_t r;
  do { r = send(fd, p, n, MSG_NOSIGNAL); } while (r < 0 && errno == EINTR);
  return r >= 0 ? r : -errno;
}
/// Sends bytes with up to 16 descriptors (SCM_RIGHTS) attached to the first of them.
static inline int64_t platform_send_fds(int fd, const void *_Nonnull p, size_t n,
                                        const int *_Nullable fds, int count) {
  if (count < 0 || count > 16) return -EINVAL;
  struct iovec v = {.iov_base = (void *)p, .iov_len = n};
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(16 * sizeof(int))];
  } control;
  memset(&control, 0, sizeof control);
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
  if (count > 0) {
    m.msg_control = control.room;
    m.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(h), fds, (size_t)count * sizeof(int));
  }
  ssize_t r;
  do { r = sendmsg(fd, &m, MSG_NOSIGNAL); } while (r < 0 && errno == EINTR);
  return r >= 0 ? r : -errno;
}
/// Sends up to `pieces` vectors in one call, with up to 16 descriptors attached to the first byte,
/// never raising SIGPIPE; the count sent, or -errno.
static inline int64_t platform_send_vectors(int fd, struct iovec *_Nonnull vectors, int pieces,
                                            const int *_Nullable fds, int count) {
  if (count < 0 || count > 16 || pieces < 0) return -EINVAL;
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(16 * sizeof(int))];
  } control;
  struct msghdr m = {.msg_iov = vectors, .msg_iovlen = (size_t)pieces};
  if (count > 0) {
    memset(&control, 0, sizeof control);
    m.msg_control = control.room;
    m.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(h), fds, (size_t)count * sizeof(int));
  }
  ssize_t r;
  do { r = sendmsg(fd, &m, MSG_NOSIGNAL); } while (r < 0 && errno == EINTR);
  return r >= 0 ? r : -errno;
}
/// Receives what is there without waiting, into one buffer; the count (0 = closed), or -errno.
static inline int64_t platform_receive_now(int fd, void *_Nonnull p, size_t n) {
  ssize_t r;
  do { r = recv(fd, p, n, MSG_DONTWAIT); } while (r < 0 && errno == EINTR);
  return r >= 0 ? r : -errno;
}
/// Waits until `fd` has one of `events` (POLLIN, POLLOUT), at most `milliseconds` (-1 = no limit).
/// The events that came (POLLHUP and POLLERR among them), 0 at the limit, or -errno.
static inline int platform_poll(int fd, int events, int milliseconds) {
  struct pollfd p = {.fd = fd, .events = (short)events};
  int r = poll(&p, 1, milliseconds);
  if (r < 0) return errno == EINTR ? 0 : -errno;
  return r == 0 ? 0 : p.revents;
}
/// Ends both directions of a socket: whoever reads or writes it, in any thread, comes back.
static inline void platform_shutdown(int fd) { shutdown(fd, SHUT_RDWR); }
/// The text of an errno, for messages.
static inline const char *_Nonnull platform_error_text(int error) { return strerror(error); }
/// Receives bytes and up to `room` descriptors, which arrive close-on-exec; `*count` says how many
/// came. The byte count (0 = closed), or -errno. Descriptors beyond `room` are closed.
static inline int64_t platform_receive_fds(int fd, void *_Nonnull p, size_t n, int *_Nonnull fds,
                                           int room, int *_Nonnull count, bool wait) {
  struct iovec v = {.iov_base = p, .iov_len = n};
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(16 * sizeof(int))];
  } control;
  struct msghdr m = {.msg_iov = &v,
                     .msg_iovlen = 1,
                     .msg_control = control.room,
                     .msg_controllen = sizeof control.room};
  *count = 0;
  ssize_t r;
  do {
    r = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
  } while (r < 0 && errno == EINTR);
  if (r < 0) return -errno;
  for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h != NULL; h = CMSG_NXTHDR(&m, h)) {
    if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
    size_t got = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < got; i++) {
      int one;
      memcpy(&one, CMSG_DATA(h) + i * sizeof(int), sizeof one);
      if (*count < room) {
        fds[(*count)++] = one;
      } else {
        close(one);
      }
    }
  }
  return r;
}
/// True when the other end of a stream socket is gone.
static inline bool platform_peer_is_gone(int fd) {
  char c;
  ssize_t r = recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);
  return r == 0 || (r < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

// MARK: Datagrams

/// Sends up to 64 datagrams that lie behind each other in `bytes`, without waiting, to `peer`, or with
/// NULL to whom the socket is connected to. With `segmented` neighbours of one size go to the kernel as
/// one (UDP_SEGMENT, Linux 4.18). How many were sent, or -errno when not even the first was.
static inline int platform_send_datagrams(int fd, const uint8_t *_Nonnull bytes,
                                          const uint32_t *_Nonnull sizes, unsigned count,
                                          const void *_Nullable peer, socklen_t peerLength,
                                          bool segmented) {
  enum { most = 64 };
  struct mmsghdr messages[most];
  struct iovec vectors[most];
  unsigned covered[most];
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(uint16_t))];
  } controls[most];
  if (count > most) count = most;
  memset(messages, 0, sizeof messages);
  unsigned made = 0;
  for (unsigned i = 0; i < count;) {
    unsigned run = 1;
    size_t length = sizes[i];
    // All of a run but its last are of one size; a run is no longer than a datagram may be.
    while (segmented && i + run < count && sizes[i + run - 1] == sizes[i] &&
           sizes[i + run] <= sizes[i] && length + sizes[i + run] <= 65000) {
      length += sizes[i + run++];
    }
    struct msghdr *m = &messages[made].msg_hdr;
    vectors[made] = (struct iovec){.iov_base = (void *)bytes, .iov_len = length};
    m->msg_iov = &vectors[made];
    m->msg_iovlen = 1;
    m->msg_name = (void *)peer;
    m->msg_namelen = peer != NULL ? peerLength : 0;
    if (run > 1) {
      memset(&controls[made], 0, sizeof controls[made]);
      m->msg_control = controls[made].room;
      m->msg_controllen = sizeof controls[made].room;
      struct cmsghdr *h = CMSG_FIRSTHDR(m);
      h->cmsg_level = IPPROTO_UDP;
      h->cmsg_type = 103;  // UDP_SEGMENT
      h->cmsg_len = CMSG_LEN(sizeof(uint16_t));
      uint16_t size = (uint16_t)sizes[i];
      memcpy(CMSG_DATA(h), &size, sizeof size);
    }
    covered[made++] = run;
    bytes += length;
    i += run;
  }
  int r;
  do { r = sendmmsg(fd, messages, made, MSG_DONTWAIT | MSG_NOSIGNAL); } while (r < 0 && errno == EINTR);
  if (r < 0) return -errno;
  int sent = 0;
  for (int i = 0; i < r; i++) sent += (int)covered[i];
  return sent;
}
/// Receives up to 64 datagrams without waiting: datagram i goes to `bytes + i * stride`, its size, at most
/// `stride`, and its sender's address to place i of the others. A datagram that was longer has size 0.
/// How many there were, or -errno.
static inline int platform_receive_datagrams(int fd, uint8_t *_Nonnull bytes, size_t stride,
                                             uint32_t *_Nonnull sizes,
                                             struct sockaddr_storage *_Nonnull peers,
                                             socklen_t *_Nonnull peerLengths, unsigned count) {
  enum { most = 64 };
  struct mmsghdr messages[most];
  struct iovec vectors[most];
  if (count > most) count = most;
  memset(messages, 0, sizeof messages);
  for (unsigned i = 0; i < count; i++) {
    vectors[i] = (struct iovec){.iov_base = bytes + i * stride, .iov_len = stride};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    messages[i].msg_hdr.msg_name = &peers[i];
    messages[i].msg_hdr.msg_namelen = sizeof peers[i];
  }
  int r;
  do { r = recvmmsg(fd, messages, count, MSG_DONTWAIT, NULL); } while (r < 0 && errno == EINTR);
  if (r < 0) return -errno;
  for (int i = 0; i < r; i++) {
    bool isCut = (messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
    sizes[i] = isCut ? 0 : messages[i].msg_len;
    peerLengths[i] = messages[i].msg_hdr.msg_namelen;
  }
  return r;
}

/// True when a socket is a unix one, over which descriptors can travel.
static inline bool platform_is_unix_socket(int fd) {
  struct sockaddr_storage address;
  socklen_t n = sizeof address;
  return getsockname(fd, (struct sockaddr *)&address, &n) == 0 && address.ss_family == AF_UNIX;
}
/// A second descriptor of the same file, close-on-exec; -errno on failure.
static inline int platform_duplicate(int fd) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  return copy >= 0 ? copy : -errno;
}
/// An event: a descriptor that is readable once `platform_event_set` was called.
static inline int platform_event(void) {
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return fd >= 0 ? fd : -errno;
}
static inline void platform_event_set(int fd) {
  uint64_t one = 1;
  ssize_t r = write(fd, &one, sizeof one);
  (void)r;
}
static inline void platform_event_clear(int fd) {
  uint64_t count;
  ssize_t r = read(fd, &count, sizeof count);
  (void)r;
}
/// Waits until `a` or `b` can be read, at most `nanoseconds` (UINT64_MAX = no limit). Bit 0: `a` is
/// ready, bit 1: `b`; 0 when neither is, or a signal came. A descriptor of -1 is left out.
static inline unsigned platform_poll_either(int a, int b, uint64_t nanoseconds) {
  struct pollfd fds[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
  struct timespec t = {.tv_sec = (time_t)(nanoseconds / 1000000000ull),
                       .tv_nsec = (long)(nanoseconds % 1000000000ull)};
  if (ppoll(fds, 2, nanoseconds == UINT64_MAX ? NULL : &t, NULL) <= 0) return 0;
  return (fds[0].revents != 0 ? 1u : 0u) | (fds[1].revents != 0 ? 2u : 0u);
}

// MARK: Written pages (userfaultfd WP_ASYNC and PAGEMAP_SCAN, Linux 6.7)

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

struct platform_page_region {
  uint64_t start, end, categories;
};
struct platform_pagemap_scan {
  uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
  uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define PLATFORM_PAGEMAP_SCAN _IOWR('f', 16, struct platform_pagemap_scan)

/// A userfaultfd with asynchronous write protection for shared memory; fd, or -errno where the
/// kernel has none.
static inline int platform_uffd_open(void) {
  int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
  if (fd < 0) return -errno;
  // WP_HUGETLBFS_SHMEM (1<<12) | WP_UNPOPULATED (1<<13) | WP_ASYNC (1<<15)
  struct uffdio_api api = {.api = UFFD_API, .features = (1ull << 12) | (1ull << 13) | (1ull << 15)};
  if (ioctl(fd, UFFDIO_API, &api) != 0) {
    int e = errno;
    close(fd);
    return -e;
  }
  return fd;
}
/// A userfaultfd that reports writes to shared memory to a thread (Linux 5.19), those of the kernel
/// in system calls included: the one for user mode alone makes read(2) into protected memory fail.
/// It is there with vm.unprivileged_userfaultfd, with CAP_SYS_PTRACE, or to who may open
/// /dev/userfaultfd; fd, or -errno.
static inline int platform_uffd_open_synchronous(void) {
  int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    if (device < 0) return -errno;
    fd = ioctl(device, _IO(0xAA, 0x00), O_CLOEXEC | O_NONBLOCK);  // USERFAULTFD_IOC_NEW
    int e = errno;
    close(device);
    if (fd < 0) return -e;
  }
  // PAGEFAULT_FLAG_WP (1<<0) | WP_HUGETLBFS_SHMEM (1<<12)
  struct uffdio_api api = {.api = UFFD_API, .features = (1ull << 0) | (1ull << 12)};
  if (ioctl(fd, UFFDIO_API, &api) != 0) {
    int e = errno;
    close(fd);
    return -e;
  }
  return fd;
}
/// Waits for write faults, or until `stop` is readable. Fills in up to `room` addresses; their
/// number, 0 when there is to be a stop, or -errno.
static inline int platform_uffd_faults(int uffd, int stop, uint64_t *_Nonnull addresses,
                                       size_t room) {
  struct uffd_msg messages[32];
  if (room > 32) room = 32;
  while (1) {
    struct pollfd p[2] = {{.fd = stop, .events = POLLIN}, {.fd = uffd, .events = POLLIN}};
    if (poll(p, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return -errno;
    }
    if (p[0].revents != 0) return 0;
    if ((p[1].revents & (POLLERR | POLLNVAL)) != 0) return -EIO;
    ssize_t n = read(uffd, messages, room * sizeof messages[0]);
    if (n < 0) {
      if (errno == EAGAIN || errno == EINTR) continue;
      return -errno;
    }
    int count = 0;
    for (size_t i = 0; i < (size_t)n / sizeof messages[0]; i++) {
      if (messages[i].event == UFFD_EVENT_PAGEFAULT) {
        addresses[count++] = messages[i].arg.pagefault.address;
      }
    }
    if (count > 0) return count;
  }
}
/// Lets the page be written, and whoever waits for that go on.
static inline void platform_uffd_release(int uffd, uint64_t page, size_t n) {
  struct uffdio_writeprotect w = {.range = {.start = page, .len = n}, .mode = 0};
  while (ioctl(uffd, UFFDIO_WRITEPROTECT, &w) != 0 && errno == EAGAIN) {
  }
  // Wakes also who faulted in memory that is protected no more, or gone.
  struct uffdio_range r = {.start = page, .len = n};
  ioctl(uffd, UFFDIO_WAKE, &r);
}
/// Whether a system call can write into the memory.
static inline bool platform_fills(void *_Nonnull p) {
  int file = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  if (file < 0) return true;
  ssize_t r = read(file, p, 8);
  close(file);
  return r == 8;
}
/// Registers a mapping for write tracking; 0 or -errno.
static inline int platform_uffd_register(int uffd, void *_Nonnull p, size_t n) {
  struct uffdio_register r = {.range = {.start = (uint64_t)(uintptr_t)p, .len = n},
                              .mode = UFFDIO_REGISTER_MODE_WP};
  return ioctl(uffd, UFFDIO_REGISTER, &r) == 0 ? 0 : -errno;
}
static inline int platform_uffd_unregister(int uffd, void *_Nonnull p, size_t n) {
  struct uffdio_range r = {.start = (uint64_t)(uintptr_t)p, .len = n};
  return ioctl(uffd, UFFDIO_UNREGISTER, &r) == 0 ? 0 : -errno;
}
/// Write-protects a range, so that the next write to each page is recorded; 0 or -errno.
static inline int platform_uffd_protect(int uffd, void *_Nonnull p, size_t n) {
  struct uffdio_writeprotect w = {.range = {.start = (uint64_t)(uintptr_t)p, .len = n},
                                  .mode = UFFDIO_WRITEPROTECT_MODE_WP};
  int r;
  do { r = ioctl(uffd, UFFDIO_WRITEPROTECT, &w); } while (r != 0 && errno == EAGAIN);
  return r == 0 ? 0 : -errno;
}
/// Finds pages of [start, end) written since they were last protected, and protects them again, in
/// one step. Fills up to `room` regions; `*walked` is where the next call goes on. The number of
/// regions, or -errno. `pagemap` is an open /proc/self/pagemap. Memory in the range that is not
/// registered is an error when `all`, and passed over otherwise.
static inline int platform_scan_written(int pagemap, uint64_t start, uint64_t end, bool all,
                                        struct platform_page_region *_Nonnull regions, size_t room,
                                        uint64_t *_Nonnull walked) {
  struct platform_pagemap_scan s = {
      .size = sizeof s,
      .flags = all ? 3 : 1,  // PM_SCAN_WP_MATCHING, PM_SCAN_CHECK_WPASYNC
      .start = start,
      .end = end,
      .vec = (uint64_t)(uintptr_t)regions,
      .vec_len = room,
      .category_mask = 3,  // PAGE_IS_WPALLOWED | PAGE_IS_WRITTEN
      .return_mask = 2,
  };
  int r = ioctl(pagemap, PLATFORM_PAGEMAP_SCAN, &s);
  if (r < 0) return -errno;
  *walked = s.walk_end;
  return r;
}

// MARK: Processes

/// Name of this program, as it was called, without directories.
static inline const char *_Nonnull platform_program_name(void) {
  return program_invocation_short_name;
}
/// Resolves `path` into `room` (PATH_MAX bytes, NUL-terminated); false when it does not exist.
static inline bool platform_real_path(const char *_Nonnull path, char *_Nonnull room) {
  return realpath(path, room) != NULL;
}
static inline bool platform_is_executable(const char *_Nonnull path) {
  return access(path, X_OK) == 0;
}
/// Waits until `fd` has something to read or is closed: 1, 0 after `milliseconds`, or -errno.
static inline int platform_poll_readable(int fd, int milliseconds) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  int r = poll(&p, 1, milliseconds);
  return r < 0 && errno != EINTR ? -errno : r > 0;
}
/// Runs `body` in a child of fork and waits for it: what it returns, or 128 and the signal that ended
/// it; -errno. For tests.
static inline int platform_in_child(int (*_Nonnull body)(void *_Nullable),
                                    void *_Nullable argument) {
  pid_t child = fork();
  if (child == 0) _exit(body(argument));
  if (child < 0) return -errno;
  int status;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
/// Starts `path` with one argument as a process that belongs to nobody: its own session, no
/// descriptor of ours, standard streams on /dev/null, default signals, working directory "/".
/// The host program gets no SIGCHLD and no zombie: both clones carry no exit signal, and between
/// clone and exec there are system calls alone. 0, or -errno of what failed, exec included.
static inline int platform_start_detached(const char *_Nonnull path,
                                          const char *_Nonnull argument) {
  extern char **environ;
  char *arguments[] = {(char *)path, (char *)argument, NULL};
  // What was put in the way of this program's libraries must not be in the way of that one's.
  size_t count = 0;
  while (environ[count] != NULL) count++;
  char **environment = (char **)malloc((count + 1) * sizeof(char *));
  if (environment == NULL) return -ENOMEM;
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    if (strncmp(environ[i], "LD_PRELOAD=", 11) == 0) continue;
    if (strncmp(environ[i], "LD_LIBRARY_PATH=", 16) == 0 && strstr(environ[i], "/omega/gl")) continue;
    environment[kept++] = environ[i];
  }
  environment[kept] = NULL;
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) {
    free(environment);
    return -errno;
  }
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  long child = syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
  if (child == 0) {
    setsid();
    long grandchild = syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
    if (grandchild != 0) {
      int e = grandchild < 0 ? errno : 0;
      if (e != 0 && write(report[1], &e, sizeof e) < 0) _exit(1);
      _exit(0);
    }
    for (int i = 1; i < 65; i++) signal(i, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (chdir("/") != 0) _exit(1);
    // Away from the standard streams, which the program may have closed.
    int pipe = fcntl(report[1], F_DUPFD_CLOEXEC, 10);
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) {
      dup2(null, 0);
      dup2(null, 1);
      dup2(null, 2);
    }
    // The report pipe closes itself when exec succeeds.
    if (dup2(pipe, 3) == 3) fcntl(3, F_SETFD, FD_CLOEXEC);
    if (syscall(SYS_close_range, 4u, ~0u, 0u) != 0) {
      for (int fd = 4; fd < 65536; fd++) close(fd);
    }
    execve(path, arguments, environment);
    int e = errno;
    if (write(3, &e, sizeof e) < 0) _exit(1);
    _exit(127);
  }
  int failure = child < 0 ? errno : 0;
  free(environment);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  close(report[1]);
  if (child > 0) {
    int status, e;
    while (waitpid((pid_t)child, &status, __WCLONE) < 0 && errno == EINTR) {
    }
    ssize_t r;
    do { r = read(report[0], &e, sizeof e); } while (r < 0 && errno == EINTR);
    if (r == (ssize_t)sizeof e) failure = e;
  }
  close(report[0]);
  return -failure;
}

// MARK: Dynamic libraries

/// `dlopen` with RTLD_NOW | RTLD_LOCAL; NULL on failure.
static inline void *_Nullable platform_open_library(const char *_Nonnull name) {
  return dlopen(name, RTLD_NOW | RTLD_LOCAL);
}
/// The library when it is in the process already, without opening it; NULL otherwise.
static inline void *_Nullable platform_opened_library(const char *_Nonnull name) {
  return dlopen(name, RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
}
/// What any library of the process has under a name; NULL when none has.
static inline void *_Nullable platform_global_symbol(const char *_Nonnull name) {
  return dlsym(RTLD_DEFAULT, name);
}
static inline void *_Nullable platform_symbol(void *_Nonnull library, const char *_Nonnull name) {
  return dlsym(library, name);
}
/// Path of the library or program that holds `address`, or NULL.
static inline const char *_Nullable platform_path_of(const void *_Nonnull address) {
  Dl_info info;
  return dladdr(address, &info) != 0 ? info.dli_fname : NULL;
}
