internal import Glibc
internal import Synchronization

/// Standard output: results, and the guest's console. What went wrong with it is remembered to the end of the verb, so
/// that no output is cut without a word.
enum StandardOutput {
  /// The first error number of a write; 0 for none.
  private static let failure = Atomic<Int32>(0)

  /// Output has been lost, and it was not because its reader has read enough.
  static var hasFailed: Bool { ![0, EPIPE].contains(failure.load(ordering: .relaxed)) }

  /// Writes all of it. False, also from then on, when nobody takes it: there is no use in going on.
  @discardableResult
  static func write(_ bytes: [UInt8]) -> Bool {
    guard failure.load(ordering: .relaxed) == 0 else { return false }
    let code = writeAll(bytes, to: STDOUT_FILENO)
    if code != 0 { failure.store(code, ordering: .relaxed) }
    return code == 0
  }

  /// Complains when output was lost. A reader that closed its pipe has what it wanted.
  /// - Returns: the exit status of a verb that has come to `status`.
  static func finish(_ verb: String, status: Int32) -> Int32 {
    // Some file systems tell only here that there was no room.
    if close(STDOUT_FILENO) != 0, failure.load(ordering: .relaxed) == 0, errno != EBADF {
      failure.store(errno, ordering: .relaxed)
    }
    guard hasFailed else { return status }
    complain("chronovisor \(verb): cannot write to standard output: \(errorText(failure.load(ordering: .relaxed)))")
    return status == ExitStatus.dataError ? status : ExitStatus.failure
  }

  /// Where a standard descriptor is closed, the next file that is opened would be taken for it, and a trace would get
  /// the guest's console: opens them so that every use of them is an error.
  static func occupyClosedDescriptors() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
      unsafe _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
    }
  }
}

/// Writes all bytes to a descriptor, however often it takes. Returns the error number; 0 for none.
@discardableResult
func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
  var done = 0
  while done < bytes.count {
    let written = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress! + done, $0.count - done) }
    if written > 0 {
      done += written
    } else if written < 0, errno == EAGAIN {
      // Somebody else made the terminal or pipe one that does not wait.
      var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      unsafe _ = poll(&request, 1, -1)
    } else if written == 0 || errno != EINTR {
      return written == 0 ? ENOSPC : errno
    }
  }
  return 0
}

/// One line of our own words on stderr; stdout is the guest's console.
func complain(_ line: String) { writeAll([UInt8]((line + "\n").utf8), to: STDERR_FILENO) }

/// One line of a result on stdout, at once.
func say(_ line: String) { StandardOutput.write([UInt8]((line + "\n").utf8)) }
