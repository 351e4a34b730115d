/// One leaf of CPUID.
public struct CPUIDLeaf: Equatable, Hashable, Sendable {
  public var leaf: UInt32
  /// `nil` for leaves that ignore ECX.
  public var subleaf: UInt32?
  public var eax: UInt32
  public var ebx: UInt32
  public var ecx: UInt32
  public var edx: UInt32

  public init(_ leaf: UInt32, subleaf: UInt32? = nil, eax: UInt32, ebx: UInt32, ecx: UInt32, edx: UInt32) {
    self.leaf = leaf
    self.subleaf = subleaf
    self.eax = eax
    self.ebx = ebx
    self.ecx = ecx
    self.edx = edx
  }
}

/// What CPUID tells the guest: the same on every host, and nothing that a recording cannot log.
public struct CPUModel: Equatable, Sendable {
  /// The name that `--cpu` takes and the trace header holds.
  public var name: String
  public var leaves: [CPUIDLeaf]

  public init(name: String, leaves: [CPUIDLeaf]) {
    self.name = name
    self.leaves = leaves
  }

  /// The leaf as CPUID answers it; zeros for one that does not exist.
  public func lookup(leaf: UInt32, subleaf: UInt32) -> CPUIDLeaf {
    leaves.first { $0.leaf == leaf && ($0.subleaf == nil || $0.subleaf == subleaf) }
      ?? CPUIDLeaf(leaf, eax: 0, ebx: 0, ecx: 0, edx: 0)
  }
}
