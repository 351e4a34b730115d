// 200,000 system calls, and 20,000 round trips between two processes.
#include "common.h"

int main(void) {
  begin("syscalls");
  unsigned long sum = 0;
  for (int i = 0; i < 200000; i++) sum += syscall(SYS_getppid);
  printf("getppid done t=%.3f\n", now());
  int there[2], back[2];
  char byte = 0;
  if (pipe(there) || pipe(back)) end();
  if (fork() == 0) {
    for (int i = 0; i < 20000; i++) {
      if (read(there[0], &byte, 1) != 1) _exit(1);
      byte++;
      if (write(back[1], &byte, 1) != 1) _exit(1);
    }
    _exit(0);
  }
  for (int i = 0; i < 20000; i++) {
    if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) break;
  }
  wait(0);
  printf("sum=%lu byte=%d\n", sum, byte);
  end();
}
