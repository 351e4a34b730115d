// A spin with interrupts off: it waits for what a timer's interrupt would do.
#include <linux/module.h>
#include <linux/timer.h>

static int is_ready;

static void become_ready(struct timer_list *unused) { WRITE_ONCE(is_ready, 1); }
static DEFINE_TIMER(timer, become_ready);

static noinline void wait_until_ready(void) {
  while (!READ_ONCE(is_ready)) cpu_relax();
}

static int __init start(void) {
  unsigned long flags;
  mod_timer(&timer, jiffies + 2);
  local_irq_save(flags);
  pr_alert("waits for the timer\n");
  wait_until_ready();
  local_irq_restore(flags);
  pr_alert("ready\n");
  return 0;
}
module_init(start);
MODULE_LICENSE("GPL");
