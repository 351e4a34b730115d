// A spinlock that a timer's interrupt wants while the code that it interrupted holds it: what spin_lock_irqsave is for.
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/timer.h>

static DEFINE_SPINLOCK(cookies);
static int eaten;

static noinline void eat(struct timer_list *unused) {
  spin_lock(&cookies);
  eaten++;
  spin_unlock(&cookies);
}
static DEFINE_TIMER(timer, eat);

static noinline void bake(void) {
  spin_lock(&cookies);
  mod_timer(&timer, jiffies + 2);
  while (!READ_ONCE(eaten)) cpu_relax();
  spin_unlock(&cookies);
}

static int __init start(void) {
  pr_alert("bakes\n");
  bake();
  pr_alert("baked\n");
  return 0;
}
module_init(start);
MODULE_LICENSE("GPL");
