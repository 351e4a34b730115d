#define _GNU_SOURCE
#include "CKVM.h"

#include <fcntl.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int ckvm_open(const char *path) {
  int fd = open(path, O_RDWR | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

// A header and, right behind it, its entries: the kernel's structures end in flexible arrays.
enum { MSRS_MAX = 64, CPUID_MAX = 256 };
static const size_t msr_header = offsetof(struct kvm_msrs, entries);
static const size_t cpuid_header = offsetof(struct kvm_cpuid2, entries);

static struct kvm_msrs *fill_msrs(void *buffer, const uint32_t *indices, const uint64_t *values, uint32_t count) {
  struct kvm_msrs *msrs = buffer;
  memset(buffer, 0, msr_header + count * sizeof(struct kvm_msr_entry));
  msrs->nmsrs = count;
  for (uint32_t i = 0; i < count; i++) {
    msrs->entries[i].index = indices[i];
    if (values != NULL) msrs->entries[i].data = values[i];
  }
  return msrs;
}

int ckvm_set_msrs(int vcpu, const uint32_t *indices, const uint64_t *values, uint32_t count) {
  _Alignas(8) uint8_t buffer[sizeof(struct kvm_msrs) + MSRS_MAX * sizeof(struct kvm_msr_entry)];
  if (count > MSRS_MAX) return -E2BIG;
  return ckvm_ioctl_pointer(vcpu, KVM_SET_MSRS, fill_msrs(buffer, indices, values, count));
}

int ckvm_get_msrs(int vcpu, const uint32_t *indices, uint64_t *values, uint32_t count) {
  _Alignas(8) uint8_t buffer[sizeof(struct kvm_msrs) + MSRS_MAX * sizeof(struct kvm_msr_entry)];
  if (count > MSRS_MAX) return -E2BIG;
  struct kvm_msrs *msrs = fill_msrs(buffer, indices, NULL, count);
  int done = ckvm_ioctl_pointer(vcpu, KVM_GET_MSRS, msrs);
  for (int i = 0; i < done; i++) values[i] = msrs->entries[i].data;
  return done;
}

int ckvm_set_cpuid(int vcpu, const struct kvm_cpuid_entry2 *entries, uint32_t count) {
  _Alignas(8) uint8_t buffer[sizeof(struct kvm_cpuid2) + CPUID_MAX * sizeof(struct kvm_cpuid_entry2)];
  if (count > CPUID_MAX) return -E2BIG;
  memset(buffer, 0, cpuid_header);
  ((struct kvm_cpuid2 *)(void *)buffer)->nent = count;
  memcpy(buffer + cpuid_header, entries, count * sizeof entries[0]);
  return ckvm_ioctl_pointer(vcpu, KVM_SET_CPUID2, buffer);
}

int ckvm_get_supported_cpuid(int kvm, struct kvm_cpuid_entry2 *entries, uint32_t capacity) {
  _Alignas(8) uint8_t buffer[sizeof(struct kvm_cpuid2) + CPUID_MAX * sizeof(struct kvm_cpuid_entry2)];
  if (capacity > CPUID_MAX) return -E2BIG;
  memset(buffer, 0, cpuid_header);
  struct kvm_cpuid2 *cpuid = (struct kvm_cpuid2 *)(void *)buffer;
  cpuid->nent = capacity;
  int result = ckvm_ioctl_pointer(kvm, KVM_GET_SUPPORTED_CPUID, cpuid);
  if (result < 0) return result;
  memcpy(entries, buffer + cpuid_header, cpuid->nent * sizeof entries[0]);
  return (int)cpuid->nent;
}

int ckvm_get_dirty_log(int vm, uint32_t slot, uint64_t *bitmap) {
  struct kvm_dirty_log log;
  memset(&log, 0, sizeof log);
  log.slot = slot;
  log.dirty_bitmap = bitmap;
  return ckvm_ioctl_pointer(vm, KVM_GET_DIRTY_LOG, &log);
}

int ckvm_enable_vm_capability(int vm, uint32_t capability, uint64_t argument) {
  struct kvm_enable_cap enable;
  memset(&enable, 0, sizeof enable);
  enable.cap = capability;
  enable.args[0] = argument;
  return ckvm_ioctl_pointer(vm, KVM_ENABLE_CAP, &enable);
}

int ckvm_set_msr_filter(int vm, const struct ckvm_msr_range *allowed, uint32_t count) {
  struct kvm_msr_filter filter;
  uint64_t bitmaps[KVM_MSR_FILTER_MAX_RANGES];
  memset(&filter, 0, sizeof filter);
  if (count > KVM_MSR_FILTER_MAX_RANGES) return -E2BIG;
  filter.flags = KVM_MSR_FILTER_DEFAULT_DENY;
  for (uint32_t i = 0; i < count; i++) {
    if (allowed[i].count > 64) return -E2BIG;
    bitmaps[i] = ~0ull;
    filter.ranges[i].flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE;
    filter.ranges[i].base = allowed[i].base;
    filter.ranges[i].nmsrs = allowed[i].count;
    filter.ranges[i].bitmap = (uint8_t *)&bitmaps[i];
  }
  return ckvm_ioctl_pointer(vm, KVM_X86_SET_MSR_FILTER, &filter);
}

// Kicks -------------------------------------------------------------------------------------------------------------
//
// `requested` is the truth; the signal only makes KVM_RUN return, and may do so once too often. It is blocked in the
// vCPU's thread, so that nothing else there is ever interrupted, and stays pending until KVM_RUN, which unblocks it,
// sees it: a kick sent before KVM_RUN is entered is not lost. A kick writes `requested` before it sends the signal;
// the vCPU's thread takes the signal away first and looks at `requested` last.

enum { KICK_SIGNAL = SIGUSR1 };

/// Threads that are gone may have left their number to another, which must survive a late kick.
static void ignore_kick(int signal) { (void)signal; }

static void install_handler(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = ignore_kick;
  action.sa_flags = SA_RESTART;
  sigaction(KICK_SIGNAL, &action, NULL);
}

int ckvm_kick_is_thread(const struct ckvm_kick *kick) {
  static __thread int32_t self;
  if (self == 0) self = (int32_t)syscall(SYS_gettid);
  return __atomic_load_n(&kick->thread, __ATOMIC_RELAXED) == self;
}

int ckvm_kick_adopt_thread(struct ckvm_kick *kick, int vcpu) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, install_handler);

  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, KICK_SIGNAL);
  int error = pthread_sigmask(SIG_BLOCK, &signals, NULL);
  if (error != 0) return -error;
  if ((error = pthread_sigmask(SIG_BLOCK, NULL, &signals)) != 0) return -error;
  sigdelset(&signals, KICK_SIGNAL);

  // struct kvm_signal_mask: a 4-byte length and right behind it, unaligned, the kernel's 8-byte signal set.
  uint8_t mask[12];
  uint32_t length = 8;
  memcpy(mask, &length, 4);
  memcpy(mask + 4, &signals, 8);
  int result = ckvm_ioctl_pointer(vcpu, KVM_SET_SIGNAL_MASK, mask);
  if (result < 0) return result;
  __atomic_store_n(&kick->thread, (int32_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
  return 0;
}

void ckvm_kick(struct ckvm_kick *kick) {
  int saved = errno;
  __atomic_store_n(&kick->requested, 1, __ATOMIC_SEQ_CST);
  int32_t thread = __atomic_load_n(&kick->thread, __ATOMIC_SEQ_CST);
  if (thread != 0) syscall(SYS_tgkill, getpid(), thread, KICK_SIGNAL);
  errno = saved;
}

int ckvm_kick_consume(struct ckvm_kick *kick) {
  static const struct timespec now = {0, 0};
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, KICK_SIGNAL);
  while (sigtimedwait(&signals, NULL, &now) > 0) {
  }
  int kicked = __atomic_exchange_n(&kick->requested, 0, __ATOMIC_SEQ_CST) != 0;
  if (kick->deadline != 0 && ckvm_monotonic() >= kick->deadline) {
    kick->deadline = 0;
    kicked = 1;
  }
  return kicked;
}

static int make_timer(struct ckvm_kick *kick) {
  struct sigevent event;
  timer_t timer;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = KICK_SIGNAL;
  event._sigev_un._tid = kick->thread;
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) return -errno;
  kick->timer = timer;
  kick->timer_thread = kick->thread;
  kick->timer_made = 1;
  return 0;
}

int ckvm_kick_set_deadline(struct ckvm_kick *kick, uint64_t deadline) {
  if (kick->timer_made && kick->timer_thread != kick->thread) ckvm_kick_destroy(kick);
  if (deadline == kick->deadline && (kick->timer_made || deadline == 0)) return 0;
  if (!kick->timer_made) {
    int result = make_timer(kick);
    if (result < 0) return result;
  }
  struct itimerspec when;
  memset(&when, 0, sizeof when);
  when.it_value.tv_sec = (time_t)(deadline / 1000000000u);
  when.it_value.tv_nsec = (long)(deadline % 1000000000u);
  kick->deadline = deadline;
  return timer_settime(kick->timer, TIMER_ABSTIME, &when, NULL) != 0 ? -errno : 0;
}

void ckvm_kick_destroy(struct ckvm_kick *kick) {
  if (kick->timer_made) timer_delete(kick->timer);
  kick->timer_made = 0;
}

uint64_t ckvm_monotonic(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int ckvm_instruction_counter(void) {
  struct perf_event_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.size = sizeof attributes;
  attributes.type = PERF_TYPE_HARDWARE;
  attributes.config = PERF_COUNT_HW_INSTRUCTIONS;
  attributes.exclude_kernel = 1;
  attributes.exclude_hv = 1;
  int fd = (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0ul);
  if (fd < 0) return -errno;
  close(fd);
  return 0;
}
