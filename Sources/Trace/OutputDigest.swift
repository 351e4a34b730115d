public import VMMCore

/// The running digest over all interactions of a run, folded alike by the recorder and by every replay (FORMAT.md,
/// "Output digest"): two runs with equal digests asked for and sent out the same, in the same order.
public struct OutputDigest: Equatable, Sendable {
  private var digest = Digest()

  public init() {}

  public var value: UInt64 { digest.value }

  /// Takes in one interaction with its answer. Only as many bytes of a value count as the access has.
  public mutating func fold(_ exit: VCPUExit, _ answer: Answer) {
    guard let (shape, value) = Shape.split(exit, answer) else { return }
    digest.fold(shape.address ^ UInt64(shape.code) << 56)
    digest.fold(value & shape.valueMask)
  }
}
