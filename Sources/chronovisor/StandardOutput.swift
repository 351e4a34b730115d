internal import Glibc

/// Writes all bytes to a descriptor, however often it takes. False when nobody takes them any more (a closed pipe).
@discardableResult
func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
  var done = 0
  while done < bytes.count {
    let written = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress! + done, $0.count - done) }
    if written < 0, errno == EINTR { continue }
    if written <= 0 { return false }
    done += written
  }
  return true
}

/// One line of our own words on stderr; stdout is the guest's console.
func complain(_ line: String) { writeAll([UInt8]((line + "\n").utf8), to: STDERR_FILENO) }

/// One line of a result on stdout, at once.
func say(_ line: String) { writeAll([UInt8]((line + "\n").utf8), to: STDOUT_FILENO) }
