internal import GDBStub
internal import Glibc
internal import VMMCore

/// Where gdb takes a guest's symbols from, and what else it loads for that guest.
struct DebugSymbols {
  /// An ELF file; `nil` when the trace holds none.
  var path: String?
  /// Files that are sourced once the symbols are there.
  var scripts: [String] = []

  /// The file that the user names, with the kernel's own commands beside it (`vmlinux-gdb.py`); else the image in the
  /// trace. Where the same bytes stand in the working folder, gdb gets that file: it loads the commands beside it
  /// itself if its auto-load safe-path allows it, and says so if not.
  init(named name: String?, images: [GuestImage], isLinux: Bool, in directory: PrivateDirectory) throws {
    if let name {
      _ = try readFile(name, as: "symbols")
      path = name
      let commands = name + "-gdb.py"
      if unsafe access(commands, R_OK) == 0 { scripts.append(commands) }
    } else if let image = DebugSymbols.image(among: images) {
      path =
        try DebugSymbols.original(of: image) ?? directory.write(image.bytes, to: fileName(image.name))
    }
    if isLinux, path != nil {
      scripts.append(try directory.write(Array(LinuxFrames.script.utf8), to: "chronovisor-linux.py"))
    }
  }

  /// The image to take symbols from: one that is there for them, else a kernel that is an ELF file.
  private static func image(among images: [GuestImage]) -> GuestImage? {
    let elves = images.filter { $0.bytes.starts(with: [0x7f, 0x45, 0x4c, 0x46]) }
    return elves.first { $0.role == .symbols } ?? elves.first { $0.role == .kernel }
  }

  /// Folders, below the working one, where a kernel may have been built: there, or by Tools/build-linux.
  private static let places = ["", ".cache/linux/"]

  private static func original(of image: GuestImage) -> String? {
    places.map { $0 + fileName(image.name) }.first { path in
      var status = stat()
      guard unsafe stat(path, &status) == 0, status.st_size == image.bytes.count else { return false }
      return (try? readFile(path, as: "symbols")) == image.bytes
    }
  }
}
