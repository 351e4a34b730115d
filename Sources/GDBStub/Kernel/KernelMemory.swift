internal import VMMCore

/// A copy of what a guest has mapped where a 64-bit Linux has its image (Documentation/x86/x86_64/mm.rst, "kernel text
/// mapping"): KASLR moves the image inside of it.
struct KernelMemory {
  /// Mapped memory without a gap.
  struct Stretch {
    var address: UInt64
    var bytes: [UInt8]

    var range: Range<UInt64> { address..<(address + UInt64(bytes.count)) }
  }

  static let window: Range<UInt64> = 0xffff_ffff_8000_0000..<0xffff_ffff_c000_0000

  private(set) var stretches: [Stretch] = []

  /// No kernel has so much.
  private static let maximumCount = 256 << 20
  /// Mappings that begin or end inside of a piece are cut there.
  private static let piece: UInt64 = 1 << 16

  /// Under the tables that the machine is under; or under the kernel's of the same process, when user mode has its own
  /// and the machine is under those (arch/x86/mm/pti.c).
  init(_ target: any DebugTarget) {
    guard let state = try? target.registers(), state.is64Bit, let space = AddressSpace(state) else { return }
    read(target, space)
    if space.root & 1 << 12 != 0 {
      let own = stretches
      read(target, space.twin)
      if KernelMemory.size(of: stretches) < KernelMemory.size(of: own) { stretches = own }
    }
  }

  init(_ stretches: [Stretch]) { self.stretches = stretches }

  var isEmpty: Bool { stretches.isEmpty }

  private static func size(of stretches: [Stretch]) -> Int { stretches.reduce(0) { $0 + $1.bytes.count } }

  private mutating func read(_ target: any DebugTarget, _ space: AddressSpace) {
    stretches = []
    var left = KernelMemory.maximumCount
    var address = KernelMemory.window.lowerBound
    while address < KernelMemory.window.upperBound, left > 0 {
      let bytes = target.readMemory(at: address, count: Int(KernelMemory.piece), in: space)
      append(bytes, at: address)
      left -= bytes.count
      address += KernelMemory.piece
    }
  }

  private mutating func append(_ bytes: [UInt8], at address: UInt64) {
    guard !bytes.isEmpty else { return }
    if let last = stretches.indices.last, stretches[last].range.upperBound == address {
      stretches[last].bytes += bytes
    } else {
      stretches.append(Stretch(address: address, bytes: bytes))
    }
  }

  /// All bytes of a range, or none.
  func bytes(in range: Range<UInt64>) -> ArraySlice<UInt8> {
    guard let stretch = stretches.first(where: { $0.range.contains(range.lowerBound) }),
      range.upperBound <= stretch.range.upperBound
    else { return [] }
    let start = Int(range.lowerBound - stretch.address)
    return stretch.bytes[start..<(start + range.count)]
  }
}
