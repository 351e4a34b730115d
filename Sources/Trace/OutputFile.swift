internal import Glibc

/// A file that is appended to by whole chunks. Owns its descriptor.
final class OutputFile {
  let path: String
  private let descriptor: Int32
  private let isRegular: Bool
  /// This object brought the file into being.
  private let isNew: Bool
  /// Bytes of whole chunks written so far.
  private(set) var size: UInt64 = 0

  /// Creates the file, or empties the trace that is there; any other file is left alone.
  init(creating path: String) throws(TraceError) {
    // A file-size limit must come back from write as an error and not end the process; likewise a reader that is gone.
    _ = signal(SIGXFSZ, SIG_IGN)
    _ = signal(SIGPIPE, SIG_IGN)
    self.path = path
    var opened = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    isNew = opened >= 0
    if opened < 0 && errno == EEXIST {
      guard OutputFile.mayReplace(path) else {
        throw TraceError(.file, "cannot write the trace \(path): it is there already and is no trace; use another name")
      }
      opened = unsafe open(path, O_WRONLY | O_TRUNC | O_CLOEXEC)
    }
    guard opened >= 0 else {
      throw TraceError(.file, "cannot write the trace \(path): \(errorText(errno)); name another file with -o")
    }
    descriptor = opened
    var status = stat()
    isRegular = unsafe fstat(opened, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }

  /// A file that holds nothing, or (the begin of) a trace, or is no regular file: a mistyped name must not cost a
  /// kernel.
  private static func mayReplace(_ path: String) -> Bool {
    guard let file = try? InputFile(opening: path) else { return true }
    guard let start = try? file.read(at: 0, count: TraceFormat.magic.count) else { return true }
    return TraceFormat.magic.starts(with: start)
  }

  deinit { close(descriptor) }

  /// Appends all of it, or leaves the file as it was.
  func append(_ bytes: [UInt8]) throws(TraceError) {
    var done = 0
    while done < bytes.count {
      let written = unsafe bytes.withUnsafeBytes { buffer in
        unsafe write(descriptor, buffer.baseAddress! + done, buffer.count - done)
      }
      if written > 0 {
        done += written
      } else if written == 0 || errno != EINTR {
        let code = written == 0 ? ENOSPC : errno
        if isRegular { _ = ftruncate(descriptor, off_t(size)) }
        throw TraceError(.file, "cannot write the trace \(path): \(errorText(code))")
      }
    }
    size += UInt64(bytes.count)
  }

  /// Takes the file away again, unless it was there before.
  func discard() {
    if isNew && isRegular { unsafe _ = unlink(path) }
  }
}

/// What the system says about an error number.
func errorText(_ code: Int32) -> String {
  // The table of messages is read-only as long as nobody changes the locale.
  unsafe String(cString: strerror(code))
}
