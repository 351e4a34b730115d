internal import Glibc

/// A regular file that is read by offset. It is never mapped: a file that shrinks while it is read gives an error and
/// not a signal. Owns its descriptor.
final class InputFile: Sendable {
  let path: String
  private let descriptor: Int32
  /// Bytes in the file when it was opened.
  let size: UInt64

  init(opening path: String) throws(TraceError) {
    self.path = path
    // Without O_NONBLOCK the open of a FIFO would wait for a writer.
    let opened = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard opened >= 0 else { throw TraceError(.file, "cannot read the trace \(path): \(errorText(errno))") }
    var status = stat()
    guard unsafe fstat(opened, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      let isDirectory = status.st_mode & S_IFMT == S_IFDIR
      close(opened)
      throw TraceError(
        .file, "cannot read the trace \(path): it is \(isDirectory ? "a directory" : "not a regular file")")
    }
    descriptor = opened
    size = UInt64(max(0, status.st_size))
  }

  deinit { close(descriptor) }

  /// Up to `count` bytes at an offset: fewer only where the file ends.
  func read(at offset: UInt64, count: Int) throws(TraceError) -> [UInt8] {
    guard offset < size else { return [] }
    let wanted = Int(min(UInt64(count), size - offset))
    var failure: Int32 = 0
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: wanted) { buffer, done in
      while done < wanted {
        let got = unsafe pread(descriptor, buffer.baseAddress! + done, wanted - done, off_t(offset) + off_t(done))
        if got > 0 {
          done += got
        } else if got == 0 {
          return
        } else if errno != EINTR {
          failure = errno
          return
        }
      }
    }
    guard failure == 0 else {
      throw TraceError(.file, "cannot read the trace \(path) at offset \(offset): \(errorText(failure))")
    }
    return bytes
  }
}
