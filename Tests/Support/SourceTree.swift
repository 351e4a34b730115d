internal import Glibc

/// The project's own files, for tests that read the code.
public struct SourceTree: Sendable {
  /// The repository's top level.
  public static let root: String = {
    let here = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    return here.dropLast(3).joined(separator: "/")
  }()

  /// Paths, relative to the root, of the regular files below a folder whose names end so; sorted.
  public static func files(below folder: String, suffix: String = ".swift") -> [String] {
    var found: [String] = []
    for name in entries(of: root + "/" + folder) {
      let path = folder + "/" + name
      if isDirectory(root + "/" + path) {
        found += files(below: path, suffix: suffix)
      } else if name.hasSuffix(suffix) {
        found.append(path)
      }
    }
    return found
  }

  /// The names in a folder, sorted, without dot files.
  public static func entries(of path: String) -> [String] {
    guard let directory = unsafe opendir(path) else { return [] }
    defer { unsafe _ = closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
  }

  public static func isDirectory(_ path: String) -> Bool {
    var status = stat()
    return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// The lines of a file given relative to the root.
  public static func lines(of path: String) -> [String] {
    guard let file = unsafe fopen(root + "/" + path, "r") else { return [] }
    defer { unsafe _ = fclose(file) }
    var bytes: [UInt8] = []
    while case let character = unsafe fgetc(file), character != EOF {
      bytes.append(UInt8(truncatingIfNeeded: character))
    }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).map(
      String.init)
  }
}
