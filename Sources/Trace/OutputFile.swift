internal import Glibc

/// A file that is appended to by whole chunks. It is written beside the name that it is to have (`OutputPlace`), and
/// gets that name by `takePlace`: until then whatever has the name stays as it is. Owns its descriptor.
final class OutputFile {
  let path: String
  private let descriptor: Int32
  /// Where the file is to stand; `nil` for a device, which is written as it comes.
  private let place: OutputPlace?
  /// The file has the name that it was asked for.
  private(set) var isInPlace: Bool
  /// Bytes of whole chunks written so far.
  private(set) var size: UInt64 = 0

  /// Begins a file that is to have this name. Refuses what must not be written over, and changes nothing then.
  convenience init(creating path: String) throws(TraceError) {
    let place = try OutputPlace(path)
    if place.isDevice {
      let opened = unsafe open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY)
      guard opened >= 0 else { throw OutputPlace.refusal(path, errno) }
      self.init(writing: opened, path: path)
    } else {
      self.init(writing: try place.begin(), path: path, to: place)
    }
  }

  /// - Parameters:
  ///   - descriptor: open for writing; closed with this object.
  ///   - place: where it gets a name; `nil` for what is no regular file.
  init(writing descriptor: Int32, path: String, to place: OutputPlace? = nil) {
    // A file-size limit must come back from write as an error and not end the process; likewise a reader that is gone.
    _ = signal(SIGXFSZ, SIG_IGN)
    _ = signal(SIGPIPE, SIG_IGN)
    self.path = path
    self.descriptor = descriptor
    self.place = place
    isInPlace = place == nil
  }

  /// What the file holds is worth a name that nothing else has when this object goes.
  var isWorthKeeping = false

  deinit {
    // RENAME_NOREPLACE is not to be had everywhere; the lock keeps other recorders away.
    if isWorthKeeping, let place, unsafe access(place.target, F_OK) != 0 { try? takePlace() }
    if !isInPlace, let place { unsafe _ = unlink(place.partial) }
    close(descriptor)
  }

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
        if place != nil { _ = ftruncate(descriptor, off_t(size)) }
        throw TraceError(.file, "cannot write the trace \(path): \(errorText(code))")
      }
    }
    size += UInt64(bytes.count)
  }

  /// Gives the file its name; what had the name is gone.
  func takePlace() throws(TraceError) {
    guard !isInPlace, let place else { return }
    guard unsafe rename(place.partial, place.target) == 0 else {
      throw TraceError(.file, "cannot give the trace its name \(path): \(errorText(errno))")
    }
    isInPlace = true
  }
}

/// Where a new trace is to stand, and the name beside it that it has while nothing is in it that could be replayed.
struct OutputPlace {
  /// As it was asked for.
  private let path: String
  /// The file itself, behind all links.
  let target: String
  let isDevice: Bool

  /// What the file is called until it takes its place. A recorder that is killed before leaves it behind.
  var partial: String { target + ".partial" }

  /// Looks at what is there, and touches nothing. Errors: what is there is neither a trace nor empty nor a device.
  init(_ path: String) throws(TraceError) {
    self.path = path
    var status = stat()
    guard unsafe stat(path, &status) == 0 else {
      let code = errno
      if code == ENOENT, unsafe lstat(path, &status) == 0 {
        throw TraceError(.file, "cannot write the trace \(path): it is a link to nothing; name another file with -o")
      }
      guard code == ENOENT, !path.isEmpty else { throw OutputPlace.refusal(path, code) }
      (target, isDevice) = (path, false)
      return
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG:
      isDevice = false
      try OutputPlace.checkReplaceable(path)
      guard let resolved = unsafe realpath(path, nil) else { throw OutputPlace.refusal(path, errno) }
      defer { unsafe free(resolved) }
      target = unsafe String(cString: resolved)
    case S_IFCHR: (target, isDevice) = (path, true)
    case S_IFDIR: throw OutputPlace.refusal(path, EISDIR)
    default:
      throw TraceError(
        .file, "cannot write the trace \(path): it is a FIFO or the like, and a trace is a file; name one with -o")
    }
  }

  /// A file that holds nothing, or (the begin of) a trace: a mistyped name must not cost a kernel.
  private static func checkReplaceable(_ path: String) throws(TraceError) {
    guard unsafe access(path, R_OK | W_OK) == 0 else { throw refusal(path, errno) }
    let start = try InputFile(opening: path).read(at: 0, count: TraceFormat.magic.count)
    guard TraceFormat.magic.starts(with: start) else {
      throw TraceError(.file, "cannot write the trace \(path): it is there already and is no trace; use another name")
    }
  }

  /// Makes the empty file beside the place. It is locked as long as its descriptor is open, whatever its name: nobody
  /// else begins a trace of the same name meanwhile.
  func begin() throws(TraceError) -> Int32 {
    while true {
      let opened = unsafe open(partial, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o644)
      guard opened >= 0 else { throw OutputPlace.refusal(path, errno) }
      do throws(TraceError) {
        try OutputPlace.lock(opened, LOCK_EX, path)
        guard try isStillThere(opened) else {
          close(opened)
          continue
        }
        try checkNobodyWrites()
      } catch {
        close(opened)
        throw error
      }
      return opened
    }
  }

  /// The provisional name still means the file that was opened under it, which holds nothing that is not a trace's.
  private func isStillThere(_ descriptor: Int32) throws(TraceError) -> Bool {
    var (opened, named) = (stat(), stat())
    guard unsafe fstat(descriptor, &opened) == 0 else { throw OutputPlace.refusal(partial, errno) }
    guard opened.st_mode & S_IFMT == S_IFREG else { throw OutputPlace.refusal(partial, EEXIST) }
    guard unsafe lstat(partial, &named) == 0, named.st_ino == opened.st_ino, named.st_dev == opened.st_dev else {
      return false
    }
    try OutputPlace.checkReplaceable(partial)
    guard ftruncate(descriptor, 0) == 0 else { throw OutputPlace.refusal(partial, errno) }
    return true
  }

  /// A recorder whose trace has its name already holds the lock of that file.
  private func checkNobodyWrites() throws(TraceError) {
    let opened = unsafe open(target, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard opened >= 0 else { return }
    defer { close(opened) }
    do throws(TraceError) {
      try OutputPlace.lock(opened, LOCK_SH, path)
    } catch {
      unsafe _ = unlink(partial)
      throw error
    }
  }

  /// File systems without locks do without. A process that is just being started by another thread has every open file,
  /// and its lock, up to its exec: what is busy is asked for again for a tenth of a second.
  private static func lock(_ descriptor: Int32, _ kind: Int32, _ path: String) throws(TraceError) {
    for _ in 0..<20 {
      guard flock(descriptor, kind | LOCK_NB) != 0, errno == EWOULDBLOCK else { return }
      usleep(5_000)
    }
    throw TraceError(.busy, "cannot write the trace \(path): another recorder is writing it; name another file with -o")
  }

  static func refusal(_ path: String, _ code: Int32) -> TraceError {
    TraceError(.file, "cannot write the trace \(path): \(errorText(code)); name another file with -o")
  }
}

/// What the system says about an error number.
func errorText(_ code: Int32) -> String {
  // The table of messages is read-only as long as nobody changes the locale.
  unsafe String(cString: strerror(code))
}
