#define _GNU_SOURCE
#include "CHostExecute.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

_Static_assert(offsetof(struct chost_registers, rflags) == 32, "execute.S");

enum { PAGE = 4096 };

void chost_call(struct chost_registers *registers, const void *code) __attribute__((visibility("hidden")));

void *chost_code_map(void) {
  void *map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return map == MAP_FAILED ? NULL : map;
}

void chost_code_unmap(void *map) { munmap(map, PAGE); }

int chost_execute(void *map, const uint8_t *code, size_t length, struct chost_registers *registers) {
  static const uint8_t ret = 0xc3;
  if (length > 4000) return -E2BIG;
  if (mprotect(map, PAGE, PROT_READ | PROT_WRITE) != 0) return -errno;
  memcpy(map, code, length);
  memcpy((uint8_t *)map + length, &ret, 1);
  if (mprotect(map, PAGE, PROT_READ | PROT_EXEC) != 0) return -errno;
  chost_call(registers, map);
  return 0;
}

static volatile int64_t pushed_flags;

static void note_flags(int signal, siginfo_t *info, void *context) {
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  (void)signal, (void)info;
  pushed_flags = registers[REG_EFL];
  registers[REG_RIP] += 2;
}

static volatile int64_t fault_code;
static void *volatile fault_page;

// The instruction that faults is three bytes long.
static void note_code(int number, siginfo_t *info, void *context) {
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  if (info->si_addr != fault_page) {
    signal(number, SIG_DFL);  // somebody else's: it faults again, for good
    return;
  }
  fault_code = registers[REG_ERR];
  registers[REG_RIP] += 3;
}

int64_t chost_update_fault_code(void) {
  struct sigaction action = {.sa_sigaction = note_code, .sa_flags = SA_SIGINFO}, before;
  void *page = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return -ENOMEM;
  fault_code = -EFAULT;
  fault_page = page;
  if (sigaction(SIGSEGV, &action, &before) == 0) {
    // add [rdi], rax; nothing is read or written: the page is not there.
    __asm__ volatile(".byte 0x48, 0x01, 0x07" : : "D"(page), "a"(0) : "memory", "cc");
    sigaction(SIGSEGV, &before, NULL);
  }
  munmap(page, PAGE);
  return fault_code;
}

int64_t chost_fault_flags(void) {
  struct sigaction action = {.sa_sigaction = note_flags, .sa_flags = SA_SIGINFO}, before;
  if (sigaction(SIGILL, &action, &before) != 0) return -errno;
  __asm__ volatile("ud2");
  sigaction(SIGILL, &before, NULL);
  return pushed_flags;
}
