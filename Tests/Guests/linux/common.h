// What the workloads share: each is the first program of a small Linux, alone in its initramfs. As any other program, on
// the host, it does the same work and exits, for comparison.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Seconds since the machine was started.
static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

// Opens the console as standard input and output; says what begins.
static void begin(const char *name) {
  if (getpid() != 1) return;
  int console = open("/dev/console", O_RDWR);
  if (console < 0) {
    mkdir("/dev", 0755);
    mknod("/dev/console", S_IFCHR | 0600, makedev(5, 1));
    console = open("/dev/console", O_RDWR);
  }
  for (int standard = 0; console >= 0 && standard < 3; standard++) dup2(console, standard);
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("%s t=%.3f\n", name, now());
}

// Ends the machine.
static void end(void) {
  if (getpid() != 1) exit(0);
  printf("END t=%.3f\n", now());
  sync();
  reboot(RB_AUTOBOOT);
  for (;;) pause();
}
