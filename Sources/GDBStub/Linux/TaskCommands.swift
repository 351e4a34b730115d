extension LinuxScript {
  /// Python for gdb: `tasks`, `task`, `task-bt`, `waits` and `frame view`.
  static let taskCommands = #"""
    # A command of one word that needs Linux's tasks.
    def linux_command(name):
        def register(body):
            class LinuxCommand(gdb.Command):
                __doc__ = body.__doc__

                def __init__(self):
                    super().__init__(name, gdb.COMMAND_STATUS)

                def invoke(self, argument, from_tty):
                    self.dont_repeat()
                    try:
                        body(gdb.string_to_argv(argument))
                    except (gdb.MemoryError, RuntimeError, UnicodeDecodeError):
                        raise gdb.GdbError("there are no tasks here that can be read")
                    except KeyError as error:
                        raise gdb.GdbError("this kernel's symbols do not say it: %s" % error)

            LinuxCommand()
            return body

        return register


    # The number of the task that gdb sees instead of the machine; -1 for a frame that the user chose.
    seen = None


    # Makes gdb see other registers, and memory through other tables, or, without any, the machine's again.
    def see(registers, name=None):
        global seen
        words = " ".join("%s=%#x" % register for register in registers.items())
        hook_moves()
        gdb.execute("monitor task " + words, to_string=True)
        for cache in ("register-cache", "dcache"):
            gdb.execute("maintenance flush " + cache, to_string=True)
        gdb.invalidate_cached_frames()
        seen = name


    def see_task(task):
        if task is None or task.address == current_task():
            see({})
        else:
            see(task.registers(), task.pid)


    @linux_command("tasks")
    def list_tasks(words):
        """List Linux's tasks, and what each one waits for: tasks
    The states are those of `ps`; the CPU of a task that runs has a star."""
        locks = Locks()
        gdb.write("%6s  %-16s %-5s  %-3s  %s\n" % ("PID", "NAME", "STATE", "CPU", "WAITS FOR"))
        for task in locks.tasks:
            runs = task.address == locks.running
            reason = locks.reason(task) if runs or locks.sleeps(task) else ""
            line = (task.pid, task.name, task.state(), "%d%s" % (task.cpu(), "*" if runs else ""), reason)
            gdb.write(("%6d  %-16s %-5s  %-3s  %s" % line).rstrip() + "\n")


    @linux_command("task")
    def select_task(words):
        """Look at a sleeping task as if the machine stood there: task PID | task NAME
    Its frames, variables and memory are there until the machine moves; `task` alone goes back to the CPU's own."""
        if len(words) > 1:
            raise gdb.GdbError("give one task's number or name, or nothing for what the CPU does")
        task = task_of(words[0]) if words else None
        see_task(task)
        if task is not None:
            gdb.write("task %s, %s\n" % (task, "on the CPU" if seen is None else task.state()))
        gdb.execute("frame")


    @linux_command("task-bt")
    def task_backtraces(words):
        """Show the backtrace of a task, or of all: task-bt PID | task-bt NAME | task-bt all"""
        if len(words) != 1:
            raise gdb.GdbError("give a task's number or name, or all")
        before, running = None if seen == -1 else seen, current_task()
        try:
            for task in all_tasks() if words[0] == "all" else [task_of(words[0])]:
                gdb.write("task %s, %s\n" % (task, "on the CPU" if task.address == running else task.state()))
                if task.state() in "ZX" and task.address != running:
                    continue
                see_task(task)
                try:
                    gdb.execute("backtrace")
                except gdb.error as error:
                    gdb.write("%s\n" % error)
        finally:
            see_task(None if before is None else task_of(str(before)))


    @linux_command("waits")
    def show_waits(words):
        """Show which tasks wait for which locks, who holds them, and the deadlocks: waits
    Those that sleep for a mutex, a rwsem or a semaphore, and the one that spins for a spinlock."""
        locks = Locks()
        waiting = [task for task in locks.tasks if task.address in locks.locks]
        for task in waiting:
            verb = "spins" if task.address == locks.running else "waits"
            gdb.write("%s %s for %s\n" % (task, verb, locks.reason(task)))
        for cycle in locks.cycles():
            gdb.write("deadlock: %s\n" % " -> ".join(str(task) for task in cycle + cycle[:1]))
        if not waiting:
            gdb.write("no task waits for a lock\n")


    class FrameView(gdb.Command):
        """View the frame at a place as if the machine stood there: frame view STACK-ADDRESS PC-ADDRESS
    `task PID` does so for a sleeping task; `task` alone goes back."""

        def __init__(self):
            super().__init__("frame view", gdb.COMMAND_STACK)

        def invoke(self, argument, from_tty):
            words = gdb.string_to_argv(argument)
            if len(words) != 2:
                raise gdb.GdbError("give a stack address and a PC address; for a sleeping task: task PID")
            stack, counter = (int(gdb.parse_and_eval("(unsigned long) (%s)" % word)) & ALL for word in words)
            see({"rip": counter, "rsp": stack, "rbp": stack}, -1)
            gdb.execute("frame")


    FrameView()


    # The stub goes back to the machine before it moves. So does gdb: its steps go by the frame that it sees.
    def see_the_machine():
        if seen is not None:
            see({})


    MOVES = "step next stepi nexti continue finish".split()
    MOVES += ["reverse-" + name for name in MOVES] + ["until", "advance"]


    # Only once a task is looked at: a hook costs a tenth of a step.
    def hook_moves():
        while MOVES:
            name = MOVES.pop()
            try:
                # The user has one.
                gdb.execute("show user hook-" + name, to_string=True)
            except gdb.error:
                gdb.execute("define hook-%s\npython see_the_machine()\nend" % name)

    """#
}
