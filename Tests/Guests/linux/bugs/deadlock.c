// An ABBA deadlock: two threads take the same two locks, each the other one first.
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>

static DEFINE_MUTEX(forks);
static DEFINE_MUTEX(knives);

static int eat(void *first_and_second) {
  struct mutex **locks = first_and_second;
  mutex_lock(locks[0]);
  msleep(20);
  mutex_lock(locks[1]);
  pr_alert("%s eats\n", current->comm);
  mutex_unlock(locks[1]);
  mutex_unlock(locks[0]);
  return 0;
}

static struct mutex *left_handed[] = {&forks, &knives};
static struct mutex *right_handed[] = {&knives, &forks};

static int __init start(void) {
  kthread_run(eat, left_handed, "left");
  kthread_run(eat, right_handed, "right");
  return 0;
}
module_init(start);
MODULE_LICENSE("GPL");
