public import VMMCore

/// What gdb must be told about Linux before it can step backwards through its entry code.
public enum LinuxFrames {
  /// Python that says where the entry code, and functions that change stacks, go on after a call: what the script
  /// reads.
  public static func returns(_ code: LinuxEntryCode) -> String {
    let all = code.returns.map { ($0, "False") } + code.stackSwitches.map { ($0.address, "True") }
    return "chronovisor_entry_returns.update({\(all.map { "\($0.0): \($0.1)" }.joined(separator: ", "))})\n"
  }

  /// A Python script for gdb's `-x`, before the symbols or after them.
  ///
  /// gdb goes back over a call by running back to the start of the function until the frame there is the one that it
  /// returned to (`insert_step_resume_breakpoint_at_sal` in its infrun.c). `error_entry` and `paranoid_entry`
  /// (arch/x86/entry/entry_64.S, PUSH_AND_CLEAR_REGS save_ret=1) return with the guest's registers on the stack, 15
  /// words deeper than they were called: no frame is ever the one, and `reverse-next` would run back through every
  /// exception to the begin. The unwinder gives the first and the last instruction of these functions the same frame.
  public static let script = """
    from gdb.FrameDecorator import FrameDecorator
    from gdb.unwinder import Unwinder, register_unwinder

    PUSHED_WORDS = 15
    LONGEST = 0x200
    RET = b"\\xc3"
    ALL = 0xFFFFFFFFFFFFFFFF
    PT_REGS = (
        "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi".split() + [None] + "rip cs eflags rsp ss".split())


    chronovisor_entry_returns = {}


    class FrameId:
        def __init__(self, sp, pc):
            self.sp = sp
            self.pc = pc


    # The caller has the others as they are: of those that it is not told gdb says "optimized out".
    def keep_registers(pending, info):
        for name in PT_REGS[:PUSHED_WORDS]:
            value = pending.read_register(name)
            if not value.is_optimized_out:
                info.add_saved_register(name, value)


    def symbol_start(rip):
        # As in "asm_exc_page_fault + 27 in section .text"
        words = gdb.execute("info symbol %d" % rip, to_string=True).split()
        return rip - int(words[2]) if len(words) > 2 and words[1] == "+" else rip


    class EntryUnwinder(Unwinder):
        def __init__(self):
            super().__init__("chronovisor-linux-entry")
            self.functions = []
            self.entry = (0, 0)
            self.thunks = (0, 0)
            self.architecture = None

        # gdb looks a name up by going through all registers, and asks twice at each step.
        def find_registers(self, architecture):
            self.architecture = architecture
            registers = architecture.registers()
            self.rip, self.cpl = registers.find("rip"), registers.find("cpl")

        def __call__(self, pending):
            architecture = pending.architecture()
            if architecture is not self.architecture:
                self.find_registers(architecture)
            if self.rip is None or self.cpl is None:
                return None
            if pending.level() == 0 and int(pending.read_register(self.cpl)) == 3:
                return None
            rip = int(pending.read_register(self.rip)) & ALL
            if rip < 1 << 47:
                return self.unwind_before_kernel(pending, rip) if pending.level() == 0 else None
            for name, start in self.functions:
                if start <= rip < start + LONGEST:
                    found = self.unwind(pending, name, start, rip)
                    if found is not None:
                        return found
            if pending.level() == 0:
                if rip in chronovisor_entry_returns or self.is_return(rip):
                    return self.unwind_return(pending, rip)
                if self.thunks[0] <= rip < self.thunks[1]:
                    return self.unwind_thunk(pending, rip)
            return None

        # Right behind a direct call in entry code, of which nothing else is known.
        def is_return(self, rip):
            start, end = self.entry
            return start < rip < end and gdb.selected_inferior().read_memory(rip - 5, 1)[0] == b"\\xe8"

        # RET is a jump in a retpoline (arch/x86/lib/retpoline.S), to where a function begins; to gdb it is a return.
        def unwind_thunk(self, pending, rip):
            if gdb.selected_inferior().read_memory(rip, 1)[0] != RET:
                return None
            words = gdb.lookup_type("unsigned long").pointer()
            stack = pending.read_register("rsp").cast(words)
            target = gdb.execute("info symbol %d" % int(stack.dereference()), to_string=True).split()
            if target[0] == "No" or target[1] == "+" or target[0].startswith("ret_from_fork"):
                return None
            info = pending.create_unwind_info(FrameId(stack + 2, gdb.Value(symbol_start(rip)).cast(words)))
            info.add_saved_register("rip", (stack + 1).dereference())
            info.add_saved_register("rsp", stack + 2)
            keep_registers(pending, info)
            return info

        # The code that unpacks the kernel, of whose frames nobody knows anything: there is nothing before it.
        def unwind_before_kernel(self, pending, rip):
            if " in section " in gdb.execute("info symbol %d" % rip, to_string=True):
                return None
            words = gdb.lookup_type("unsigned long").pointer()
            stack = pending.read_register("rsp").cast(words)
            info = pending.create_unwind_info(FrameId(stack, gdb.Value(rip).cast(words)))
            info.add_saved_register("rip", gdb.Value(0).cast(pending.read_register("rip").type))
            info.add_saved_register("rsp", stack + 1)
            return info

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
            keep_registers(pending, info)
            return info

        def pushed_words(self, name, start, rip):
            if rip == start:
                return 0
            if gdb.selected_inferior().read_memory(rip, 1)[0] != RET:
                return None
            symbol = gdb.execute("info symbol %d" % rip, to_string=True)
            return PUSHED_WORDS if symbol.startswith(name + " ") else None

        # Right behind a call, where the frame would be taken for an interrupt's, with the identity that it has there.
        def unwind_return(self, pending, rip):
            words = gdb.lookup_type("unsigned long").pointer()
            is_function = chronovisor_entry_returns.get(rip, False)
            if is_function:
                frame = int(pending.read_register("rbp")) & ALL
                begin, saved = frame + 16, {"rip": frame + 8, "rbp": frame}
            else:
                begin = hardware_frame(int(pending.read_register("rsp")) & ALL)
                if begin is None:
                    return None
                saved = {name: begin - 168 + 8 * index for index, name in enumerate(PT_REGS) if name}
            identity = FrameId(gdb.Value(begin).cast(words), gdb.Value(symbol_start(rip)).cast(words))
            info = pending.create_unwind_info(identity)
            for name, address in saved.items():
                kind = pending.read_register(name).type
                info.add_saved_register(name, gdb.Value(address).cast(kind.pointer()).dereference())
            if is_function:
                info.add_saved_register("rsp", gdb.Value(begin).cast(pending.read_register("rsp").type))
            return info


    # Where the five words end that the CPU has pushed: all of pt_regs lies at RSP, or above a return address.
    def hardware_frame(rsp):
        words = gdb.lookup_type("unsigned long").array(22).pointer()
        try:
            stack = gdb.Value(rsp).cast(words).dereference()
            for extra in (0, 1):
                if int(stack[17 + extra]) in (0x10, 0x23, 0x33):
                    return rsp + 168 + 8 * extra
        except gdb.MemoryError:
            pass
        return None


    def symbol_address(name):
        try:
            return int(gdb.parse_and_eval("(unsigned long long) &" + name))
        except gdb.error:
            return 0


    def find_functions():
        places = ((name, symbol_address(name)) for name in ("error_entry", "paranoid_entry"))
        entry_unwinder.functions = [(name, start) for name, start in places if start]
        entry_unwinder.entry = tuple(symbol_address("__entry_text_" + name) for name in ("start", "end"))
        entry_unwinder.thunks = tuple(symbol_address("__indirect_thunk_" + name) for name in ("start", "end"))


    # To gdb the frame that an interrupt leaves is a signal handler's: what lies behind it may be on any stack. With a
    # filter gdb leaves out what it does not know, where it says "??" without one.
    class EntryFrame(FrameDecorator):
        def function(self):
            return self.inferior_frame().name() or "??"

        def line(self):
            return self.inferior_frame().find_sal().line or None


    class EntryFrameNames:
        def __init__(self):
            self.name = "chronovisor-entry-names"
            self.priority = 100
            self.enabled = True

        def filter(self, frames):
            return map(self.named, filter(self.is_frame, frames))

        # What nobody has called goes back to 0.
        def is_frame(self, frame):
            inner = frame.inferior_frame()
            return inner.pc() != 0 or inner.level() == 0

        def named(self, frame):
            inner = frame.inferior_frame()
            is_entry = inner.type() == gdb.SIGTRAMP_FRAME and inner.pc() >> 63
            return EntryFrame(frame) if is_entry or inner.name() is None else frame


    # A step that comes to code without line numbers, as programs in user mode are, ends there: gdb would run on until
    # that code returns, which it does not.
    gdb.execute("set step-mode on")
    entry_unwinder = EntryUnwinder()
    find_functions()
    gdb.events.new_objfile.connect(lambda event: find_functions())
    register_unwinder(None, entry_unwinder, True)
    gdb.frame_filters["chronovisor-entry-names"] = EntryFrameNames()

    """
}
