// Copies and sorts 16 MiB.
#include "common.h"

static int compare(const void *a, const void *b) {
  unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
  return x < y ? -1 : x > y;
}

static unsigned char *allocate(size_t size) {
  void *memory = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory != MAP_FAILED) return memory;
  printf("no memory\n");
  end();
  return 0;
}

int main(void) {
  begin("memory");
  size_t size = 16u << 20, words = size / sizeof(unsigned);
  unsigned char *a = allocate(size), *b = allocate(size);
  unsigned x = 12345;
  for (size_t i = 0; i < words; i++) {
    x = x * 1664525 + 1013904223;
    ((unsigned *)a)[i] = x;
  }
  for (int round = 0; round < 20; round++) {
    memcpy(b, a, size);
    a[round] ^= b[size - 1 - round];
  }
  printf("copied t=%.3f\n", now());
  qsort(b, words, sizeof(unsigned), compare);
  unsigned long sum = 0;
  for (size_t i = 0; i < words; i += 97) sum = sum * 31 + ((unsigned *)a)[i];
  printf("sum=%lx\n", sum);
  end();
}
