internal import Glibc
internal import Trace

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

/// Two names of one file.
func isSameFile(_ a: String, _ b: String) -> Bool {
  var (first, second) = (stat(), stat())
  guard unsafe stat(a, &first) == 0, unsafe stat(b, &second) == 0 else { return a == b }
  return first.st_dev == second.st_dev && first.st_ino == second.st_ino
}

/// Refuses a name under which `writeFile` will not write, or cannot: before the work that is to be written is done.
func checkWritable(_ path: String, as what: String) throws {
  let status = unsafe access(path, F_OK)
  let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
  let parent = !path.contains("/") ? "." : folder.isEmpty ? "/" : folder
  guard unsafe access(status == 0 ? path : parent, W_OK) == 0 else {
    throw UsageError("cannot write the \(what) \(path): \(errorText(errno))")
  }
  guard status != 0 || !TraceReader.isTrace(path) else {
    throw UsageError("cannot write the \(what) \(path): it is a trace; name another file")
  }
}

/// Writes a whole text, over what was there, unless that is a trace.
func writeFile(_ text: String, to path: String, as what: String) throws {
  try checkWritable(path, as: what)
  guard let file = unsafe fopen(path, "we") else {
    throw UsageError("cannot write the \(what) \(path): \(errorText(errno))")
  }
  let written = unsafe fputs(text, file)
  guard unsafe fclose(file) == 0, written >= 0 else {
    throw UsageError("cannot write the \(what) \(path): \(errorText(errno))")
  }
}
