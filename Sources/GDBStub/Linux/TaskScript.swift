extension LinuxScript {
  /// Python for gdb: Linux's tasks as the kernel's symbols and types describe them.
  static let tasks = #"""
    STACK_SIZE = 0x4000


    def kernel_value(expression):
        try:
            return int(gdb.parse_and_eval("(unsigned long) (%s)" % expression)) & ALL
        except gdb.error:
            return 0


    # Where a field is, in a structure or in one without a name inside of it.
    def offset_of(kind, name):
        kind = gdb.lookup_type(kind) if isinstance(kind, str) else kind
        for part in kind.fields():
            if part.name == name:
                return part.bitpos // 8
            if not part.name:
                try:
                    return part.bitpos // 8 + offset_of(part.type.strip_typedefs(), name)
                except KeyError:
                    pass
        raise KeyError(name)


    def has_field(kind, name):
        try:
            offset_of(kind, name)
            return True
        except KeyError:
            return False


    def is_type(kind):
        try:
            return gdb.lookup_type(kind) is not None
        except gdb.error:
            return False


    def words_at(address, count):
        memory = gdb.selected_inferior().read_memory(address & ALL, 8 * count)
        return [int.from_bytes(memory[8 * index : 8 * index + 8], "little") for index in range(count)]


    def structure_at(address, kind):
        return gdb.Value(address).cast(gdb.lookup_type(kind).pointer()).dereference()


    def list_entries(head, offset):
        link = words_at(head, 1)[0]
        for _ in range(1 << 22):
            if link in (head, 0):
                return
            yield link - offset
            link = words_at(link, 1)[0]


    # Where the pointer to the current task is: a variable of each CPU's, or one.
    def current_pointer():
        variable = kernel_value("&current_task") or kernel_value("&pcpu_hot.current_task")
        return variable, kernel_value("&__per_cpu_offset")


    def current_task():
        variable, offsets = current_pointer()
        return words_at(variable + (words_at(offsets, 1)[0] if offsets else 0), 1)[0]


    def physical_map():
        return kernel_value("page_offset_base") or 0xFFFF888000000000


    # What the stub names processes by.
    def tell_tasks():
        variable, offsets = current_pointer()
        try:
            words = {
                "current": variable,
                "percpu": offsets,
                "initial": kernel_value("&init_task"),
                "tasks": offset_of("struct task_struct", "tasks"),
                "pid": offset_of("struct task_struct", "pid"),
                "comm": offset_of("struct task_struct", "comm"),
                "mm": offset_of("struct task_struct", "mm"),
                "pgd": offset_of("struct mm_struct", "pgd"),
                "tables": kernel_value("&init_top_pgt"),
                "image": 0xFFFFFFFF80000000,
                "base": kernel_value("&phys_base"),
                "map": 0 if kernel_value("&page_offset_base") else physical_map(),
                "mapped": kernel_value("&page_offset_base"),
            }
        except (gdb.error, KeyError):
            return
        if words["current"] and words["initial"]:
            gdb.execute("monitor linux " + " ".join("%s=%#x" % word for word in words.items()), to_string=True)


    chronovisor_connected = tell_tasks


    class Task:
        def __init__(self, address):
            self.address = address & ALL
            self.value = structure_at(address, "struct task_struct")
            self.pid = int(self.value["pid"])
            self.name = self.value["comm"].string(errors="replace")
            self.stack = int(self.value["stack"]) & ALL
            self.mm = int(self.value["mm"]) & ALL

        def __str__(self):
            return "%d (%s)" % (self.pid, self.name)

        # As ps says it (fs/proc/array.c, task_state_array).
        def state(self):
            ended = int(self.value["exit_state"])
            word = int(self.value["__state" if has_field("struct task_struct", "__state") else "state"])
            if ended & 0x30 or word & 0x80:
                return "Z" if ended & 0x20 else "X"
            if word & 0x402 == 0x402:
                return "I"
            letters = {1: "S", 2: "D", 4: "T", 8: "t", 0x40: "P"}
            return next((letter for bit, letter in letters.items() if word & bit), "R")

        def cpu(self):
            if has_field("struct thread_info", "cpu"):
                return int(self.value["thread_info"]["cpu"])
            return int(self.value["cpu"]) if has_field("struct task_struct", "cpu") else 0

        # What the kernel saved on its stack when it changed to another task (`__switch_to_asm`).
        def registers(self):
            sp = int(self.value["thread"]["sp"]) & ALL
            frame = structure_at(sp, "struct inactive_task_frame")
            names = {"rip": "ret_addr", "rbp": "bp", "rbx": "bx"}
            names.update({name: name for name in ("r12", "r13", "r14", "r15")})
            registers = {name: int(frame[field]) & ALL for name, field in names.items()}
            registers["rsp"] = sp + frame.type.sizeof
            if self.mm:
                registers["cr3"] = words_at(self.mm + offset_of("struct mm_struct", "pgd"), 1)[0] - physical_map() & ALL
            return registers

        # The functions on its stack, the innermost first, by the chain of frame pointers.
        def functions(self):
            registers = self.registers()
            here, pointer, end = registers["rip"], registers["rbp"], self.stack + STACK_SIZE
            for _ in range(64):
                name = function_at(here)
                if name:
                    yield name
                if not self.stack <= pointer < end - 16 or pointer & 7:
                    return
                pointer, here = words_at(pointer, 2)


    # By the symbol table: a call at a function's end returns to the next one.
    def function_at(address):
        words = gdb.execute("info symbol %d" % (address - 1 & ALL), to_string=True).split()
        return words[0].split(".")[0] if words and words[0] != "No" else None


    def all_tasks():
        first = kernel_value("&init_task")
        offset, thread = offset_of("struct task_struct", "tasks"), offset_of("struct task_struct", "thread_node")
        yield Task(first)
        for leader in list_entries(first + offset, offset):
            signals = int(Task(leader).value["signal"])
            if not signals:
                yield Task(leader)
                continue
            for one in list_entries(signals + offset_of("struct signal_struct", "thread_head"), thread):
                yield Task(one)


    # By its number, or by its name, where only one has that.
    def task_of(word):
        found = [task for task in all_tasks() if word in (str(task.pid), task.name)]
        if len(found) == 1:
            return found[0]
        problem = "several tasks are called %s" if found else "there is no task %s here"
        raise gdb.GdbError((problem + ": `tasks` lists them") % word)

    """#
}
