/// A guest that cannot be loaded: one line that names the file and what is wrong with it, or what it needs.
public struct LoaderError: Error, Equatable, CustomStringConvertible {
  public var description: String

  init(_ file: String, _ problem: String) { description = "\(file): \(problem)" }
}

/// `bytes` as a number of whole MiB, rounded up, the way memory sizes are typed.
func mebibytes(_ bytes: UInt64) -> String {
  "\(bytes / (1 << 20) + (bytes % (1 << 20) == 0 ? 0 : 1)) MiB"
}
