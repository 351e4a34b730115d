internal import Glibc
internal import Trace

/// Where traces go when `-o` does not say: `$CHRONOVISOR_TRACE_DIR`, else `$XDG_DATA_HOME/chronovisor`, else
/// `~/.local/share/chronovisor`. A link `latest` points to the newest.
struct TraceDirectory {
  let path: String

  init() throws {
    if let path = TraceDirectory.environment("CHRONOVISOR_TRACE_DIR") {
      self.path = path
    } else if let data = TraceDirectory.environment("XDG_DATA_HOME") {
      path = data + "/chronovisor"
    } else if let home = TraceDirectory.environment("HOME") {
      path = home + "/.local/share/chronovisor"
    } else {
      throw UsageError("no traces directory: set CHRONOVISOR_TRACE_DIR, or give -o FILE")
    }
  }

  init(path: String) { self.path = path }

  var latest: String { path + "/latest" }

  /// Begins a trace of this guest under a name that no file has yet; makes the directory.
  func beginTrace(for guest: String, _ begin: (_ path: String) throws -> TraceWriter) throws -> TraceWriter {
    try makeDirectories()
    let name = String(guest.split(separator: "/").last ?? "guest")
    for number in 1...999_999 {
      let candidate = "\(path)/\(name)-\(number).trace"
      guard unsafe access(candidate, F_OK) != 0, unsafe access(candidate + ".partial", F_OK) != 0 else { continue }
      do {
        return try begin(candidate)
      } catch let error as TraceError where error.kind == .busy {
        continue  // another recorder has begun it this moment
      }
    }
    throw UsageError("\(path) holds a million traces of \(name): remove some, or give -o FILE")
  }

  /// Points `latest` to a trace in this directory: there is one at every moment.
  func setLatest(_ trace: String) {
    guard trace.hasPrefix(path + "/") else { return }
    let made = "\(path)/.latest-\(getpid())"
    unsafe unlink(made)
    guard unsafe symlink(String(trace.dropFirst(path.utf8.count + 1)), made) == 0 else { return }
    if unsafe rename(made, latest) != 0 { unsafe unlink(made) }
  }

  private func makeDirectories() throws {
    var prefix = ""
    for part in path.split(separator: "/", omittingEmptySubsequences: false) {
      prefix += part + "/"
      if part.isEmpty { continue }
      if unsafe mkdir(prefix, 0o777) != 0, errno != EEXIST {
        throw UsageError("cannot make the traces directory \(path): \(errorText(errno)); give -o FILE")
      }
    }
  }

  static func environment(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    let text = unsafe String(cString: value)
    return text.isEmpty ? nil : text
  }
}

/// What the C library says of an error number.
func errorText(_ number: Int32) -> String { unsafe String(cString: strerror(number)) }
