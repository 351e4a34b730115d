// Threads that wait for a rwsem that a writer holds, for one that readers hold, and for a semaphore.
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/rwsem.h>
#include <linux/semaphore.h>

static DECLARE_RWSEM(catalogue);
static DECLARE_RWSEM(shelf);
static DEFINE_SEMAPHORE(desk);

static int librarian(void *unused) {
  down_write(&catalogue);
  down(&desk);
  ssleep(1000);
  return 0;
}

static int reader(void *unused) {
  down_read(&shelf);
  msleep(20);
  down_read(&catalogue);
  return 0;
}

static int carpenter(void *unused) {
  msleep(20);
  down_write(&shelf);
  return 0;
}

static int guest(void *unused) {
  msleep(20);
  down(&desk);
  return 0;
}

static int __init start(void) {
  kthread_run(librarian, NULL, "librarian");
  kthread_run(reader, NULL, "reader");
  kthread_run(carpenter, NULL, "carpenter");
  kthread_run(guest, NULL, "guest");
  return 0;
}
module_init(start);
MODULE_LICENSE("GPL");
