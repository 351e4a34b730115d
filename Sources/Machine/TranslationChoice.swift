public import VMMCore
internal import X86

/// Whether the software engine makes host code of what it executes often. That shows in nothing but the time it takes.
public enum TranslationChoice: String, CaseIterable, Sendable {
  /// Where it can.
  case auto, on, off

  /// This process can.
  public static var isAvailable: Bool { HostCode.isAvailable }

  /// For the engines that are made from now on.
  public func apply() throws(EngineError) {
    if self == .on, !HostCode.isAvailable {
      throw EngineError("this process may have no executable memory: give --translate auto, or off")
    }
    HostCode.isWanted = self != .off
  }
}
