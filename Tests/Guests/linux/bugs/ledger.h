// Two processes do the same: each moves money between four accounts, writes down what it has moved, and checks in the
// end that nothing is lost. The bug: what is written down goes on behind the end of its table, which only the process
// that has more to do comes to; there it overwrites the first account. Both have everything at the same addresses.
struct book {
  long moved[8];
  long accounts[4];
  int count;
};
static struct book book;

static void write_down(long amount) { book.moved[book.count++] = amount; }

static void move(int from, int to, long amount) {
  book.accounts[from] -= amount;
  book.accounts[to] += amount;
  write_down(amount);
}

static void check(const char *name) {
  long sum = 0;
  for (int i = 0; i < 4; i++) sum += book.accounts[i];
  printf("%s: %ld of 400: %s\n", name, sum, sum == 400 ? "right" : "WRONG");
}

static void keep_book(const char *name, int moves) {
  prctl(PR_SET_NAME, name);
  for (int i = 0; i < moves; i++) {
    move(i % 4, (i + 1) % 4, 10 + i);
    usleep(15000);
  }
  check(name);
}

static void ledger(void) {
  for (int i = 0; i < 4; i++) book.accounts[i] = 100;
  if (fork() == 0) {
    keep_book("clerk", 9);
    _exit(0);
  }
  keep_book("baker", 6);
  wait(0);
}
