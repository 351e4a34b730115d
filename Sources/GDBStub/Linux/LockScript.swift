extension LinuxScript {
  /// Python for gdb: the locks that tasks sleep or spin for, and who holds them.
  static let locks = #"""
    # The locks that a task can sleep for: what its functions are called, what stands on its stack for as long, the
    # lock's type and its list of those (kernel/locking: mutex.c, rwsem.c, semaphore.c).
    LOCKS = (
        ("mutex", ("mutex_lock", "ww_mutex_lock"), "struct mutex_waiter", "struct mutex", "wait_list"),
        ("rwsem", ("down_read", "down_write", "rwsem_down"), "struct rwsem_waiter", "struct rw_semaphore", "wait_list"),
        ("semaphore", ("down",), "struct semaphore_waiter", "struct semaphore", "wait_list"),
    )

    # What the CPU spins in until a spinlock is free (kernel/locking: spinlock.c, spinlock_debug.c, qspinlock.c).
    SPINLOCK = (
        "spinlock", ("raw_spin_lock", "do_raw_spin_lock", "queued_spin_lock", "native_queued_spin_lock"), None,
        "struct raw_spinlock", None)

    # Of no interest to somebody who asks what a task waits for.
    SCHEDULER = ("schedule", "io_schedule", "preempt_schedule", "context_switch", "switch_to", "cond_resched")


    def begins_with(name, beginnings):
        return name.lstrip("_").startswith(beginnings)


    # The locks that tasks wait for, and who holds them.
    class Locks:
        def __init__(self):
            self.tasks = list(all_tasks())
            self.running = current_task()
            self.names = {task.address: task for task in self.tasks}
            self.waiters = {}
            for task in self.tasks:
                if self.sleeps(task):
                    self.find_waiter(task)
            links = {link for kind, link in self.waiters.values()}
            self.locks = {task: self.find_lock(kind, link, links) for task, (kind, link) in self.waiters.items()}
            spinlock = self.find_spinlock()
            if spinlock is not None:
                self.locks[self.running] = SPINLOCK, spinlock

        def sleeps(self, task):
            return task.address != self.running and task.state() in "SDIP"

        # The waiter on a task's stack: it names the task, and is in a list.
        def find_waiter(self, task):
            functions = list(task.functions())
            kind = next((kind for kind in LOCKS if any(begins_with(name, kind[1]) for name in functions)), None)
            if kind is None:
                return
            low = task.registers()["rsp"]
            words = words_at(low, (task.stack + STACK_SIZE - low) // 8)
            offset, link = offset_of(kind[2], "task"), offset_of(kind[2], "list")
            for index, word in enumerate(words):
                at = low + 8 * index - offset + link
                if word == task.address and at >= low and self.is_linked(at):
                    self.waiters[task.address] = (kind, at)
                    return

        def is_linked(self, link):
            try:
                after, before = words_at(link, 2)
                return after != link and words_at(after + 8, 1)[0] == link and words_at(before, 1)[0] == link
            except gdb.MemoryError:
                return False

        # The list's head is the one of its links that is no waiter's.
        def find_lock(self, kind, link, links):
            head = next((at for at in list_entries(link, 0) if at not in links), None)
            return kind, None if head is None else head - offset_of(kind[3], kind[4])

        # What the CPU spins for, where spinlocks are more than names (CONFIG_SMP): its functions' argument `lock`.
        def find_spinlock(self):
            if seen is not None or not is_type("struct qspinlock"):
                return None
            frame = gdb.newest_frame()
            for _ in range(64):
                if frame is None or not frame.is_valid():
                    return None
                if begins_with(frame.name() or "", SPINLOCK[1]):
                    try:
                        lock = frame.read_var("lock")
                        if not lock.is_optimized_out:
                            lock = int(lock) & ALL
                            return lock if words_at(lock, 1)[0] & 0xFF else None
                    except (ValueError, gdb.error):
                        pass
                frame = frame.older()
            return None

        # Of a rwsem held by readers this is the last one that came.
        def holder(self, kind, lock):
            if lock is None or not has_field(kind[3], "owner"):
                return None
            owner = structure_at(lock, kind[3])["owner"]
            return self.names.get(int(owner if kind is SPINLOCK else owner["counter"]) & ALL & ~7)

        def held_by(self, task):
            kind, lock = self.locks.get(task.address, (None, None))
            return None if kind is None else self.holder(kind, lock)

        # What a task waits for, in words; for one that runs, a lock only.
        def reason(self, task):
            if task.address not in self.locks:
                if task.address == self.running:
                    return ""
                names = [name for name in task.functions() if not begins_with(name, SCHEDULER)]
                return names[0] if names else ""
            kind, lock = self.locks[task.address]
            if lock is None:
                return kind[0]
            symbol = gdb.execute("info symbol %d" % lock, to_string=True)
            symbol = symbol.split(" in section")[0].replace(" + ", "+")
            name = "" if symbol.startswith("No symbol") else " <%s>" % symbol
            holder = self.holder(kind, lock)
            readers = kind[0] == "rwsem" and int(structure_at(lock, kind[3])["owner"]["counter"]) & 1
            by = "" if holder is None else ", held by %s%s" % ("readers, the last one " if readers else "", holder)
            return "%s %#x%s%s" % (kind[0], lock, name, by)

        # Tasks of which each waits for the next one, and the last one for the first.
        def cycles(self):
            seen = set()
            for task in self.tasks:
                chain = []
                while task is not None and task.address not in seen:
                    seen.add(task.address)
                    chain.append(task)
                    task = self.held_by(task)
                begin = next((index for index, one in enumerate(chain) if task and one.address == task.address), None)
                if begin is not None:
                    yield chain[begin:]

    """#
}
