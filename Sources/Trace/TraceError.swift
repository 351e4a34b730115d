/// Why a trace cannot be written or read: one line that names the file, the offset where there is one, and what to do.
public struct TraceError: Error, Equatable, Sendable, CustomStringConvertible {
  public enum Kind: Equatable, Sendable {
    /// The file cannot be opened, read or written: host trouble.
    case file
    /// Another recorder is writing a trace of this name.
    case busy
    /// The file does not begin as a trace does.
    case notATrace
    /// A later version wrote it, and what it holds cannot be understood.
    case unsupported
    /// What stands at this file offset cannot have been written by a recorder.
    case damaged(offset: UInt64)
    /// The recording was cut off before the guest was stored whole: nothing can be replayed.
    case unusable
    /// The caller gave an event or a machine that the format cannot hold.
    case invalid
  }
  public var kind: Kind
  public var description: String

  public init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }

  /// What the file holds is wrong (exit status 65), rather than the host or the caller (exit status 1).
  public var isDataError: Bool {
    switch kind {
    case .notATrace, .unsupported, .damaged, .unusable: true
    case .file, .busy, .invalid: false
    }
  }
}

/// The first place in a trace that cannot have been written by a recorder. Everything before it is sound.
public struct TraceDamage: Equatable, Sendable, CustomStringConvertible {
  /// Bytes from the begin of the file.
  public var offset: UInt64
  public var reason: String

  public init(offset: UInt64, reason: String) {
    self.offset = offset
    self.reason = reason
  }

  public var description: String { "damaged at offset \(offset): \(reason)" }
}
