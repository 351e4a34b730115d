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

/// Runs `length` bytes (fewer than 4096) of user-mode code between the registers given. The code may use its stack, RAX,
/// RCX, RDX, RBX, the flags, XMM0, XMM1 and the x87, which it leaves empty; it must not fault. Returns 0 or -errno.
int chost_execute(struct chost_code *map, const uint8_t *code, size_t length, struct chost_registers *registers);

/// The same with 32-bit code, for which RBX is the end of 64 bytes to push into. -ENOSYS where the host has no segment or no place for it.
int chost_execute_legacy(struct chost_code *map, const uint8_t *code, size_t length, struct chost_registers *registers);

/// A fault: RFLAGS and the error code as they were pushed, CR2 less the address that RBX had, and the x87's status word.
struct chost_fault {
  uint64_t rflags, error_code, address;
  uint16_t x87_status;
};

/// `chost_execute` of code that may fault, with RBX the end of a page that may be used, behind which nothing may be. 1
/// after a fault (`out`), 0 without one, or -errno. SIGSEGV and SIGILL are this function's meanwhile.
int chost_execute_faulting(
    struct chost_code *map, const uint8_t *code, size_t length, struct chost_registers *registers,
    struct chost_fault *out);

#endif
