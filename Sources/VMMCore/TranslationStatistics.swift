/// What an engine has made host code of.
public struct TranslationStatistics: Equatable, Sendable {
  /// Blocks that were translated, and guest instructions in them; again where the code memory had been full.
  public var blocks: UInt64 = 0
  public var instructions: UInt64 = 0
  /// Bytes of host code.
  public var bytes: UInt64 = 0
  /// Nanoseconds that it took.
  public var time: UInt64 = 0

  public init() {}
}
