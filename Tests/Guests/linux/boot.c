// Nothing but the boot.
#include "common.h"

int main(void) {
  begin("boot");
  end();
}
