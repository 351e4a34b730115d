/// A few instructions on the host's CPU, in this process.
#ifndef CHRONOVISOR_CHOST_EXECUTE_H
#define CHRONOVISOR_CHOST_EXECUTE_H

#include <stddef.h>
#include <stdint.h>

struct chost_registers {
  uint64_t rax, rcx, rdx, rbx, rflags;
};

/// Memory for code, nowhere writable and executable at once; NULL when the host gives none.
struct chost_code;
struct chost_code *chost_code_map(void);
void chost_code_unmap(struct chost_code *map);

/// Runs `length` bytes (at most 4096) of user-mode code between the registers given. The code may use its stack, RAX,
/// RCX, RDX, RBX, the flags, XMM0, XMM1 and the x87, which it leaves empty; it must not fault. Returns 0 or -errno.
int chost_execute(struct chost_code *map, const uint8_t *code, size_t length, struct chost_registers *registers);

/// RFLAGS as UD2 pushes them, or -errno. SIGILL is this function's meanwhile.
int64_t chost_fault_flags(void);

/// The error code of the page fault of ADD [m], RAX (bit 1: a write), or -errno. SIGSEGV is this function's meanwhile.
int64_t chost_update_fault_code(void);

#endif
