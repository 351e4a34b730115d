#define _GNU_SOURCE
#include "local.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <asm/ldt.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/// What enter.S works on. The offsets are written there as numbers.
typedef struct {
  NativeState state __attribute__((aligned(16)));
  uint64_t host_rsp;
  /// Where to go: an address in 64-bit code, else an offset of 32 bits and a selector behind it.
  uint64_t entry;
  uint64_t host_fs_base;
} Block;

_Static_assert(offsetof(Block, state.rflags) == 128, "enter.S");
_Static_assert(offsetof(Block, state.fx) == 160, "enter.S");
_Static_assert(offsetof(Block, state.fs_base) == 672, "enter.S");
_Static_assert(offsetof(Block, state.es) == 688, "enter.S");
_Static_assert(offsetof(Block, state.ss) == 720, "enter.S");
_Static_assert(offsetof(Block, host_rsp) == 736, "enter.S");
_Static_assert(offsetof(Block, entry) == 744, "enter.S");
_Static_assert(offsetof(Block, host_fs_base) == 752, "enter.S");

Block native_block __attribute__((aligned(64)));
void native_enter(void);
/// The same through a far pointer, with data segments.
void native_enter_segment(void);
void native_exit(void);
void native_abort(void);
/// Takes the segment registers of the run into the block and restores the host's.
void native_segments(void);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static volatile int running, trapped;
static int available;
static uint8_t *code_page, *operand_area;

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
enum { SIGNAL_COUNT = sizeof signals / sizeof signals[0] };
static struct sigaction previous[SIGNAL_COUNT];

/// The exception behind a signal, where the context does not name it (QEMU's user mode).
static int vector_of(const siginfo_t *info) {
  switch (info->si_signo) {
  case SIGILL: return 6;
  case SIGTRAP: return info->si_code == TRAP_BRKPT || info->si_code == SI_KERNEL ? 3 : 1;
  case SIGFPE: return info->si_code == FPE_INTDIV ? 0 : 16;
  case SIGBUS: return info->si_code == BUS_ADRALN ? 17 : 12;
  default: return info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR ? 14 : 13;
  }
}

/// The registers of an interrupted run, and the way out of it.
static void take(const siginfo_t *info, ucontext_t *context) {
  native_segments();
  static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  greg_t *gregs = context->uc_mcontext.gregs;
  NativeState *state = &native_block.state;
  for (int i = 0; i < 16; i++) state->gpr[i] = (uint64_t)gregs[order[i]];
  state->rflags = (uint64_t)gregs[REG_EFL];
  // As an offset from where the run began, in its code segment.
  state->rip = (uint64_t)gregs[REG_RIP] - (native_block.entry & 0xffffffff);
  state->cr2 = (uint64_t)gregs[REG_CR2];
  state->error_code = (uint64_t)gregs[REG_ERR];
  memcpy(state->fx, context->uc_mcontext.fpregs, sizeof state->fx);
  trapped = gregs[REG_TRAPNO] < 0 ? vector_of(info) : (int)gregs[REG_TRAPNO];
  context->uc_mcontext.fpregs->cwd = 0x37f;
  context->uc_mcontext.fpregs->swd = 0;
  context->uc_mcontext.fpregs->mxcsr = 0x1f80;
  state->cs = (uint64_t)gregs[REG_CSGSFS] & 0xffff;
  state->ss = (uint64_t)gregs[REG_CSGSFS] >> 48;
  // Whatever code and stack segments the run has loaded.
  gregs[REG_CSGSFS] = (gregs[REG_CSGSFS] & 0xffffffff0000ll) | 0x33 | (greg_t)(0x2bull << 48);
  gregs[REG_EFL] = 0x202;
  gregs[REG_RIP] = (greg_t)native_abort;
}

static void handle(int number, siginfo_t *info, void *raw) {
  // Linux clears DF for a handler, QEMU's user mode does not.
  __asm__ volatile("cld");
  if (running) {
    take(info, raw);
    return;
  }
  for (int i = 0; i < SIGNAL_COUNT; i++)
    if (signals[i] == number) sigaction(number, &previous[i], NULL);
}

static sigjmp_buf out_of_trial;
static void leave_trial(int number) { siglongjmp(out_of_trial, number); }

/// RDFSBASE works: tried, since not every emulator tells.
static int has_base_instructions(void) {
  struct sigaction action = {.sa_handler = leave_trial}, before;
  sigaction(SIGILL, &action, &before);
  int works = sigsetjmp(out_of_trial, 1) == 0;
  uint64_t base;
  if (works) __asm__ volatile("rdfsbase %0" : "=r"(base));
  sigaction(SIGILL, &before, NULL);
  return works;
}

static void prepare(void) {
  size_t area = NATIVE_MEMORY_ADDRESS - NATIVE_CODE_ADDRESS + NATIVE_MEMORY_SIZE + 65536;
  void *base = mmap((void *)(uintptr_t)NATIVE_CODE_ADDRESS, area, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (base != (void *)(uintptr_t)NATIVE_CODE_ADDRESS) return;
  if (!has_base_instructions()) return;
  code_page = base;
  operand_area = code_page + (NATIVE_MEMORY_ADDRESS - NATIVE_CODE_ADDRESS);
  if (mprotect(code_page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) return;
  if (mprotect(operand_area, NATIVE_MEMORY_SIZE, PROT_READ | PROT_WRITE) != 0) return;
  available = 1;
}

int local_available(void) {
  pthread_once(&once, prepare);
  return available;
}

int native_set_segments(const NativeSegment *segments, int count) {
  for (int i = 0; i < count; i++) {
    struct user_desc entry = {.entry_number = (unsigned)i,
                              .base_addr = segments[i].base,
                              .limit = segments[i].limit,
                              .seg_32bit = segments[i].is_32bit,
                              .contents = segments[i].contents,
                              .read_exec_only = segments[i].is_read_only,
                              .limit_in_pages = segments[i].is_limit_in_pages,
                              .useable = 1};
    if (syscall(SYS_modify_ldt, 1, &entry, sizeof entry) != 0) return 0;
  }
  return 1;
}

/// A jump to native_exit.
static void place_exit(uint8_t *at) {
  static const uint8_t jump[6] = {0xff, 0x25, 0, 0, 0, 0};
  uint64_t target = (uint64_t)(uintptr_t)native_exit;
  memcpy(at, jump, sizeof jump);
  memcpy(at + sizeof jump, &target, sizeof target);
}

/// Code, and the way out of it. Code that is not 64-bit code takes a far jump to 64-bit code at the end of the page.
static void place(const uint8_t *code, size_t length, int is_segment, int is_32bit) {
  memcpy(code_page, code, length);
  if (!is_segment) {
    place_exit(code_page + length);
    return;
  }
  uint8_t jump[8] = {0x66, 0xea}, *start = is_32bit ? jump + 1 : jump;
  uint32_t target = NATIVE_CODE_ADDRESS + NATIVE_WAY_BACK;
  memcpy(jump + 2, &target, sizeof target);
  jump[6] = 0x33;
  memcpy(code_page + length, start, (size_t)(jump + sizeof jump - start));
  place_exit(code_page + NATIVE_WAY_BACK);
}

static void run_with_handlers(void) {
  static uint8_t stack[65536];
  stack_t mine = {.ss_sp = stack, .ss_size = sizeof stack}, before;
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaltstack(&mine, &before);
  for (int i = 0; i < SIGNAL_COUNT; i++) sigaction(signals[i], &action, &previous[i]);
  running = 1;
  if (native_block.state.cs != 0)
    native_enter_segment();
  else
    native_enter();
  running = 0;
  for (int i = 0; i < SIGNAL_COUNT; i++) sigaction(signals[i], &previous[i], NULL);
  sigaltstack(&before, NULL);
}

int local_execute(NativeState *state, const uint8_t *code, size_t length, uint8_t *memory, size_t memory_size) {
  if (!local_available() || length > NATIVE_CODE_SIZE || memory_size > NATIVE_MEMORY_SIZE) abort();
  pthread_mutex_lock(&lock);
  // What an exception in an earlier run of 64-bit code left there.
  if (state->cs == 0x33) state->cs = 0;
  int is_flat = state->cs == NATIVE_CODE32;
  place(code, length, state->cs != 0, is_flat);
  if (memory_size > 0) memcpy(operand_area, memory, memory_size);
  native_block.state = *state;
  native_block.state.rflags = (state->rflags & NATIVE_FLAGS) | 0x202;
  native_block.state.rip = length;
  native_block.entry = (state->cs == 0 || is_flat ? NATIVE_CODE_ADDRESS : 0) | state->cs << 32;
  trapped = -1;
  run_with_handlers();
  *state = native_block.state;
  if (memory_size > 0) memcpy(memory, operand_area, memory_size);
  int result = trapped;
  pthread_mutex_unlock(&lock);
  return result;
}
