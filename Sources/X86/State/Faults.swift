internal import VMMCore

// How an instruction reports that it cannot complete.
extension CPU {
  /// Raises an exception for the current instruction. Returns false, to be returned by the instruction in turn.
  @inline(never) @discardableResult
  func raise(_ vector: UInt8, errorCode: UInt32? = nil) -> Bool {
    s[Slot.faultPending] = 1
    s[Slot.faultVector] = UInt64(vector)
    s[Slot.faultErrorCode] = UInt64(errorCode ?? 0)
    s[Slot.faultHasErrorCode] = errorCode == nil ? 0 : 1
    s[Slot.faultNotCanonical] = 0
    return false
  }

  /// #UD.
  @discardableResult
  func raiseUndefined() -> Bool { raise(ExceptionVector.invalidOpcode) }

  /// #GP with an error code.
  @discardableResult
  func raiseProtection(_ errorCode: UInt32 = 0) -> Bool {
    raise(ExceptionVector.generalProtection, errorCode: errorCode)
  }

  /// The fault that the last instruction raised; reading takes it away.
  func takeFault() -> PendingEvent? {
    guard s[Slot.faultPending] != 0 else { return nil }
    s[Slot.faultPending] = 0
    return PendingEvent(
      kind: .exception, vector: UInt8(truncatingIfNeeded: s[Slot.faultVector]),
      errorCode: s[Slot.faultHasErrorCode] != 0 ? UInt32(truncatingIfNeeded: s[Slot.faultErrorCode]) : nil)
  }

  /// An event to be delivered before the next instruction (`CPUState.pendingEvent`).
  var pendingEvent: PendingEvent? {
    get {
      guard s[Slot.eventKind] != 0, let kind = PendingEvent.Kind(rawValue: UInt8(s[Slot.eventKind] & 0xff) &- 1)
      else { return nil }
      return PendingEvent(
        kind: kind, vector: UInt8(truncatingIfNeeded: s[Slot.eventVector]),
        errorCode: s[Slot.eventHasErrorCode] != 0 ? UInt32(truncatingIfNeeded: s[Slot.eventErrorCode]) : nil)
    }
    nonmutating set {
      s[Slot.eventKind] = newValue.map { UInt64($0.kind.rawValue) + 1 } ?? 0
      s[Slot.eventVector] = newValue.map { UInt64($0.vector) } ?? 0
      s[Slot.eventErrorCode] = newValue.flatMap { $0.errorCode }.map { UInt64($0) } ?? 0
      s[Slot.eventHasErrorCode] = newValue?.errorCode != nil ? 1 : 0
    }
  }
}
