// Prints 5,000 lines.
#include "common.h"

int main(void) {
  begin("serial");
  for (int i = 0; i < 5000; i++) printf("line %05d the quick brown fox jumps over the lazy dog 0123456789\n", i);
  end();
}
