extension LinuxScript {
  /// Python for gdb: `module-symbols`.
  static let modules = #"""
    from os import path, walk


    # Where a module's sections were loaded, by their names (kernel/module/sysfs.c).
    def module_sections(module):
        attributes = module["sect_attrs"]
        for index in range(int(attributes["nsections"]) if int(attributes) else 0):
            section = attributes["attrs"][index]
            name = section["battr"]["attr"]["name"] if has_field(section.type, "battr") else section["name"]
            yield name.string(), int(section["address"]) & ALL


    def module_files(folder):
        for place, _, names in sorted(walk(folder)):
            for name in sorted(names):
                if name.endswith(".ko"):
                    yield name[:-3].replace("-", "_"), path.join(place, name)


    @linux_command("module-symbols")
    def load_module_symbols(words):
        """Load the symbols of the modules that are loaded here: module-symbols FOLDER
    FOLDER, or one below it, has their files. Give it again where other modules are loaded."""
        if len(words) != 1:
            raise gdb.GdbError("give the folder that has the modules' files")
        files = dict(module_files(path.expanduser(words[0])))
        head = kernel_value("&modules")
        for address in list_entries(head, offset_of("struct module", "list")) if head else ():
            module = structure_at(address, "struct module")
            name = module["name"].string()
            sections = list(module_sections(module))
            if name not in files or not sections:
                gdb.write("%s: no %s\n" % (name, "file" if name not in files else "sections"))
                continue
            places = " ".join("-s %s %#x" % section for section in sections)
            gdb.execute("add-symbol-file %s %s" % (files[name], places), to_string=True)
            gdb.write("%s: %s\n" % (name, files[name]))

    """#
}
