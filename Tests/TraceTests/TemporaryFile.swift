import Glibc

/// A folder of its own for one test's files, removed with everything in it.
final class TemporaryFolder {
  let path: String

  init() {
    var template = Array("/tmp/chronovisor-trace-XXXXXX".utf8CString)
    let made = unsafe template.withUnsafeMutableBufferPointer { unsafe mkdtemp($0.baseAddress!) }
    guard let made = unsafe made else { fatalError("no temporary folder") }
    path = unsafe String(cString: made)
  }

  deinit {
    guard let folder = unsafe opendir(path) else { return }
    while let entry = unsafe readdir(folder) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
      }
      if name != "." && name != ".." { unsafe _ = unlink(path + "/" + name) }
    }
    unsafe _ = closedir(folder)
    unsafe _ = rmdir(path)
  }

  func file(_ name: String) -> String { path + "/" + name }
}

/// The whole of a file.
func contents(of path: String) -> [UInt8] {
  let descriptor = unsafe open(path, O_RDONLY)
  defer { close(descriptor) }
  var status = stat()
  guard unsafe fstat(descriptor, &status) == 0, status.st_size > 0 else { return [] }
  return unsafe [UInt8](unsafeUninitializedCapacity: Int(status.st_size)) { buffer, count in
    count = max(0, unsafe read(descriptor, buffer.baseAddress!, buffer.count))
  }
}

/// Makes a file of these bytes, in place of what was there. Cut to its length at the end, since file systems wait for
/// the disk after a file was emptied first.
func store(_ bytes: [UInt8], in path: String) {
  let descriptor = unsafe open(path, O_WRONLY | O_CREAT, 0o600)
  defer {
    ftruncate(descriptor, bytes.count)
    close(descriptor)
  }
  let written = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
  precondition(written == bytes.count, "cannot write \(path)")
}
