// Runs a program under a limit of CPU time and says what it took:
//
//   LimitedRunner SECONDS REPORT PROGRAM [ARGUMENT...]
//
// REPORT gets the wait status, microseconds of CPU time and KiB of memory held at most. What a process that was made by
// vfork, as posix_spawn does, held at most includes what its parent held: a test run's memory would count. So this is a
// small process of its own, which forks.
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **arguments) {
  if (count < 4) return 2;
  pid_t child = fork();
  if (child < 0) return 1;
  if (child == 0) {
    struct rlimit none = {0, 0}, time = {strtoul(arguments[1], NULL, 10), strtoul(arguments[1], NULL, 10)};
    if (setrlimit(RLIMIT_CORE, &none) != 0 || setrlimit(RLIMIT_CPU, &time) != 0) _exit(126);
    execv(arguments[3], arguments + 3);
    _exit(127);
  }
  struct rusage usage;
  int status;
  if (wait4(child, &status, 0, &usage) != child) return 1;
  FILE *report = fopen(arguments[2], "w");
  if (report == NULL) return 1;
  long long seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec;
  long long time = seconds * 1000000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
  fprintf(report, "%d %lld %ld\n", status, time, usage.ru_maxrss);
  return fclose(report) == 0 ? 0 : 1;
}
