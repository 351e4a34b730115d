#ifndef CHOSTCPUID_H
#define CHOSTCPUID_H

#include <stdint.h>

/// One leaf of this host's CPUID: EAX, EBX, ECX, EDX.
struct chost_cpuid {
  uint32_t eax, ebx, ecx, edx;
};

static inline struct chost_cpuid chost_cpuid(uint32_t leaf, uint32_t subleaf) {
  struct chost_cpuid out = {0, 0, 0, 0};
#if defined(__x86_64__)
  __asm__ volatile("cpuid" : "=a"(out.eax), "=b"(out.ebx), "=c"(out.ecx), "=d"(out.edx) : "a"(leaf), "c"(subleaf));
#endif
  return out;
}

#endif
