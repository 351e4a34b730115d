/// What gdb must be told about Linux before it can step backwards through its entry code.
public enum LinuxFrames {
  /// A Python script for gdb's `-x`, before the symbols or after them.
  ///
  /// gdb goes back over a call by running back to the start of the function until the frame there is the one that it
  /// returned to (`insert_step_resume_breakpoint_at_sal` in its infrun.c). `error_entry` and `paranoid_entry`
  /// (arch/x86/entry/entry_64.S, PUSH_AND_CLEAR_REGS save_ret=1) return with the guest's registers on the stack, 15
  /// words deeper than they were called: no frame is ever the one, and `reverse-next` would run back through every
  /// exception to the begin. The unwinder gives the first and the last instruction of these functions the same frame.
  public static let script = """
    from gdb.unwinder import Unwinder, register_unwinder

    PUSHED_WORDS = 15
    LONGEST = 0x200
    RET = b"\\xc3"


    class FrameId:
        def __init__(self, sp, pc):
            self.sp = sp
            self.pc = pc


    class EntryUnwinder(Unwinder):
        def __init__(self):
            super().__init__("chronovisor-linux-entry")
            self.functions = []

        def __call__(self, pending):
            rip = int(pending.read_register("rip")) & 0xFFFFFFFFFFFFFFFF
            for name, start in self.functions:
                if start <= rip < start + LONGEST:
                    return self.unwind(pending, name, start, rip)
            return None

        def unwind(self, pending, name, start, rip):
            pushed = self.pushed_words(name, start, rip)
            if pushed is None:
                return None
            words = gdb.lookup_type("unsigned long").pointer()
            stack = pending.read_register("rsp").cast(words)
            identity = FrameId(stack + 1 + pushed, gdb.Value(start).cast(words))
            info = pending.create_unwind_info(identity)
            info.add_saved_register("rip", stack.dereference())
            info.add_saved_register("rsp", stack + 1)
            info.add_saved_register("rbp", pending.read_register("rbp"))
            return info

        def pushed_words(self, name, start, rip):
            if rip == start:
                return 0
            if gdb.selected_inferior().read_memory(rip, 1)[0] != RET:
                return None
            symbol = gdb.execute("info symbol %d" % rip, to_string=True)
            return PUSHED_WORDS if symbol.startswith(name + " ") else None


        def find_functions(self):
            self.functions = []
            for name in ("error_entry", "paranoid_entry"):
                try:
                    self.functions.append((name, int(gdb.parse_and_eval("(unsigned long long) &" + name))))
                except gdb.error:
                    pass


    # A step that comes to code without line numbers, as programs in user mode are, ends there: gdb would run on until
    # that code returns, which it does not.
    gdb.execute("set step-mode on")
    entry_unwinder = EntryUnwinder()
    entry_unwinder.find_functions()
    gdb.events.new_objfile.connect(lambda event: entry_unwinder.find_functions())
    register_unwinder(None, entry_unwinder, True)

    """
}
