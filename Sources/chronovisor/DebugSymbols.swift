internal import GDBStub
internal import Glibc
internal import Loaders
internal import VMMCore

/// Where gdb takes a guest's symbols from, and what else it loads for that guest.
struct DebugSymbols {
  /// ELF files, one that fits 64-bit code and one for narrower code; `nil` when the trace holds none.
  var files: GDBScript.Symbols?
  /// There may be symbols beyond 4 GiB.
  var areWide = false
  /// gdb commands that go before the symbols are read, and after.
  var preparation: [String] = []
  var commands: [String] = []

  /// The file that the user names, with the kernel's own commands beside it (`vmlinux-gdb.py`); else the image in the
  /// trace, or the file with the same bytes in the working folder, without the commands beside it: nobody has said that
  /// they may be trusted.
  init(named name: String?, images: [GuestImage], isLinux: Bool, in directory: PrivateDirectory) throws {
    var path: String?
    var bytes: [UInt8] = []
    if let name {
      bytes = try readFile(name, as: "symbols")
      path = name
      preparation.append("add-auto-load-safe-path \(DebugSymbols.absolute(name))-gdb.py")
    } else if let image = DebugSymbols.image(among: images) {
      let original = DebugSymbols.original(of: image)
      bytes = image.bytes
      path = try original ?? directory.write(bytes, to: fileName(image.name))
      preparation.append("set auto-load python-scripts off")
      if let original, unsafe access(original + "-gdb.py", R_OK) == 0 {
        commands.append("echo chronovisor: lx-dmesg, lx-ps and more: replay with --symbols \(original)\\n")
      }
    }
    if let path { try choose(path, bytes, in: directory) }
    if isLinux {
      let file = try directory.write(Array(LinuxScript.text.utf8), to: "chronovisor-linux.py")
      commands.append("source \(file)")
      if path != nil { try describeEntries(of: bytes, in: directory) }
    }
  }

  /// The entry code of the kernel that the user names, or that is in the trace.
  static func entryCode(named name: String?, images: [GuestImage]) throws -> LinuxEntryCode? {
    let bytes = try name.map { try readFile($0, as: "symbols") } ?? image(among: images)?.bytes
    return bytes.map { LinuxEntryCode(kernel: KernelELF($0)) }
  }

  /// A file of each class: the one that there is, and a copy.
  private mutating func choose(_ path: String, _ bytes: [UInt8], in directory: PrivateDirectory) throws {
    let is64Bit = bytes.count > 4 && bytes[4] == 2
    areWide = is64Bit
    files = GDBScript.Symbols(wide: path, narrow: path)
    guard let copy = ELFClassCopy.make(of: bytes) else { return }
    let other = try directory.write(copy, to: "\(fileName(path)).\(is64Bit ? 32 : 64)-bit")
    areWide = false
    if is64Bit { files?.narrow = other } else { files?.wide = other }
  }

  /// gdb gets call frame information for the kernel's assembly, which has none, and, by the kernel's own tables, for
  /// code without frame pointers.
  private mutating func describeEntries(of bytes: [UInt8], in directory: PrivateDirectory) throws {
    let kernel = KernelELF(bytes, knowing: ORCFrames.thunkNames)
    var code = LinuxEntryCode(kernel: kernel)
    guard !code.entries.isEmpty else { return }
    let places = kernel.section(".orc_unwind_ip"), entries = kernel.section(".orc_unwind")
    if let places, let entries,
      let table = ORCTable(places: places.bytes, at: places.address, entries: entries.bytes)
    {
      code.taskSwitch = nil
      // Behind the symbols: what the compiler says of a function says more.
      let frames = ORCFrames(table, kernel: kernel, excluded: code.described)
      let file = try directory.write(frames.file, to: "linux-frames")
      commands.append(GDBScript.addSymbols(from: file))
    }
    let file = try directory.write(EntryFrames(code).file, to: "linux-entry-frames")
    // Before the symbols: gdb takes what it finds first.
    preparation.append(GDBScript.addSymbols(from: file))
    let returns = try directory.write(Array(LinuxFrames.returns(code).utf8), to: "linux-entry-returns.py")
    commands.append("source \(returns)")
  }

  /// The image to take symbols from: one that is there for them, else a kernel that is an ELF file.
  private static func image(among images: [GuestImage]) -> GuestImage? {
    let elves = images.filter { $0.bytes.starts(with: [0x7f, 0x45, 0x4c, 0x46]) }
    return elves.first { $0.role == .symbols } ?? elves.first { $0.role == .kernel }
  }

  /// Folders, below the working one, where a kernel may have been built: there, or by Tools/build-linux.
  private static let places = ["", ".cache/linux/"]

  /// gdb compares real paths.
  private static func absolute(_ path: String) -> String {
    guard let real = unsafe realpath(path, nil) else { return path }
    defer { unsafe free(real) }
    return unsafe String(cString: real)
  }

  private static func original(of image: GuestImage) -> String? {
    places.map { $0 + fileName(image.name) }.first { path in
      var status = stat()
      guard unsafe stat(path, &status) == 0, status.st_size == image.bytes.count else { return false }
      return (try? readFile(path, as: "symbols")) == image.bytes
    }
  }
}
