// Sleeps a hundred times for a millisecond, then two processes compute for two seconds of the guest's time.
#include "common.h"

int main(void) {
  begin("timer");
  struct timespec millisecond = {0, 1000000};
  for (int i = 0; i < 100; i++) nanosleep(&millisecond, 0);
  printf("sleeps done t=%.3f\n", now());
  double until = now() + 2;
  unsigned long rounds = 0;
  int child = fork();
  while (now() < until) {
    for (volatile int i = 0; i < 2000; i++) rounds++;
  }
  if (child == 0) _exit(0);
  wait(0);
  printf("rounds=%lu\n", rounds);
  end();
}
