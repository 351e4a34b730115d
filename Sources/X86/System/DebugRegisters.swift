// MOV DR (Intel SDM vol. 3, 17.2).
extension CPU {
  func executeMoveFromDebug(_ op: Op) -> Bool {
    guard let number = debugRegister(op) else { return false }
    setRegister(op.rm, s[Slot.dr + number], size: is64Bit ? 8 : 4)
    return true
  }

  func executeMoveToDebug(_ op: Op) -> Bool {
    guard let number = debugRegister(op) else { return false }
    let value = is64Bit ? word(op.rm) : word(op.rm) & 0xffff_ffff
    switch number {
    case 6:
      guard value >> 32 == 0 else { return raiseProtection() }
      s[Slot.dr + 6] = value & 0xe00f | 0xffff_0ff0
    case 7:
      guard value >> 32 == 0 else { return raiseProtection() }
      s[Slot.dr + 7] = value & 0xffff_2bff | 0x400
    default: s[Slot.dr + number] = value
    }
    debugRegistersChanged()
    return true
  }

  /// The register's number, 4 and 5 being 6 and 7 unless CR4.DE; `nil` when the access faults.
  private func debugRegister(_ op: Op) -> Int? {
    var number = op.regNumber
    guard number < 8, number < 4 || number >= 6 || cr4 & CR4.de == 0 else {
      raiseUndefined()
      return nil
    }
    if number == 4 || number == 5 { number += 2 }
    guard privilegeLevel == 0 else {
      raiseProtection()
      return nil
    }
    // General detection: DR7.GD.
    guard s[Slot.dr + 7] & 1 << 13 == 0 else {
      noteDebugStatus(DebugStatus.generalDetect)
      raise(ExceptionVector.debug)
      return nil
    }
    return number
  }
}
