internal import VMMCore

// FXSAVE, FXRSTOR, LDMXCSR, STMXCSR, XSAVE, XSAVEOPT, XRSTOR (0F AE).
extension CPU {
  func executeStateTransfer(_ op: Op) -> Bool {
    guard op.opcode == 0xae else { return raiseUndefined() }
    switch op.modRMReg {
    case 0: return prepareLegacy() && saveLegacy(op)
    case 1: return prepareLegacy() && restoreLegacy(op)
    case 2: return prepareMXCSR() && loadMXCSR(op)
    case 3: return prepareMXCSR() && storeMXCSR(op)
    case 4, 6: return prepareExtended() && saveExtended(op)
    case 5: return prepareExtended() && restoreExtended(op)
    default: return raiseUndefined()
    }
  }

  private func prepareLegacy() -> Bool {
    cr0 & (CR0.em | CR0.ts) == 0 ? true : raise(ExceptionVector.deviceNotAvailable)
  }

  private func prepareMXCSR() -> Bool {
    if cr0 & CR0.em != 0 || cr4 & CR4.osfxsr == 0 { return raiseUndefined() }
    return cr0 & CR0.ts == 0 ? true : raise(ExceptionVector.deviceNotAvailable)
  }

  private func prepareExtended() -> Bool {
    if cr4 & CR4.osxsave == 0 { return raiseUndefined() }
    return cr0 & CR0.ts == 0 ? true : raise(ExceptionVector.deviceNotAvailable)
  }

  /// The address of an area that must be aligned.
  private func area(_ op: Op, _ size: Int, alignment: UInt64, write: Bool) -> UInt64? {
    guard let at = address(op, size, write: write), isAligned(at, Alignment.natural(size)) else { return nil }
    if at & (alignment - 1) != 0 {
      raiseProtection()
      return nil
    }
    return at
  }

  // MARK: MXCSR

  private func loadMXCSR(_ op: Op) -> Bool {
    guard let at = address(op, 4), let word = load(UInt32.self, at) else { return false }
    guard UInt64(word) & ~s[Slot.mxcsrMask] == 0 else { return raiseProtection() }
    s[Slot.mxcsr] = UInt64(word)
    return true
  }

  private func storeMXCSR(_ op: Op) -> Bool {
    guard let at = address(op, 4, write: true) else { return false }
    return store(UInt32(truncatingIfNeeded: s[Slot.mxcsr]), at)
  }

  // MARK: FXSAVE

  /// XMM8 … XMM15 exist in 64-bit code only.
  private var xmmCount: Int { is64Bit ? 16 : 8 }

  private func saveLegacy(_ op: Op) -> Bool {
    guard let at = area(op, 512, alignment: 16, write: true), prepareStore(at, 512) else { return false }
    return saveX87(at, wide: op.rexW) && saveControl(at) && saveXMM(at)
  }

  /// On AMD's processors FOP, FIP and FDP are saved as zeros unless an unmasked exception waits (AMD APM vol. 2,
  /// 11.4.4).
  private func saveX87(_ at: UInt64, wide: Bool) -> Bool {
    let unit = X87Unit(self)
    let hasPointers = unit.status & X87Status.summary != 0 || does(.alwaysSavesX87Pointers)
    let head =
      UInt64(unit.control) | UInt64(unit.status) << 16 | (s[Slot.ftw] & 0xff) << 32
      | (hasPointers ? (s[Slot.fop] & 0x7ff) << 48 : 0)
    let pointerMask: UInt64 = hasPointers ? wide ? .max : 0xffff_ffff : 0
    guard store(head, at), store(s[Slot.fip] & pointerMask, nextLinear(at, 8)),
      store(s[Slot.fdp] & pointerMask, nextLinear(at, 16))
    else { return false }
    for position in 0..<8 {
      let value = unit.st(position)
      let slot = nextLinear(at, UInt64(32 + 16 * position))
      guard store(value.significand, slot), saveSignExponent(value.signExponent, nextLinear(slot, 8)) else {
        return false
      }
    }
    return true
  }

  private func saveSignExponent(_ value: UInt16, _ at: UInt64) -> Bool {
    does(.leavesX87Gaps) ? store(value, at) : store(UInt64(value), at)
  }

  private func saveControl(_ at: UInt64) -> Bool {
    store(s[Slot.mxcsr] & 0xffff_ffff | s[Slot.mxcsrMask] << 32, nextLinear(at, 24))
  }

  private func saveXMM(_ at: UInt64) -> Bool {
    for number in 0..<xmmCount {
      let value = xmm(number)
      let slot = nextLinear(at, UInt64(160 + 16 * number))
      guard store(value.low, slot), store(value.high, nextLinear(slot, 8)) else { return false }
    }
    return true
  }

  // MARK: FXRSTOR

  private func restoreLegacy(_ op: Op) -> Bool {
    guard let at = area(op, 512, alignment: 16, write: false), let image = loadImage(at) else { return false }
    guard isValidMXCSR(image) else { return raiseProtection() }
    restoreX87(image, wide: op.rexW)
    s[Slot.mxcsr] = image[3] & 0xffff_ffff
    restoreXMM(image)
    return true
  }

  /// The first 416 bytes of an area as words: all of it is read before anything changes.
  private func loadImage(_ at: UInt64) -> [UInt64]? {
    var image: [UInt64] = []
    for index in 0..<UInt64(52) {
      guard let word = load(UInt64.self, nextLinear(at, 8 * index)) else { return nil }
      image.append(word)
    }
    return image
  }

  private func isValidMXCSR(_ image: [UInt64]) -> Bool { image[3] & 0xffff_ffff & ~s[Slot.mxcsrMask] == 0 }

  private func restoreX87(_ image: [UInt64], wide: Bool) {
    let unit = X87Unit(self)
    unit.restore(control: UInt16(truncatingIfNeeded: image[0]), status: UInt16(truncatingIfNeeded: image[0] >> 16))
    s[Slot.ftw] = image[0] >> 32 & 0xff
    s[Slot.fop] = image[0] >> 48 & 0x7ff
    s[Slot.fip] = wide ? linearAddress(image[1]) : image[1] & 0xffff_ffff
    let operand = does(.keepsX87OperandPointers) ? image[2] : linearAddress(image[2])
    s[Slot.fdp] = wide ? operand : image[2] & 0xffff_ffff
    for position in 0..<8 {
      let number = unit.physical(position)
      s[Slot.x87Significand(number)] = image[4 + 2 * position]
      s[Slot.x87SignExponent(number)] = image[5 + 2 * position] & 0xffff
    }
  }

  /// FIP and FDP have as many bits as linear addresses on the CPU of the profile.
  private func linearAddress(_ value: UInt64) -> UInt64 {
    let shift: Int64 = does(.narrowsX87Pointers) ? 16 : 7
    return UInt64(bitPattern: (Int64(bitPattern: value) << shift) >> shift)
  }

  private func restoreXMM(_ image: [UInt64]) {
    for number in 0..<xmmCount { setXMM(number, V128(image[20 + 2 * number], image[21 + 2 * number])) }
  }

  // MARK: XSAVE

  /// x87 and SSE, as far as the instruction and XCR0 ask for them.
  private var requestedFeatures: UInt64 {
    (s[GPR.rax] & 0xffff_ffff | s[GPR.rdx] << 32) & s[Slot.xcr0] & 3
  }

  private func saveExtended(_ op: Op) -> Bool {
    guard let at = area(op, 576, alignment: 64, write: true), prepareStore(at, 576),
      let old = load(UInt64.self, nextLinear(at, 512))
    else { return false }
    let features = requestedFeatures
    if features & 1 != 0 { guard saveX87(at, wide: op.rexW) else { return false } }
    if features & 2 != 0 { guard saveControl(at), saveXMM(at) else { return false } }
    return store(old & ~features | features, nextLinear(at, 512))
  }

  private func restoreExtended(_ op: Op) -> Bool {
    guard let at = area(op, 576, alignment: 64, write: false), let image = loadImage(at) else { return false }
    var header: [UInt64] = []
    for index in 0..<UInt64(8) {
      guard let word = load(UInt64.self, nextLinear(at, 512 + 8 * index)) else { return false }
      header.append(word)
    }
    let features = requestedFeatures
    guard header[0] & ~s[Slot.xcr0] == 0, header[1] == 0, header[2] == 0 else { return raiseProtection() }
    if features & 2 != 0 {
      guard isValidMXCSR(image) else { return raiseProtection() }
      s[Slot.mxcsr] = image[3] & 0xffff_ffff
    }
    restoreComponents(features, present: header[0], image, wide: op.rexW)
    return true
  }

  /// What was not saved takes its initial value.
  private func restoreComponents(_ features: UInt64, present: UInt64, _ image: [UInt64], wide: Bool) {
    if features & 1 != 0 {
      if present & 1 != 0 {
        restoreX87(image, wide: wide)
      } else {
        X87Unit(self).reset()
        for number in 0..<8 {
          s[Slot.x87Significand(number)] = 0
          s[Slot.x87SignExponent(number)] = 0
        }
      }
    }
    if features & 2 != 0 {
      if present & 2 != 0 {
        restoreXMM(image)
      } else {
        for number in 0..<xmmCount { setXMM(number, V128()) }
      }
    }
  }
}
