/// The C side of the KVM module: what Swift cannot import from <linux/kvm.h>.
///
/// Function-like macros (ioctl numbers), anonymous unions (the run page) and flexible arrays (MSRs, CPUID, signal
/// mask) get a plain name here. Every function that calls the kernel returns a value >= 0, or -errno. KVM API:
/// Documentation/virt/kvm/api.rst.
#ifndef CKVM_H
#define CKVM_H

#include "CHostCPUID.h"
#include "CHostExecute.h"
#include <errno.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

_Static_assert(sizeof(struct kvm_regs) == 144, "kvm_regs");
_Static_assert(sizeof(struct kvm_sregs) == 312, "kvm_sregs");
_Static_assert(sizeof(struct kvm_vcpu_events) == 64, "kvm_vcpu_events");
_Static_assert(sizeof(struct kvm_debugregs) == 128, "kvm_debugregs");
_Static_assert(sizeof(struct kvm_xsave) == 4096, "kvm_xsave");
_Static_assert(sizeof(struct kvm_userspace_memory_region) == 32, "kvm_userspace_memory_region");
_Static_assert(sizeof(struct kvm_guest_debug) == 72, "kvm_guest_debug");
_Static_assert(sizeof(struct kvm_cpuid_entry2) == 40, "kvm_cpuid_entry2");
_Static_assert(sizeof(struct kvm_msr_filter) == 392, "kvm_msr_filter");
_Static_assert(offsetof(struct kvm_run, s) == 304, "kvm_run up to the synced registers");

// ioctl numbers -----------------------------------------------------------------------------------------------------

static const unsigned long CKVM_GET_API_VERSION = KVM_GET_API_VERSION;
static const unsigned long CKVM_CREATE_VM = KVM_CREATE_VM;
static const unsigned long CKVM_CHECK_EXTENSION = KVM_CHECK_EXTENSION;
static const unsigned long CKVM_GET_VCPU_MMAP_SIZE = KVM_GET_VCPU_MMAP_SIZE;
static const unsigned long CKVM_CREATE_VCPU = KVM_CREATE_VCPU;
static const unsigned long CKVM_SET_USER_MEMORY_REGION = KVM_SET_USER_MEMORY_REGION;
static const unsigned long CKVM_SET_TSS_ADDR = KVM_SET_TSS_ADDR;
static const unsigned long CKVM_SET_IDENTITY_MAP_ADDR = KVM_SET_IDENTITY_MAP_ADDR;
static const unsigned long CKVM_INTERRUPT = KVM_INTERRUPT;
static const unsigned long CKVM_NMI = KVM_NMI;
static const unsigned long CKVM_GET_REGS = KVM_GET_REGS;
static const unsigned long CKVM_SET_REGS = KVM_SET_REGS;
static const unsigned long CKVM_GET_SREGS = KVM_GET_SREGS;
static const unsigned long CKVM_SET_SREGS = KVM_SET_SREGS;
static const unsigned long CKVM_GET_XSAVE = KVM_GET_XSAVE;
static const unsigned long CKVM_SET_XSAVE = KVM_SET_XSAVE;
static const unsigned long CKVM_GET_XCRS = KVM_GET_XCRS;
static const unsigned long CKVM_SET_XCRS = KVM_SET_XCRS;
static const unsigned long CKVM_GET_DEBUGREGS = KVM_GET_DEBUGREGS;
static const unsigned long CKVM_SET_DEBUGREGS = KVM_SET_DEBUGREGS;
static const unsigned long CKVM_GET_VCPU_EVENTS = KVM_GET_VCPU_EVENTS;
static const unsigned long CKVM_SET_VCPU_EVENTS = KVM_SET_VCPU_EVENTS;
static const unsigned long CKVM_GET_MP_STATE = KVM_GET_MP_STATE;
static const unsigned long CKVM_SET_MP_STATE = KVM_SET_MP_STATE;
static const unsigned long CKVM_SET_GUEST_DEBUG = KVM_SET_GUEST_DEBUG;

/// ioctl(2) with an integer argument. Returns its value, or -errno.
static inline int ckvm_ioctl(int fd, unsigned long request, unsigned long argument) {
  int result = ioctl(fd, request, argument);
  return result < 0 ? -errno : result;
}

/// ioctl(2) with a pointer argument. Returns its value, or -errno.
static inline int ckvm_ioctl_pointer(int fd, unsigned long request, void *argument) {
  int result = ioctl(fd, request, argument);
  return result < 0 ? -errno : result;
}

/// KVM_RUN (API 4.10).
static inline int ckvm_run(int vcpu) {
  int result = ioctl(vcpu, KVM_RUN, 0);
  return result < 0 ? -errno : result;
}

/// open(2) of a device, close-on-exec. Returns the descriptor, or -errno.
int ckvm_open(const char *path);

/// KVM_SET_MSRS / KVM_GET_MSRS (API 4.18, 4.19) of `count` <= 64 registers. Returns how many were done, or -errno.
int ckvm_set_msrs(int vcpu, const uint32_t *indices, const uint64_t *values, uint32_t count);
int ckvm_get_msrs(int vcpu, const uint32_t *indices, uint64_t *values, uint32_t count);

/// KVM_SET_CPUID2 (API 4.20) with `count` <= 256 entries.
int ckvm_set_cpuid(int vcpu, const struct kvm_cpuid_entry2 *entries, uint32_t count);

/// KVM_GET_SUPPORTED_CPUID (API 4.8): at most `capacity` <= 256 entries. Their number, or a negative error.
int ckvm_get_supported_cpuid(int kvm, struct kvm_cpuid_entry2 *entries, uint32_t capacity);

/// KVM_GET_DIRTY_LOG (API 4.8) of one slot into `bitmap` (a bit for each page, rounded up to 64).
int ckvm_get_dirty_log(int vm, uint32_t slot, uint64_t *bitmap);

/// KVM_ENABLE_CAP (API 4.37) on a VM with one argument.
int ckvm_enable_vm_capability(int vm, uint32_t capability, uint64_t argument);

/// One run of MSRs that the filter lets through.
struct ckvm_msr_range {
  uint32_t base;
  uint32_t count;
};

/// KVM_X86_SET_MSR_FILTER (API 4.97): everything exits to us, except `count` <= 16 runs of at most 64 MSRs each.
int ckvm_set_msr_filter(int vm, const struct ckvm_msr_range *allowed, uint32_t count);

// The run page (API 5) ----------------------------------------------------------------------------------------------

static inline uint32_t ckvm_exit_reason(const struct kvm_run *run) { return run->exit_reason; }
static inline int ckvm_ready_for_interrupt(const struct kvm_run *run) { return run->ready_for_interrupt_injection; }
static inline int ckvm_if_flag(const struct kvm_run *run) { return run->if_flag; }
static inline uint64_t ckvm_cr8(const struct kvm_run *run) { return run->cr8; }
static inline void ckvm_set_cr8(struct kvm_run *run, uint64_t value) { run->cr8 = value; }
static inline uint64_t ckvm_apic_base(const struct kvm_run *run) { return run->apic_base; }
static inline void ckvm_set_apic_base(struct kvm_run *run, uint64_t value) { run->apic_base = value; }
static inline void ckvm_set_interrupt_window(struct kvm_run *run, uint8_t on) { run->request_interrupt_window = on; }

/// KVM_RUN then completes what is pending and returns -EINTR.
static inline void ckvm_set_immediate_exit(struct kvm_run *run, uint8_t value) { run->immediate_exit = value; }

/// Which register sets KVM copies into the run page at each exit (KVM_CAP_SYNC_REGS, API 5).
static inline void ckvm_set_synced(struct kvm_run *run, uint64_t sets) { run->kvm_valid_regs = sets; }
static inline const struct kvm_regs *ckvm_synced_regs(const struct kvm_run *run) { return &run->s.regs.regs; }
static inline const struct kvm_sregs *ckvm_synced_sregs(const struct kvm_run *run) { return &run->s.regs.sregs; }

/// What RDTSC does with `value`, to registers that KVM takes over at the next KVM_RUN.
static inline void ckvm_complete_rdtsc(struct kvm_run *run, uint64_t value) {
  run->s.regs.regs.rax = (uint32_t)value;
  run->s.regs.regs.rdx = value >> 32;
  run->s.regs.regs.rip += 2;
  run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
}

/// Takes RIP back by so many bytes, in registers that KVM takes over at the next KVM_RUN.
static inline void ckvm_take_back_rip(struct kvm_run *run, uint64_t bytes) {
  run->s.regs.regs.rip -= bytes;
  run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
}

/// KVM_EXIT_IO. `data` holds `count` units of `size` bytes.
struct ckvm_io {
  uint8_t *data;
  uint32_t count;
  uint16_t port;
  uint8_t size;
  uint8_t is_out;
};
static inline struct ckvm_io ckvm_io(struct kvm_run *run) {
  struct ckvm_io io = {(uint8_t *)run + run->io.data_offset, run->io.count, run->io.port, run->io.size,
                       run->io.direction == KVM_EXIT_IO_OUT};
  return io;
}
static inline uint32_t ckvm_io_unit(const struct ckvm_io *io, uint32_t index) {
  uint32_t value = 0;
  memcpy(&value, io->data + (size_t)index * io->size, io->size <= 4 ? io->size : 4);
  return value;
}
static inline void ckvm_set_io_unit(const struct ckvm_io *io, uint32_t index, uint32_t value) {
  memcpy(io->data + (size_t)index * io->size, &value, io->size <= 4 ? io->size : 4);
}

/// KVM_EXIT_MMIO.
struct ckvm_mmio {
  uint64_t address;
  uint64_t value;
  uint32_t size;
  uint8_t is_write;
};
static inline struct ckvm_mmio ckvm_mmio(const struct kvm_run *run) {
  struct ckvm_mmio mmio = {run->mmio.phys_addr, 0, run->mmio.len, run->mmio.is_write};
  memcpy(&mmio.value, run->mmio.data, run->mmio.len <= 8 ? run->mmio.len : 8);
  return mmio;
}
static inline void ckvm_set_mmio(struct kvm_run *run, uint64_t value) { memcpy(run->mmio.data, &value, 8); }

/// KVM_EXIT_X86_RDMSR and KVM_EXIT_X86_WRMSR.
static inline uint32_t ckvm_msr_index(const struct kvm_run *run) { return run->msr.index; }
static inline uint64_t ckvm_msr_data(const struct kvm_run *run) { return run->msr.data; }
static inline void ckvm_set_msr(struct kvm_run *run, uint64_t value, uint8_t error) {
  run->msr.data = value;
  run->msr.error = error;
}

/// KVM_EXIT_INTERNAL_ERROR.
static inline uint32_t ckvm_internal_suberror(const struct kvm_run *run) { return run->internal.suberror; }
static inline uint32_t ckvm_internal_count(const struct kvm_run *run) {
  return run->internal.ndata <= 16 ? run->internal.ndata : 16;
}
static inline uint64_t ckvm_internal_data(const struct kvm_run *run, uint32_t index) {
  return run->internal.data[index & 15];
}
/// The instruction's bytes, up to 15, where KVM tells; returns how many.
static inline uint32_t ckvm_failed_instruction(const struct kvm_run *run, uint8_t bytes[15]) {
  if (run->emulation_failure.suberror != KVM_INTERNAL_ERROR_EMULATION || run->emulation_failure.ndata < 3 ||
      !(run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
    return 0;
  uint32_t count = run->emulation_failure.insn_size;
  if (count > 15) count = 15;
  memcpy(bytes, run->emulation_failure.insn_bytes, count);
  return count;
}

/// KVM_EXIT_FAIL_ENTRY, KVM_EXIT_UNKNOWN, KVM_EXIT_EXCEPTION, KVM_EXIT_DEBUG, KVM_EXIT_SYSTEM_EVENT.
static inline uint64_t ckvm_entry_failure(const struct kvm_run *run) {
  return run->fail_entry.hardware_entry_failure_reason;
}
static inline uint64_t ckvm_hardware_exit_reason(const struct kvm_run *run) { return run->hw.hardware_exit_reason; }
static inline uint32_t ckvm_exception(const struct kvm_run *run) { return run->ex.exception; }
static inline uint64_t ckvm_debug_pc(const struct kvm_run *run) { return run->debug.arch.pc; }
static inline uint64_t ckvm_debug_dr6(const struct kvm_run *run) { return run->debug.arch.dr6; }
static inline uint32_t ckvm_system_event(const struct kvm_run *run) { return run->system_event.type; }

/// KVM_SET_GUEST_DEBUG (API 4.87). The addresses are used when `control` has KVM_GUESTDBG_USE_HW_BP: DR0 and DR1,
/// armed by `dr7`.
static inline int ckvm_set_guest_debug(int vcpu, uint32_t control, const uint64_t addresses[4], uint64_t dr7) {
  struct kvm_guest_debug debug;
  memset(&debug, 0, sizeof debug);
  debug.control = control;
  memcpy(debug.arch.debugreg, addresses, 4 * sizeof addresses[0]);
  debug.arch.debugreg[7] = dr7;
  return ckvm_ioctl_pointer(vcpu, KVM_SET_GUEST_DEBUG, &debug);
}

// Kicks -------------------------------------------------------------------------------------------------------------

/// What a kick needs, at a fixed address, for any thread and signal handlers. All fields belong to CKVM.c and the
/// inline functions below.
struct ckvm_kick {
  /// CLOCK_MONOTONIC nanoseconds at which the timer is set to go off; 0 when it is not set.
  uint64_t deadline;
  /// A kick that no run has returned yet.
  uint32_t requested;
  /// The thread that runs the vCPU; 0 before it first ran.
  int32_t thread;
  /// A POSIX timer exists, sending its signal to `timer_thread`.
  int32_t timer_made;
  int32_t timer_thread;
  void *timer;
};

/// Prepares the calling thread to run the vCPU: the kick signal is blocked but while the guest runs
/// (KVM_SET_SIGNAL_MASK, API 4.21), and kicks go to this thread from now on.
int ckvm_kick_adopt_thread(struct ckvm_kick *kick, int vcpu);
/// Asks for a kick. Async-signal-safe.
void ckvm_kick(struct ckvm_kick *kick);
/// After KVM_RUN was interrupted: takes away what interrupted it. 1 when a kick was asked for or the deadline has
/// passed.
int ckvm_kick_consume(struct ckvm_kick *kick);
/// Sets the timer to CLOCK_MONOTONIC nanoseconds; 0 stops it. Call on the vCPU's thread.
int ckvm_kick_set_deadline(struct ckvm_kick *kick, uint64_t deadline);
/// Deletes the timer.
void ckvm_kick_destroy(struct ckvm_kick *kick);
/// The calling thread is the one that kicks go to.
int ckvm_kick_is_thread(const struct ckvm_kick *kick);

/// CLOCK_MONOTONIC in nanoseconds.
uint64_t ckvm_monotonic(void);

/// A kick waits to be returned, or the deadline has passed. KVM_RUN would not always notice by itself: one that exits at
/// once may do so before it looks at signals.
static inline int ckvm_kick_is_due(const struct ckvm_kick *kick) {
  if (__atomic_load_n(&kick->requested, __ATOMIC_SEQ_CST) != 0) return 1;
  return kick->deadline != 0 && ckvm_monotonic() >= kick->deadline;
}

/// Opens a hardware counter of user-mode instructions and closes it again (perf_event_open(2)): 0, or -errno.
int ckvm_instruction_counter(void);

#endif
