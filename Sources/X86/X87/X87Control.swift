// The instructions that do not compute: control, status, environment. Some of them do not wait for pending exceptions.
extension X87Unit {
  /// Whether the instruction is one of these. FLDCW, FLDENV, FRSTOR and FNOP wait as the others do.
  func isControl(_ op: Op) -> Bool {
    if op.isMemory {
      let row = op.modRMReg
      return (op.opcode == 0xd9 && row >= 4) || (op.opcode == 0xdd && row >= 4)
    }
    return op.opcode == 0xdb && op.modRMReg == 4 || op.opcode == 0xdf && op.modRM == 0xe0
  }

  func executeControl(_ op: Op) -> Bool {
    if !op.isMemory { return op.opcode == 0xdf ? storeStatusAX() : executeDBE0(Int(op.modRMRM)) }
    switch (op.opcode, op.modRMReg) {
    case (0xd9, 4): return cpu.checkX87Pending() && loadEnvironment(op)
    case (0xd9, 5): return cpu.checkX87Pending() && loadControl(op)
    case (0xd9, 6): return storeEnvironment(op)
    case (0xd9, 7): return storeWord(op, control)
    case (0xdd, 4): return cpu.checkX87Pending() && restore(op)
    case (0xdd, 6): return save(op)
    case (0xdd, 7): return storeWord(op, status)
    default: return cpu.raiseUndefined()
    }
  }

  /// DB E0 … E7.
  private func executeDBE0(_ position: Int) -> Bool {
    switch position {
    case 2:
      withdrawError()
      cpu.s[Slot.fsw] &= UInt64(X87Status.conditions)
      return true
    case 3:
      reset()
      return true
    case 0, 1, 4:
      // FNENI, FNDISI and FNSETPM of the 8087 and 287.
      return true
    default: return cpu.raiseUndefined()
    }
  }

  private func storeStatusAX() -> Bool {
    cpu.rax = cpu.rax & ~0xffff | UInt64(status)
    return true
  }

  private func storeWord(_ op: Op, _ word: UInt16) -> Bool {
    guard let at = cpu.address(op, 2, write: true) else { return false }
    return cpu.store(word, at)
  }

  private func loadControl(_ op: Op) -> Bool {
    guard let at = cpu.address(op, 2), let word = cpu.load(UInt16.self, at) else { return false }
    setControl(word)
    return true
  }

  /// Bit 6 reads as one; new masks can make a pending exception of an old one.
  private func setControl(_ word: UInt16) {
    control = word & 0x1f3f | 0x40
    let word = summarize(UInt16(truncatingIfNeeded: cpu.s[Slot.fsw]))
    cpu.s[Slot.fsw] = UInt64(word)
    if word & X87Status.summary == 0 { withdrawError() }
  }

  /// Control and status word as a saved image holds them; ES and B follow from them.
  func restore(control word: UInt16, status: UInt16) {
    self.status = status
    setControl(word)
  }

  // MARK: Environment

  /// The tag word with two bits a register (Intel SDM vol. 1, 8.1.7).
  private var fullTags: UInt16 {
    var word: UInt16 = 0
    for number in 0..<8 {
      var tag: UInt16 = 3
      if cpu.s[Slot.ftw] & 1 << UInt64(number) != 0 {
        let field = UInt16(truncatingIfNeeded: cpu.s[Slot.x87SignExponent(number)]) & 0x7fff
        let significand = cpu.s[Slot.x87Significand(number)]
        tag = field == 0 && significand == 0 ? 1 : field == 0 || field == 0x7fff || significand >> 63 == 0 ? 2 : 0
      }
      word |= tag << UInt16(2 * number)
    }
    return word
  }

  private func setFullTags(_ word: UInt16) {
    var tags: UInt64 = 0
    for number in 0..<8 where word >> UInt16(2 * number) & 3 != 3 { tags |= 1 << UInt64(number) }
    cpu.s[Slot.ftw] = tags
  }

  /// The seven fields of the environment in the 16- or 32-bit format of the current mode (Intel SDM vol. 1, figures 8-9
  /// to 8-12); selectors are stored as 0.
  private func environment(wide: Bool) -> [UInt32] {
    let fip = UInt32(truncatingIfNeeded: cpu.s[Slot.fip])
    let fdp = UInt32(truncatingIfNeeded: cpu.s[Slot.fdp])
    let fop = UInt32(truncatingIfNeeded: cpu.s[Slot.fop]) & 0x7ff
    let words = [UInt32(control), UInt32(status), UInt32(fullTags)]
    if wide {
      let reserved: UInt32 = 0xffff_0000
      let head = words.map { $0 | reserved }
      if usesProtectedFormat { return head + [fip, fop << 16, fdp, reserved] }
      return head + [
        fip & 0xffff | reserved, (fip >> 4) & 0x0fff_f000 | fop, fdp & 0xffff | reserved, (fdp >> 4) & 0x0fff_f000,
      ]
    }
    if usesProtectedFormat { return words + [fip & 0xffff, 0, fdp & 0xffff, 0] }
    return words + [fip & 0xffff, (fip >> 16 & 15) << 12 | fop, fdp & 0xffff, (fdp >> 16 & 15) << 12]
  }

  private var usesProtectedFormat: Bool { cpu.isProtected && !cpu.isVirtual8086 }

  private func writeEnvironment(_ at: UInt64, wide: Bool) -> Bool {
    for (index, field) in environment(wide: wide).enumerated() {
      let address = cpu.nextLinear(at, UInt64(index * (wide ? 4 : 2)))
      guard wide ? cpu.store(field, address) : cpu.store(UInt16(truncatingIfNeeded: field), address) else {
        return false
      }
    }
    return true
  }

  /// FNSTENV: all exceptions are masked afterwards.
  private func storeEnvironment(_ op: Op) -> Bool {
    let wide = op.size != 2
    let size = wide ? 28 : 14
    guard let at = cpu.address(op, size, write: true), cpu.prepareStore(at, size), writeEnvironment(at, wide: wide)
    else { return false }
    setControl(control | 63)
    return true
  }

  /// The seven fields, or nil after a fault.
  private func readEnvironment(_ at: UInt64, wide: Bool) -> [UInt32]? {
    var fields: [UInt32] = []
    for index in 0..<7 {
      let address = cpu.nextLinear(at, UInt64(index * (wide ? 4 : 2)))
      guard let field = wide ? cpu.load(UInt32.self, address) : cpu.load(UInt16.self, address).map({ UInt32($0) })
      else {
        return nil
      }
      fields.append(field)
    }
    return fields
  }

  private func setEnvironment(_ fields: [UInt32], wide: Bool) {
    status = UInt16(truncatingIfNeeded: fields[1])
    setFullTags(UInt16(truncatingIfNeeded: fields[2]))
    setControl(UInt16(truncatingIfNeeded: fields[0]))
    var fip = fields[3]
    var fdp = fields[5]
    var fop = fields[4] >> 16
    if !usesProtectedFormat {
      fop = fields[4]
      fip = fip & 0xffff | (fields[4] << 4) & 0xffff_0000
      fdp = fdp & 0xffff | (fields[6] << 4) & 0xffff_0000
    } else if !wide {
      fop = 0
    }
    cpu.s[Slot.fip] = UInt64(fip)
    cpu.s[Slot.fdp] = UInt64(fdp)
    cpu.s[Slot.fop] = UInt64(fop & 0x7ff)
  }

  private func loadEnvironment(_ op: Op) -> Bool {
    let wide = op.size != 2
    guard let at = cpu.address(op, wide ? 28 : 14), let fields = readEnvironment(at, wide: wide) else { return false }
    setEnvironment(fields, wide: wide)
    return true
  }

  /// FNSAVE: environment and registers, then FNINIT.
  private func save(_ op: Op) -> Bool {
    let wide = op.size != 2
    let head = wide ? 28 : 14
    guard let at = cpu.address(op, head + 80, write: true), cpu.prepareStore(at, head + 80),
      writeEnvironment(at, wide: wide)
    else { return false }
    guard cpu.withoutAlignmentChecks({ writeRegisters(cpu.nextLinear(at, UInt64(head))) }) else { return false }
    reset()
    return true
  }

  private func writeRegisters(_ at: UInt64) -> Bool {
    for position in 0..<8 {
      let value = st(position)
      let address = cpu.nextLinear(at, UInt64(10 * position))
      guard cpu.store(value.significand, address), cpu.store(value.signExponent, cpu.nextLinear(address, 8)) else {
        return false
      }
    }
    return true
  }

  private func readRegisters(_ at: UInt64) -> [Extended]? {
    var values: [Extended] = []
    for position in 0..<8 {
      let address = cpu.nextLinear(at, UInt64(10 * position))
      guard let low = cpu.load(UInt64.self, address), let high = cpu.load(UInt16.self, cpu.nextLinear(address, 8))
      else {
        return nil
      }
      values.append(Extended(significand: low, signExponent: high))
    }
    return values
  }

  private func restore(_ op: Op) -> Bool {
    let wide = op.size != 2
    let head = wide ? 28 : 14
    guard let at = cpu.address(op, head + 80), let fields = readEnvironment(at, wide: wide),
      let values = cpu.withoutAlignmentChecks({ readRegisters(cpu.nextLinear(at, UInt64(head))) })
    else { return false }
    setEnvironment(fields, wide: wide)
    for (position, value) in values.enumerated() {
      let number = physical(position)
      cpu.s[Slot.x87Significand(number)] = value.significand
      cpu.s[Slot.x87SignExponent(number)] = UInt64(value.signExponent)
    }
    return true
  }
}
