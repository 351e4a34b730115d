internal import VMMCore

/// What an instruction asks of the outside (`Slot.exitKind`).
enum ExitKind {
  static var none: UInt64 { 0 }
  static var portRead: UInt64 { 1 }
  static var portWrite: UInt64 { 2 }
  static var mmioRead: UInt64 { 3 }
  static var mmioWrite: UInt64 { 4 }
  static var msrRead: UInt64 { 5 }
  static var msrWrite: UInt64 { 6 }
  static var timestampRead: UInt64 { 7 }
  static var randomRead: UInt64 { 8 }
  /// Not an interaction: a REP instruction stops between two iterations.
  static var pause: UInt64 { 9 }
  /// Not an interaction: the instruction touches watched memory or a page table and is to be executed by the stepper.
  static var step: UInt64 { 10 }
}

// Interactions. The instruction that wants one is abandoned with nothing changed, and executed again from its beginning
// when the answer is there; the answers so far are then used up in order. A write that was already sent counts as an
// answer with no value.
extension CPU {
  /// The value of the current instruction's next interaction; `nil` when it has not been answered yet (the exit is then
  /// asked for) or, for MSRs, was answered with #GP (which is then raised).
  @inline(never)
  func interact(_ kind: UInt64, address: UInt64, size: UInt64 = 0, value: UInt64 = 0) -> UInt64? {
    let cursor = s[Slot.replyCursor]
    if cursor < s[Slot.replyCount] {
      s[Slot.replyCursor] = cursor + 1
      if s[Slot.replyFaults] != 0 && cursor + 1 == s[Slot.replyCount] {
        raiseProtection()
        return nil
      }
      return s[Slot.replies + Int(cursor)]
    }
    s[Slot.exitKind] = kind
    s[Slot.exitAddress] = address
    s[Slot.exitSize] = size
    s[Slot.exitValue] = value
    return nil
  }

  /// The exit that the last instruction asked for.
  var requestedExit: VCPUExit? {
    let address = s[Slot.exitAddress]
    let size = UInt8(truncatingIfNeeded: s[Slot.exitSize])
    let value = s[Slot.exitValue]
    switch s[Slot.exitKind] {
    case ExitKind.portRead: return .portRead(port: UInt16(truncatingIfNeeded: address), size: size)
    case ExitKind.portWrite:
      return .portWrite(
        port: UInt16(truncatingIfNeeded: address), size: size, value: UInt32(truncatingIfNeeded: value))
    case ExitKind.mmioRead: return .mmioRead(address: GuestPhysicalAddress(address), size: size)
    case ExitKind.mmioWrite: return .mmioWrite(address: GuestPhysicalAddress(address), size: size, value: value)
    case ExitKind.msrRead: return .msrRead(index: UInt32(truncatingIfNeeded: address))
    case ExitKind.msrWrite: return .msrWrite(index: UInt32(truncatingIfNeeded: address), value: value)
    case ExitKind.timestampRead: return .timestampRead
    case ExitKind.randomRead: return .randomRead
    default: return nil
    }
  }

  /// Answers the requested exit (0 for a write); the instruction goes on when the CPU runs next.
  func answer(_ value: UInt64, fault: Bool = false) {
    s[Slot.exitKind] = ExitKind.none
    let count = Int(s[Slot.replyCount])
    guard count < Slot.replyCapacity else { return }
    s[Slot.replies + count] = value
    s[Slot.replyCount] = UInt64(count + 1)
    s[Slot.replyFaults] = fault ? 1 : 0
  }

  /// The instruction (or the iteration of a REP instruction) is complete: its answers are used up.
  @inline(__always) func clearReplies() {
    s[Slot.replyCount] = 0
    s[Slot.replyCursor] = 0
    s[Slot.replyFaults] = 0
    s[Slot.exitKind] = ExitKind.none
  }
}
