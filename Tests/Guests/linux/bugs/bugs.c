// The first program of a Linux with a bug: `bug=NAME` on the kernel's command line says which. The bugs of the kernel
// are modules beside it; the one of a program, `ledger`, is in here.
#include <signal.h>
#include <sys/prctl.h>

#include "../common.h"
#include "ledger.h"

// Loads /NAME.ko, which does what it does while it is loaded, or soon after.
static void load(const char *name) {
  char path[64];
  snprintf(path, sizeof path, "/%s.ko", name);
  int module = open(path, O_RDONLY);
  if (module < 0 || syscall(SYS_finit_module, module, "", 0)) {
    printf("%s cannot be loaded\n", path);
    return;
  }
  sleep(1);
}

int main(void) {
  begin("bugs");
  const char *bug = getenv("bug");
  if (bug && strcmp(bug, "ledger") == 0) {
    ledger();
  } else if (bug) {
    load(bug);
  }
  end();
}
