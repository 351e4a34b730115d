internal import VMMCore

// SGDT, SIDT, LGDT, LIDT, SLDT, STR, LLDT, LTR.
extension CPU {
  /// `slot` is `Slot.gdtr` or `Slot.idtr`.
  func executeStoreTable(_ op: Op, _ slot: Int) -> Bool {
    guard !isHidden else { return raiseProtection() }
    let size = is64Bit ? 10 : 6
    guard let at = address(op, size, write: true) else { return false }
    return withoutAlignmentChecks {
      guard prepareStore(at, size), store(UInt16(truncatingIfNeeded: s[slot + 1]), at) else { return false }
      return size == 10
        ? store(s[slot], nextLinear(at, 2)) : store(UInt32(truncatingIfNeeded: s[slot]), nextLinear(at, 2))
    }
  }

  func executeLoadTable(_ op: Op, _ slot: Int) -> Bool {
    guard privilegeLevel == 0 else { return raiseProtection() }
    let size = is64Bit ? 10 : 6
    guard let at = address(op, size), let limit = load(UInt16.self, at),
      var base = load(size: size - 2, nextLinear(at, 2))
    else { return false }
    if !is64Bit && op.size == 2 { base &= 0xff_ffff }
    guard isCanonical(base) else { return raiseProtection() }
    s[slot] = base
    s[slot + 1] = UInt64(limit)
    return true
  }

  /// SLDT and STR: `slot` is `Slot.ldtr` or `Slot.tr`.
  func executeStoreSystemSegment(_ op: Op, _ slot: Int) -> Bool {
    guard isProtected, !isVirtual8086 else { return raiseUndefined() }
    guard !isHidden else { return raiseProtection() }
    return writeSelector(op, UInt16(truncatingIfNeeded: s[slot]))
  }

  func executeLoadLocalTable(_ op: Op) -> Bool {
    guard isProtected, !isVirtual8086 else { return raiseUndefined() }
    guard privilegeLevel == 0 else { return raiseProtection() }
    guard let selector = readSelector(op) else { return false }
    if selector & 0xfffc == 0 {
      setSystemSegment(Slot.ldtr, Segment(selector: selector, base: 0, limit: 0, attributes: unusableSegment))
      return true
    }
    guard let descriptor = systemTable(selector) else { return false }
    guard !descriptor.isCodeOrData, descriptor.type == SystemType.ldt else {
      return raise(ExceptionVector.generalProtection, selector: selector)
    }
    guard descriptor.isPresent else { return raise(ExceptionVector.segmentNotPresent, selector: selector) }
    guard isCanonical(descriptor.base) else { return raise(ExceptionVector.generalProtection, selector: selector) }
    setSystemSegment(Slot.ldtr, descriptor.segment(selector))
    return true
  }

  func executeLoadTask(_ op: Op) -> Bool {
    guard isProtected, !isVirtual8086 else { return raiseUndefined() }
    guard privilegeLevel == 0 else { return raiseProtection() }
    guard let selector = readSelector(op) else { return false }
    guard selector & 0xfffc != 0 else { return raiseProtection() }
    guard var descriptor = systemTable(selector) else { return false }
    guard !descriptor.isCodeOrData,
      descriptor.type == SystemType.tss || descriptor.type == SystemType.tss16 && !isLongMode
    else { return raise(ExceptionVector.generalProtection, selector: selector) }
    guard descriptor.isPresent else { return raise(ExceptionVector.segmentNotPresent, selector: selector) }
    guard isCanonical(descriptor.base) else { return raise(ExceptionVector.generalProtection, selector: selector) }
    // Busy from now on.
    descriptor.low |= 2 << 40
    guard let address = descriptorAddress(selector),
      storeSystem(UInt8(truncatingIfNeeded: descriptor.low >> 40), address &+ 5)
    else { return false }
    setSystemSegment(Slot.tr, descriptor.segment(selector))
    return true
  }

  /// A descriptor of the GDT.
  private func systemTable(_ selector: UInt16) -> Descriptor? {
    guard selector & 4 == 0 else {
      raise(ExceptionVector.generalProtection, selector: selector)
      return nil
    }
    return systemDescriptor(selector)
  }
}
