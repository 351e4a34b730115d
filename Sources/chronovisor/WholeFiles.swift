internal import Glibc

/// Reads a whole file, with one clear line for everything that can be wrong with it.
func readFile(_ path: String, as what: String) throws -> [UInt8] {
  let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw UsageError("cannot read \(what) \(path): \(errorText(errno))") }
  defer { close(descriptor) }
  var status = stat()
  guard unsafe fstat(descriptor, &status) == 0 else {
    throw UsageError("cannot read \(what) \(path): \(errorText(errno))")
  }
  guard status.st_mode & S_IFMT == S_IFREG else { throw UsageError("\(what) \(path) is not a regular file") }
  guard status.st_size > 0 else { throw UsageError("\(what) \(path) is empty") }
  guard status.st_size < 4 << 30 else { throw UsageError("\(what) \(path) is larger than 4 GiB") }
  let size = Int(status.st_size)
  var count = 0
  var failure: Int32 = 0
  let bytes = unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, initialized in
    while count < size {
      let got = unsafe read(descriptor, buffer.baseAddress! + count, size - count)
      if got < 0, errno == EINTR { continue }
      if got < 0 { failure = errno }
      if got <= 0 { break }
      count += got
    }
    initialized = count
  }
  guard failure == 0 else { throw UsageError("cannot read \(what) \(path): \(errorText(failure))") }
  return bytes
}

/// Writes a whole text, over what was there.
func writeFile(_ text: String, to path: String, as what: String) throws {
  guard let file = unsafe fopen(path, "w") else {
    throw UsageError("cannot write the \(what) \(path): \(errorText(errno))")
  }
  let written = unsafe fputs(text, file)
  guard unsafe fclose(file) == 0, written >= 0 else {
    throw UsageError("cannot write the \(what) \(path): \(errorText(errno))")
  }
}
