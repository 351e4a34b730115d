/// A file that the guest is made of, whole and unchanged: it travels in the trace.
public struct GuestImage: Equatable, Sendable {
  public enum Role: UInt8, Sendable, CaseIterable {
    case kernel = 0
    case initrd = 1
    case disk = 2
    /// Symbols for debuggers only (a vmlinux beside a bzImage).
    case symbols = 3
  }
  public var role: Role
  /// The file's name without its directory.
  public var name: String
  public var bytes: [UInt8]

  public init(role: Role, name: String, bytes: [UInt8]) {
    self.role = role
    self.name = name
    self.bytes = bytes
  }
}

/// One piece of the guest's initial memory; everything that no placement covers is zero.
public struct Placement: Equatable, Sendable {
  public enum Source: Equatable, Sendable {
    /// A range of one of the guest's images, in bytes.
    case image(index: Int, offset: Int, count: Int)
    case bytes([UInt8])
  }
  public var address: GuestPhysicalAddress
  public var source: Source

  public init(address: GuestPhysicalAddress, source: Source) {
    self.address = address
    self.source = source
  }
}

/// A guest that is ready to run: what its memory and its CPU hold at first. It does not depend on the loader that made
/// it, so a trace that holds it replays under every later version.
public struct InitialMachine: Equatable, Sendable {
  /// Bytes of RAM.
  public var memorySize: UInt64
  public var images: [GuestImage]
  /// In the order in which they are written; later ones win.
  public var placements: [Placement]
  public var state: CPUState

  public init(memorySize: UInt64, images: [GuestImage], placements: [Placement], state: CPUState) {
    self.memorySize = memorySize
    self.images = images
    self.placements = placements
    self.state = state
  }
}
