internal import Glibc
internal import Trace

/// `chronovisor ls [DIRECTORY]`.
enum ListCommand: Command {
  static let name = "ls"
  static let synopsis = "[--json] [DIRECTORY]"
  static let summary = "the traces in a directory (the traces directory), a line each"
  static let options = [Option("--json", help: "a JSON object on each line")]

  static func run(_ arguments: Arguments) throws -> Int32 {
    let isDefault = arguments.operands.isEmpty
    let directory = isDefault ? try TraceDirectory().path : try arguments.onlyOperand("directory")
    guard let names = entries(of: directory) else {
      // Before the first recording there is no traces directory, and that is no error.
      if isDefault && errno == ENOENT { return ExitStatus.success }
      throw UsageError("cannot list \(directory): \(errorText(errno))")
    }
    let latest = target(of: directory + "/latest")
    var rows = [["name", "size", "guest", "engine", "events", "instructions", "duration", "end"]]
    var output = LineOutput()
    defer { output.flush() }
    for name in names {
      guard let entry = TraceEntry(directory: directory, name: name, isLatest: name == latest) else { continue }
      if arguments.has("--json") { output.line(entry.json.text) } else { rows.append(entry.row) }
    }
    if !arguments.has("--json"), rows.count > 1 { for line in columns(rows) { output.line(line) } }
    return ExitStatus.success
  }

  /// The names in a directory, sorted; `nil`, with errno, when it cannot be read.
  private static func entries(of path: String) -> [String]? {
    guard let directory = unsafe opendir(path) else { return nil }
    defer { unsafe _ = closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if !name.hasPrefix(".") && name != "latest" { names.append(name) }
    }
    return names.sorted()
  }

  /// What a link points to.
  private static func target(of link: String) -> String? {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = unsafe buffer.withUnsafeMutableBytes { bytes in
      unsafe readlink(link, bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
    }
    return count > 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : nil
  }
}

/// A trace as `ls` shows it.
private struct TraceEntry {
  let name: String
  let isLatest: Bool
  private var reader: TraceReader?
  private var ending: TraceEnding?
  /// What keeps it from being read.
  private var trouble: String?

  /// `nil` for what is no trace.
  init?(directory: String, name: String, isLatest: Bool) {
    self.name = name
    self.isLatest = isLatest
    do throws(TraceError) {
      let reader = try TraceReader(path: directory + "/" + name)
      self.reader = reader
      ending = reader.ending
    } catch {
      switch error.kind {
      case .notATrace, .file: return nil
      case .unsupported: trouble = "of a later version"
      case .unusable: trouble = "incomplete"
      default: trouble = "damaged"
      }
    }
  }

  private var endText: String {
    if let trouble { return trouble }
    if reader?.isComplete == false { return "incomplete" }
    return ending?.reason.map { printable($0.description) } ?? "damaged"
  }

  var row: [String] {
    [
      printable(name) + (isLatest ? " (latest)" : ""), reader.map { byteSize($0.fileSize) } ?? "",
      printable(reader?.header.guestKind ?? ""), printable(reader?.header.engine ?? ""),
      ending.map { String($0.events) } ?? "", ending?.instructions.map { String($0) } ?? "",
      reader.map { seconds($0.duration) } ?? "", endText,
    ]
  }

  var json: JSON {
    .object([
      ("name", .string(name)), ("latest", .bool(isLatest)),
      ("fileSize", reader.map { .number($0.fileSize) } ?? .null),
      ("guest", reader.map { .string($0.header.guestKind) } ?? .null),
      ("engine", reader.map { .string($0.header.engine) } ?? .null),
      ("events", ending.map { .number($0.events) } ?? .null),
      ("instructions", ending?.instructions.map { .number($0) } ?? .null),
      ("durationNanoseconds", reader.map { .number($0.duration) } ?? .null),
      ("state", .string(trouble ?? reader?.state ?? "damaged")), ("end", ending?.reason?.json ?? .null),
    ])
  }
}
