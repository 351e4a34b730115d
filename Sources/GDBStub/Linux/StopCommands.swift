extension LinuxScript {
  /// Python for gdb: `catch-syscall` and `break-process`.
  static let stopCommands = #"""
    # A C expression that the stub evaluates: the name of the current task.
    def name_condition(name):
        text = name.encode()
        if not 0 < len(text) < 16:
            raise gdb.GdbError("a process's name has 1 to 15 bytes")
        variable, offsets = current_pointer()
        task = "*(unsigned long *) %#x" % variable
        if offsets:
            task = "*(unsigned long *) (*(unsigned long *) %#x + %#x)" % (offsets, variable)
        parts = []
        for start in range(0, len(text) + 1, 8):
            piece = (text + b"\0")[start : start + 8]
            mask = (1 << 8 * len(piece)) - 1
            at = offset_of("struct task_struct", "comm") + start
            word = "*(unsigned long *) (%s + %d)" % (task, at)
            parts.append("(%s & %#xul) == %#xul" % (word, mask, int.from_bytes(piece, "little")))
        return " && ".join(parts)


    # In a process of a name, whichever the machine is in now.
    def break_at(location, name=None):
        if name is None:
            return gdb.execute("break " + location)
        condition = name_condition(name)
        gdb.execute("monitor space any once", to_string=True)
        gdb.execute("break %s if %s" % (location, condition))


    @linux_command("catch-syscall")
    def catch_system_call(words):
        """Stop where a system call begins: catch-syscall [NAME [PROCESS]]
    Without a name at every one; with PROCESS in processes of that name only. Forwards and backwards."""
        if len(words) > 2:
            raise gdb.GdbError("give a system call's name, and a process's")
        place = "do_syscall_64"
        if words:
            place = "__x64_sys_" + words[0]
            if not kernel_value("&" + place):
                raise gdb.GdbError("this kernel has no system call %s: `info functions ^__x64_sys_`" % words[0])
        break_at("*" + place, words[1] if len(words) == 2 else None)


    @linux_command("break-process")
    def break_process(words):
        """Stop in processes of a name: break-process NAME [LOCATION]
    At LOCATION, or where a program of that name begins: exec is done, and the first instruction comes next."""
        if not 1 <= len(words) <= 2:
            raise gdb.GdbError("give a process's name, and a location")
        break_at(words[1] if len(words) == 2 else "start_thread", words[0])

    """#
}
