// A use after free: a ticket is given back and its memory goes to an order, but the desk still knows the ticket and
// refunds it later: the order is free of charge.
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/slab.h>

struct ticket {
  long number;
  long price;
};

struct order {
  long customer;
  long amount;
};

static struct ticket *latest;
static struct order *order;

static noinline void give_back(struct ticket *ticket) { kfree(ticket); }

static noinline void refund(void) { latest->price = 0; }

static int desk(void *unused) {
  msleep(30);
  refund();
  return 0;
}

static int __init start(void) {
  latest = kmalloc(sizeof(*latest), GFP_KERNEL);
  latest->number = 7;
  latest->price = 30;
  kthread_run(desk, NULL, "desk");
  give_back(latest);
  order = kmalloc(sizeof(*order), GFP_KERNEL);
  order->customer = 12;
  order->amount = 250;
  msleep(100);
  pr_alert("order of %ld: %s\n", order->amount, order->amount == 250 ? "right" : "WRONG, should be 250");
  return 0;
}
module_init(start);
MODULE_LICENSE("GPL");
