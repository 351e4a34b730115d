#define _GNU_SOURCE
#include "CHostExecute.h"

#include <errno.h>
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
};

static int map_twice(struct chost_code *map) {
  int file = memfd_create("code", MFD_CLOEXEC);
  if (file < 0) return -1;
  void *run = MAP_FAILED;
  void *write = MAP_FAILED;
  if (ftruncate(file, SPACE) == 0) {
    write = mmap(NULL, SPACE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    run = mmap(NULL, SPACE, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
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
  void *both = mmap(NULL, SPACE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (both == MAP_FAILED) return -1;
  *map = (struct chost_code){.write = both, .run = both};
  return 0;
}

struct chost_code *chost_code_map(void) {
  struct chost_code *map = malloc(sizeof *map);
  if (map == NULL || map_twice(map) == 0 || map_once(map) == 0) return map;
  free(map);
  return NULL;
}

void chost_code_unmap(struct chost_code *map) {
  munmap(map->write, SPACE);
  if (map->run != map->write) munmap(map->run, SPACE);
  free(map);
}

int chost_execute(struct chost_code *map, const uint8_t *code, size_t length, struct chost_registers *registers) {
  static const uint8_t ret = 0xc3;
  int is_one = map->run == map->write;
  if (length > PAGE) return -E2BIG;
  if (map->next + length + 1 > SPACE) map->next = 0;
  uint8_t *place = map->write + map->next;
  if (is_one && mprotect(map->write, SPACE, PROT_READ | PROT_WRITE) != 0) return -errno;
  memcpy(place, code, length);
  memcpy(place + length, &ret, 1);
  if (is_one && mprotect(map->write, SPACE, PROT_READ | PROT_EXEC) != 0) return -errno;
  const uint8_t *start = map->run + map->next;
  map->next += (length + SLOT) / SLOT * SLOT;
  chost_call(registers, start);
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
