// Computes in registers: a long time in user mode without a system call.
#include "common.h"

int main(void) {
  begin("cpu");
  unsigned long x = 88172645463325252UL, sum = 0;
  for (unsigned long i = 0; i < 1200000000UL; i++) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    sum += x;
  }
  printf("sum=%lx\n", sum);
  end();
}
