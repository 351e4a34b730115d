/// A place that is looked for: of the stops before the instruction at an address, only those with these general
/// registers and this word of memory are of interest.
public struct StopFilter: Equatable, Sendable {
  /// Linear.
  public var address: UInt64
  public var registers: SIMD16<UInt64>
  public var word: MemoryWord?

  public init(address: UInt64, registers: SIMD16<UInt64>, word: MemoryWord? = nil) {
    self.address = address
    self.registers = registers
    self.word = word
  }
}

/// What eight bytes of guest memory hold, as a little-endian integer.
public struct MemoryWord: Equatable, Hashable, Sendable {
  /// A multiple of 8.
  public var address: GuestPhysicalAddress
  public var value: UInt64

  public init(address: GuestPhysicalAddress, value: UInt64) {
    self.address = address
    self.value = value
  }
}
