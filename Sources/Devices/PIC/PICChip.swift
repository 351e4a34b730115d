/// One 8259A programmable interrupt controller (Intel order number 231468), in 8086 mode.
///
/// An edge that was seen is kept until it is acknowledged, also when the line falls before: the timer is advanced late
/// when the host is busy, and its interrupts would be lost otherwise. In level mode requests follow the line, so a line
/// that falls too early gives the spurious IR7 of the data sheet.
struct PICChip: StatePart {
  /// The lines that the board ties to the other chip, whose requests always follow the level.
  private let cascadeMask: UInt8
  /// Bits of the ELCR that can be set.
  private let levelMask: UInt8

  init(cascadeMask: UInt8, levelMask: UInt8) {
    self.cascadeMask = cascadeMask
    self.levelMask = levelMask
  }

  private var requests: UInt8 = 0
  private var inService: UInt8 = 0
  // Data sheets leave the mask open before ICW1; closed is what hurts nobody.
  private(set) var mask: UInt8 = 0xff
  private var lines: UInt8 = 0
  /// ELCR: lines that are level-triggered.
  private(set) var levelTriggered: UInt8 = 0

  private var vectorBase: UInt8 = 0
  private var icw1: UInt8 = 0
  private var icw3: UInt8 = 0
  private var icw4: UInt8 = 0
  /// The ICW that port A0=1 expects next: 2, 3, 4, or 0 for OCW1.
  private var nextICW: UInt8 = 0

  private var lowestPriority: UInt8 = 7
  private var specialMask = false
  private var rotatesOnAutomaticEnd = false
  private var readsInService = false
  private var polls = false

  mutating func code(with coder: inout StateCoder) {
    coder.code(&requests)
    coder.code(&inService)
    coder.code(&mask)
    coder.code(&lines)
    coder.code(&levelTriggered)
    coder.code(&vectorBase)
    coder.code(&icw1)
    coder.code(&icw3)
    coder.code(&icw4)
    coder.code(&nextICW)
    coder.code(&lowestPriority)
    coder.code(&specialMask)
    coder.code(&rotatesOnAutomaticEnd)
    coder.code(&readsInService)
    coder.code(&polls)
    coder.require(lowestPriority < 8 && nextICW <= 4)
  }
}

/// ICW1, ICW4, OCW2 and OCW3 bits.
private enum PICBit {
  static let icw1: UInt8 = 1 << 4
  static let icw1NeedsICW4: UInt8 = 1 << 0
  static let icw1Single: UInt8 = 1 << 1
  static let icw1LevelTriggered: UInt8 = 1 << 3
  static let icw4AutomaticEnd: UInt8 = 1 << 1
  static let icw4FullyNested: UInt8 = 1 << 4
  static let ocw3: UInt8 = 1 << 3
  static let ocw3ReadSelect: UInt8 = 1 << 1
  static let ocw3InService: UInt8 = 1 << 0
  static let ocw3Poll: UInt8 = 1 << 2
  static let ocw3SpecialMaskSelect: UInt8 = 1 << 6
  static let ocw3SpecialMask: UInt8 = 1 << 5
}

// MARK: Lines and priorities

extension PICChip {
  /// Drives one of the inputs IR0 to IR7.
  mutating func setLine(_ line: UInt8, _ level: Bool) {
    let bit: UInt8 = 1 << (line & 7)
    if level {
      if lines & bit == 0 || isLevel(bit) { requests |= bit }
      lines |= bit
    } else {
      if isLevel(bit) { requests &= ~bit }
      lines &= ~bit
    }
  }

  /// The output INT: some request may interrupt what is in service.
  var output: Bool { pendingLine != nil }

  private func isLevel(_ bit: UInt8) -> Bool {
    icw1 & PICBit.icw1LevelTriggered != 0 || (levelTriggered | cascadeMask) & bit != 0
  }

  /// The line whose request comes through now.
  private var pendingLine: UInt8? {
    let candidates = requests & ~mask
    guard candidates != 0 else { return nil }
    var blocking = inService
    // In special mask mode a masked line in service holds nothing up.
    if specialMask { blocking &= ~mask }
    for step in 1...UInt8(8) {
      let line = (lowestPriority &+ step) & 7
      let bit: UInt8 = 1 << line
      // In special fully nested mode the slave's line does not block itself.
      let blocksItself = icw4 & PICBit.icw4FullyNested == 0 || cascadeMask & bit == 0
      if blocking & bit != 0 && blocksItself { return nil }
      if candidates & bit != 0 { return line }
      if blocking & bit != 0 { return nil }
    }
    return nil
  }

  /// Two INTA cycles, or a poll: the line that is now in service, `nil` when the request is gone.
  mutating func acknowledge() -> UInt8? {
    guard let line = pendingLine else { return nil }
    let bit: UInt8 = 1 << line
    if !isLevel(bit) { requests &= ~bit }
    if icw4 & PICBit.icw4AutomaticEnd == 0 {
      inService |= bit
    } else if rotatesOnAutomaticEnd {
      lowestPriority = line
    }
    return line
  }

  /// The vector for a line.
  func vector(of line: UInt8) -> UInt8 { vectorBase | line & 7 }
}

// MARK: Ports

extension PICChip {
  /// A0 = 0: IRR or ISR; A0 = 1: IMR; after a poll command either one acknowledges.
  mutating func read(a0: Bool) -> UInt8 {
    if polls {
      polls = false
      // A poll that finds nothing gives bit 7 clear.
      return acknowledge().map { 0x80 | $0 } ?? 0
    }
    if a0 { return mask }
    return readsInService ? inService : requests
  }

  mutating func write(a0: Bool, _ value: UInt8) {
    if a0 {
      writeData(value)
    } else if value & PICBit.icw1 != 0 {
      initialize(value)
    } else if value & PICBit.ocw3 != 0 {
      writeOCW3(value)
    } else {
      writeOCW2(value)
    }
  }

  mutating func writeELCR(_ value: UInt8) {
    levelTriggered = value & levelMask
    // A line that becomes level-triggered shows its level at once.
    let level = levelTriggered | cascadeMask
    requests = requests & ~level | lines & level
  }

  /// ICW1. The edge detectors start afresh: a line that is already high must fall first.
  private mutating func initialize(_ value: UInt8) {
    icw1 = value
    nextICW = 2
    mask = 0
    inService = 0
    lowestPriority = 7
    specialMask = false
    rotatesOnAutomaticEnd = false
    readsInService = false
    polls = false
    if value & PICBit.icw1NeedsICW4 == 0 { icw4 = 0 }
    requests = 0
    for line in UInt8(0)..<8 where isLevel(1 << line) { requests |= lines & 1 << line }
  }

  private mutating func writeData(_ value: UInt8) {
    let single = icw1 & PICBit.icw1Single != 0
    let needsICW4 = icw1 & PICBit.icw1NeedsICW4 != 0
    switch nextICW {
    case 2:
      vectorBase = value & 0xf8
      nextICW = !single ? 3 : needsICW4 ? 4 : 0
    case 3:
      icw3 = value
      nextICW = needsICW4 ? 4 : 0
    case 4:
      icw4 = value
      nextICW = 0
    default: mask = value
    }
  }

  /// End of interrupt and priority rotation (data sheet, OCW2: R, SL, EOI, L2 to L0).
  private mutating func writeOCW2(_ value: UInt8) {
    let line = value & 7
    switch value >> 5 {
    case 0b001: endHighest(rotating: false)
    case 0b011: inService &= ~(1 << line)
    case 0b101: endHighest(rotating: true)
    case 0b111:
      inService &= ~(1 << line)
      lowestPriority = line
    case 0b100: rotatesOnAutomaticEnd = true
    case 0b000: rotatesOnAutomaticEnd = false
    case 0b110: lowestPriority = line
    default: break  // 0b010 is no operation.
    }
  }

  /// Non-specific EOI: ends the line in service that has the highest priority. A masked one is passed over in special
  /// mask mode.
  private mutating func endHighest(rotating: Bool) {
    let eligible = specialMask ? inService & ~mask : inService
    for step in 1...UInt8(8) {
      let line = (lowestPriority &+ step) & 7
      guard eligible & 1 << line != 0 else { continue }
      inService &= ~(1 << line)
      if rotating { lowestPriority = line }
      return
    }
  }

  private mutating func writeOCW3(_ value: UInt8) {
    if value & PICBit.ocw3SpecialMaskSelect != 0 { specialMask = value & PICBit.ocw3SpecialMask != 0 }
    if value & PICBit.ocw3Poll != 0 {
      polls = true
    } else if value & PICBit.ocw3ReadSelect != 0 {
      readsInService = value & PICBit.ocw3InService != 0
    }
  }
}
