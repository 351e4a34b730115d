#define _GNU_SOURCE
#include "CHostExecute.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

_Static_assert(offsetof(struct chost_registers, rflags) == 32, "execute.S");

enum { PAGE = 4096, SPACE = 1 << 18, SLOT = 64 };

void chost_call(struct chost_registers *registers, const void *code) __attribute__((visibility("hidden")));

struct chost_code {
  uint8_t *write;
  uint8_t *run;  // the same memory; the same address where the host gives only one
  size_t next;   // code goes where none was executed just before
  uint8_t *stack;  // of 32-bit code: a page below 4 GiB, or MAP_FAILED
};

static int map_twice(struct chost_code *map) {
  int file = memfd_create("code", MFD_CLOEXEC);
  if (file < 0) return -1;
  void *run = MAP_FAILED;
  void *write = MAP_FAILED;
  if (ftruncate(file, SPACE) == 0) {
    write = mmap(NULL, SPACE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    run = mmap(NULL, SPACE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_32BIT, file, 0);
    if (run == MAP_FAILED) run = mmap(NULL, SPACE, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
  }
  close(file);
  if (write != MAP_FAILED && run != MAP_FAILED) {
    *map = (struct chost_code){.write = write, .run = run};
    return 0;
  }
  if (write != MAP_FAILED) munmap(write, SPACE);
  if (run != MAP_FAILED) munmap(run, SPACE);
  return -1;
}

static int map_once(struct chost_code *map) {
  void *both = mmap(NULL, SPACE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  if (both == MAP_FAILED) both = mmap(NULL, SPACE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (both == MAP_FAILED) return -1;
  *map = (struct chost_code){.write = both, .run = both};
  return 0;
}

struct chost_code *chost_code_map(void) {
  struct chost_code *map = malloc(sizeof *map);
  if (map == NULL) return NULL;
  if (map_twice(map) != 0 && map_once(map) != 0) {
    free(map);
    return NULL;
  }
  map->stack = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  return map;
}

void chost_code_unmap(struct chost_code *map) {
  munmap(map->write, SPACE);
  if (map->run != map->write) munmap(map->run, SPACE);
  if (map->stack != MAP_FAILED) munmap(map->stack, PAGE);
  free(map);
}

// Where `length` bytes of code, and a few around them, will run.
static uintptr_t next_place(struct chost_code *map, size_t length) {
  if (map->next + length + SLOT > SPACE) map->next = 0;
  return (uintptr_t)map->run + map->next;
}

static int run(struct chost_code *map, const uint8_t *code, size_t length, struct chost_registers *registers) {
  int is_one = map->run == map->write;
  const void *start = (const void *)next_place(map, length);
  if (is_one && mprotect(map->write, SPACE, PROT_READ | PROT_WRITE) != 0) return -errno;
  memcpy(map->write + map->next, code, length);
  if (is_one && mprotect(map->write, SPACE, PROT_READ | PROT_EXEC) != 0) return -errno;
  map->next += (length + SLOT) / SLOT * SLOT;
  chost_call(registers, start);
  return 0;
}

int chost_execute(struct chost_code *map, const uint8_t *code, size_t length, struct chost_registers *registers) {
  uint8_t whole[PAGE];
  if (length >= sizeof whole) return -E2BIG;
  memcpy(whole, code, length);
  whole[length] = 0xc3;  // ret
  return run(map, whole, length + 1, registers);
}

// LAR: the selector is that of a segment of 32-bit code for users (type, S, DPL, P; D and not L).
static int is_code32(uint32_t selector) {
  uint32_t rights = 0;
  uint8_t is_valid = 0;
  __asm__("lar %2, %0; setz %1" : "+r"(rights), "=q"(is_valid) : "r"(selector) : "cc");
  return is_valid && (rights & 0x60f800) == 0x40f800;
}

int chost_execute_legacy(struct chost_code *map, const uint8_t *code, size_t length, struct chost_registers *registers) {
  enum { CODE32 = 0x23, CODE64 = 0x33 };
  // mov r11, rsp; mov r10, CODE32:behind; push r10; jmp far [rsp]; behind: (a return would do, but for QEMU, which reads
  // its stack as the kernel)
  uint8_t there[] = {0x49, 0x89, 0xe3, 0x49, 0xba, 0, 0, 0, 0, CODE32, 0, 0, 0, 0x41, 0x52, 0xff, 0x2c, 0x24};
  // jmp CODE64:back; back: mov rsp, r11; ret
  uint8_t home[] = {0xea, 0, 0, 0, 0, CODE64, 0, 0x4c, 0x89, 0xdc, 0xc3};
  uint8_t whole[PAGE];
  size_t end = sizeof there + length;
  if (end + sizeof home > sizeof whole) return -E2BIG;
  uintptr_t start = next_place(map, end + sizeof home), back = start + end + 7;
  if (back > UINT32_MAX || map->stack == MAP_FAILED || !is_code32(CODE32)) return -ENOSYS;
  registers->rbx = (uintptr_t)map->stack + PAGE;
  memcpy(there + 5, &(uint32_t){(uint32_t)(start + sizeof there)}, 4);
  memcpy(home + 1, &(uint32_t){(uint32_t)back}, 4);
  memcpy(whole, there, sizeof there);
  memcpy(whole + sizeof there, code, length);
  memcpy(whole + end, home, sizeof home);
  // 32-bit code has half a stack pointer: no signal may come.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  int status = run(map, whole, end + sizeof home, registers);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return status;
}

static struct chost_fault *volatile fault;
static sigjmp_buf behind_fault;
static pthread_t faulting;

static void note_fault(int number, siginfo_t *info, void *context) {
  (void)info;
  if (!pthread_equal(pthread_self(), faulting)) {
    signal(number, SIG_DFL);  // somebody else's: it faults again, for good
    return;
  }
  mcontext_t *machine = &((ucontext_t *)context)->uc_mcontext;
  greg_t *registers = machine->gregs;
  *fault = (struct chost_fault){
      .rflags = registers[REG_EFL], .error_code = registers[REG_ERR], .address = registers[REG_CR2],
      .x87_status = machine->fpregs == NULL ? 0 : machine->fpregs->swd};
  siglongjmp(behind_fault, 1);
}

int chost_execute_faulting(
    struct chost_code *map, const uint8_t *code, size_t length, struct chost_registers *registers,
    struct chost_fault *out) {
  struct sigaction action = {.sa_sigaction = note_fault, .sa_flags = SA_SIGINFO}, before[2];
  uint8_t *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return -ENOMEM;
  volatile int status = -EFAULT;
  registers->rbx = (uintptr_t)pages + PAGE;
  fault = out;
  faulting = pthread_self();
  if (mprotect(pages + PAGE, PAGE, PROT_NONE) == 0 && sigaction(SIGSEGV, &action, &before[0]) == 0) {
    if (sigaction(SIGILL, &action, &before[1]) == 0) {
      // A fault leaves the x87 and the direction flag as they are.
      if (sigsetjmp(behind_fault, 1) == 0) {
        status = chost_execute(map, code, length, registers);
      } else {
        __asm__ volatile("fninit; cld" : : : "cc");
        status = 1;
      }
      sigaction(SIGILL, &before[1], NULL);
    }
    sigaction(SIGSEGV, &before[0], NULL);
  }
  out->address -= (uintptr_t)pages + PAGE;
  munmap(pages, 2 * PAGE);
  return status;
}
