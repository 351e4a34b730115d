// Who may use a port (Intel SDM vol. 1, 18.5).
extension CPU {
  /// Checks IOPL and the I/O permission map; raises #GP(0) and returns false when the port is not allowed.
  func mayAccessPort(_ port: UInt16, size: Int) -> Bool {
    let level = Int(truncatingIfNeeded: s[Slot.systemFlags] >> 12 & 3)
    guard isProtected, isVirtual8086 || privilegeLevel > level else { return true }
    // Only a 32-bit or 64-bit task-state segment has a map.
    guard s[Slot.tr + 3] & 8 != 0, 0x67 <= s[Slot.tr + 2] else { return raiseProtection() }
    guard let map = stateSegmentWord(0x66, size: 2) else { return false }
    let offset = map &+ UInt64(port >> 3)
    // Two bytes are read always.
    guard offset + 1 <= s[Slot.tr + 2] else { return raiseProtection() }
    guard let bits = loadSystem(UInt16.self, s[Slot.tr + 1] &+ offset) else { return false }
    let wanted: UInt16 = (1 << UInt16(size) &- 1) << (port & 7)
    guard bits & wanted == 0 else { return raiseProtection() }
    return true
  }
}
