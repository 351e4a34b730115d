extension LinuxScript {
  /// Python for gdb: `kernel-symbols`.
  static let kernelSymbols = #"""
    from atexit import register as at_exit
    from shutil import rmtree
    from tempfile import mkdtemp

    # What replay gives gdb for a vmlinux: its entry code, and what its ORC tables say.
    OWN_FILES = ("linux-entry-frames", "linux-frames")

    # The file with the kernel's symbols, once gdb has it.
    kernel_file = None


    # gdb reads from the file for as long as it has it.
    def kernel_folder():
        folder = mkdtemp(prefix="chronovisor-")
        at_exit(rmtree, folder, True)
        return folder


    def has_types():
        try:
            gdb.lookup_type("struct task_struct")
            return True
        except gdb.error:
            return False


    # What is known of a vmlinux's entry code; to be loaded before the vmlinux.
    def load_entry_frames(digits):
        name = path.join(kernel_folder(), OWN_FILES[0])
        with open(name, "wb") as file:
            file.write(bytes.fromhex(digits))
        gdb.execute("add-symbol-file " + name, to_string=True)


    # What the kernel carries with it, as the stub finds it in memory.
    def load_kernel_symbols():
        global kernel_file
        try:
            said = gdb.execute("monitor kernel-symbols" + (" beside" if has_types() else ""), to_string=True)
        except gdb.error:
            raise gdb.GdbError(gdb.execute("monitor why", to_string=True).strip())
        if kernel_file is not None:
            gdb.execute("remove-symbol-file " + kernel_file, to_string=True)
        kernel_file = path.join(kernel_folder(), "kernel")
        gdb.execute("remote get kernel-symbols " + kernel_file, to_string=True)
        gdb.execute("add-symbol-file " + kernel_file, to_string=True)
        return said.strip()


    class KernelSymbols(gdb.Command):
        """Find the symbols that a Linux carries with it (kallsyms), and its tables for backtraces (ORC): kernel-symbols
    Without a vmlinux this is done by itself at the first stop in the kernel, or in a program."""

        def __init__(self):
            super().__init__("kernel-symbols", gdb.COMMAND_FILES)

        def invoke(self, argument, from_tty):
            self.dont_repeat()
            if argument:
                raise gdb.GdbError("kernel-symbols takes no argument")
            gdb.write("%s\n" % load_kernel_symbols())


    KernelSymbols()


    # A vmlinux has its symbols. What its ORC tables say replay has given to its own gdb.
    def kernel_is_known():
        names = [path.basename(file.filename or "") for file in gdb.objfiles()]
        has_symbols = any(name not in OWN_FILES for name in names)
        return has_symbols and (OWN_FILES[1] in names or not symbol_address("__start_orc_unwind_ip"))


    # Once, where a kernel may be: it runs, or a program.
    def look_for_kernel():
        global chronovisor_stopped
        try:
            counter, level = (int(gdb.parse_and_eval("$" + name)) & ALL for name in ("pc", "cpl"))
            if counter < 0xFFFFFFFF80000000 and level != 3:
                return
            chronovisor_stopped = None
            chronovisor_expect(True)
            if not kernel_is_known():
                gdb.write("chronovisor: %s\n" % load_kernel_symbols())
        except (gdb.error, gdb.GdbError):
            pass


    chronovisor_stopped = look_for_kernel

    """#
}
