/// Why a debugger's stop ended a run.
public enum DebugStop: Equatable, Sendable {
  /// The next instruction is the one at this linear address.
  case breakpoint(UInt64)
  /// The last instruction accessed watched bytes: the linear address and number of bytes of the access, and whether it
  /// was a store.
  case watch(address: UInt64, count: UInt64, write: Bool)
}

extension CPU {
  func forgetDebugStop() { s[SystemSlot.stopReason] = 0 }

  func takeDebugStop() -> DebugStop? {
    defer { s[SystemSlot.stopReason] = 0 }
    switch s[SystemSlot.stopReason] {
    case 1: return .breakpoint(s[SystemSlot.stopLinear])
    case 2:
      return .watch(
        address: s[SystemSlot.stopLinear], count: s[SystemSlot.stopCount], write: s[SystemSlot.stopWrites] != 0)
    default: return nil
    }
  }
}
