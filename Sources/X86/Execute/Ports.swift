internal import VMMCore

// IN, OUT, and who may use them.
extension CPU {
  /// Whether the current instruction may access the ports (Intel SDM vol. 1, 19.5.2); #GP(0) when not.
  func portAllowed(_ port: UInt64, _ size: Int) -> Bool {
    guard isProtected else { return true }
    let level = s[Slot.systemFlags] >> 12 & 3
    if !isVirtual8086 && s[Slot.privilegeLevel] <= level { return true }
    let task = systemSegment(Slot.tr)
    // The bitmap's offset lies at 0x66 of a 32- or 64-bit task-state segment; it must be followed by one more byte.
    guard task.type & 9 == 9, task.isPresent, task.limit >= 0x67 else { return raiseProtection() }
    guard let offset = loadSystem(UInt16.self, task.base &+ 0x66) else { return false }
    let byte = UInt64(offset) + port / 8
    guard byte + 1 <= UInt64(task.limit) else { return raiseProtection() }
    guard let bits = loadSystem(UInt16.self, task.base &+ byte) else { return false }
    let wanted = UInt16((1 << size) - 1) << UInt16(port & 7)
    return bits & wanted == 0 || raiseProtection()
  }

  @inline(never)
  func executePort(_ op: Op) -> Bool {
    let size = min(op.size, 4)
    let immediate = op.handler == .inImm || op.handler == .outImm
    let port = immediate ? op.immediate & 0xff : rdx & 0xffff
    guard portAllowed(port, size) else { return false }
    if op.handler == .outImm || op.handler == .outDX {
      guard interact(ExitKind.portWrite, address: port, size: UInt64(size), value: rax & sizeMask(size)) != nil else {
        return false
      }
      notePortAccess(port, size)
      return true
    }
    guard let value = interact(ExitKind.portRead, address: port, size: UInt64(size)) else { return false }
    notePortAccess(port, size)
    setRegisterWord(0, value, size)
    return true
  }
}
