internal import VMMCore

// The status flags, between the host's and the register that keeps them (`HostFlags`), where anybody sees them.
extension BlockTranslator {
  /// All six as the host has them. It keeps them, so that what follows at once may look at them there.
  mutating func keepFlags() {
    guard !flagsAreDead else { return }
    lahf()
    code.set(.overflow, .rax)
    keepAX()
    hostHasFlags = true
  }

  /// The same behind AND, OR, XOR and TEST.
  mutating func keepLogicFlags() {
    guard !flagsAreDead else { return }
    lahf()
    code.moveLow(.rax, immediate: HostFlags.hasNoAdjust)
    keepAX()
    hostHasFlags = true
  }

  mutating func keepFlags(of kind: UInt8) {
    if kind == ALU.or || kind == ALU.and || kind == ALU.xor { keepLogicFlags() } else { keepFlags() }
  }

  mutating func keepFlags(of comparison: Comparison) {
    switch comparison {
    case .compare: keepFlags()
    case .test: keepLogicFlags()
    }
  }

  // MARK: shifts

  /// Translated code has the flags that this shift leaves undefined as the profile says.
  func isTranslated(_ kind: ShiftKind) -> Bool {
    let rule = cpu.rule(kind.flags)
    guard rule[.af] == .set || rule[.af] == .cleared else { return false }
    switch rule[.of] {
    case .cleared, .signChange: return true
    case .onePlace, .firstPlace: return kind == .left
    default: return false
    }
  }

  /// Puts the source of a shift into RDX where its flags ask for it.
  mutating func keepSource(for kind: ShiftKind, _ source: HostOperand, _ size: Int) {
    guard !flagsAreDead else { return }
    let overflow = cpu.rule(kind.flags)[.of]
    if overflow == .firstPlace || overflow == .signChange { code.load(.rdx, source, size: size) }
  }

  /// Those of a shift, which the host has just done, by some places and not by none: the undefined ones as the profile
  /// says. The source is in RDX where it is needed (`keepSource`). Uses RCX.
  ///
  /// - Parameter count: places; `nil` when they are in CL.
  mutating func keepShiftFlags(_ kind: ShiftKind, by count: UInt64?, result: HostOperand, size: Int) {
    guard !flagsAreDead else { return }
    let rule = cpu.rule(kind.flags)
    lahf()
    switch rule[.of] {
    case _ where count == 1: code.set(.overflow, .rax)
    case .cleared where count == nil && kind != .arithmetic:
      code.set(.overflow, .rax)
      code.alu(ALU.cmp, .register(.rcx), immediate: 1, size: 1)
      code.set(.equal, .rdx)
      code.alu(ALU.and, .rax, .register(.rdx), size: 1)
    case .cleared: code.moveLow(.rax, immediate: 0)
    case .firstPlace:
      firstPlaceOverflow(isRight: false, size)
      code.moveLow(.rax, from: .rdx)
    case .signChange:
      code.alu(ALU.xor, .rdx, result, size: size)
      code.shift(ShiftKind.right.rawValue, .rdx, by: UInt8(8 * size - 1), size: size)
      code.moveLow(.rax, from: .rdx)
    default: overflowFromSignAndCarry()
    }
    let adjust = rule[.af] == .set ? HostFlags.adjust : Int32(HostFlags.hasNoAdjust)
    code.alu(ALU.or, .register(.rax), immediate: adjust, size: 4)
    keepAX()
  }

  /// AL is SF xor CF, with AH as LAHF leaves it. Uses RDX.
  mutating func overflowFromSignAndCarry() {
    code.move(.rdx, .rax, size: 4)
    code.shift(ShiftKind.right.rawValue, .rdx, by: 7, size: 4)
    code.alu(ALU.xor, .rdx, .register(.rax), size: 4)
    code.shift(ShiftKind.right.rawValue, .rdx, by: 8, size: 4)
    code.alu(ALU.and, .register(.rdx), immediate: 1, size: 4)
    code.moveLow(.rax, from: .rdx)
  }

  // MARK: products

  /// How a product leaves the flags that are undefined.
  enum ProductFlags {
    /// They stay.
    case kept
    /// Those of a comparison of the result with 0 that are bits of `tested`; of the others those of `set` are set.
    case tested(Int32, set: Int32)
  }

  /// `nil` where translated code has no way to leave them as the profile says.
  var productFlags: ProductFlags? {
    let rule = cpu.rule(.multiply)
    if UndefinedFlags.multiply.flags.allSatisfy({ rule[$0] == .kept }) { return .kept }
    var tested: Int32 = 0, set: Int32 = 0
    for flag in UndefinedFlags.multiply.flags {
      let bit = Int32(flag.mask << 8)
      switch rule[flag] {
      case .result where flag != .af: tested |= bit
      case .set: set |= bit
      case .cleared: break
      default: return nil
      }
    }
    return .tested(tested, set: set)
  }

  /// CF and OF of a product, both as the host's; the others as the profile says. `result` is its lower half.
  mutating func keep(_ flags: ProductFlags, result: HostOperand, size: Int) {
    guard !flagsAreDead else { return }
    switch flags {
    case .kept:
      code.set(.carry, .rax)
      code.instruction(0x1b6, .rax, .register(.rax), size: 4)
      code.move(.rdx, .rax, size: 4)
      keepCarryAndOverflow()
    case .tested(let tested, let set):
      code.set(.carry, .rdx)
      code.instruction(0x1b6, .rdx, .register(.rdx), size: 4)
      code.alu(ALU.cmp, result, immediate: 0, size: size)
      lahf()
      code.alu(ALU.and, .register(.rax), immediate: tested, size: 4)
      if set != 0 { code.alu(ALU.or, .register(.rax), immediate: set, size: 4) }
      code.alu(ALU.or, .rax, .register(.rdx), size: 4)
      code.shift(ShiftKind.left.rawValue, .rdx, by: 8, size: 4)
      code.alu(ALU.or, .rax, .register(.rdx), size: 4)
      keepAX()
    }
  }

  /// CF is bit 0 of RAX, OF bit 0 of RDX, whose other bits are clear; the others stay.
  mutating func keepCarryAndOverflow() {
    code.shift(ShiftKind.left.rawValue, .rax, by: 8, size: 4)
    code.alu(ALU.or, .rdx, .register(.rax), size: 4)
    code.alu(ALU.and, .register(RegisterMap.flags), immediate: ~(HostFlags.carry | HostFlags.overflow), size: 4)
    code.alu(ALU.or, RegisterMap.flags, .register(.rdx), size: 4)
  }

  /// CF as the host's; the others stay.
  mutating func keepCarry() {
    guard !flagsAreDead else { return }
    code.set(.carry, .rax)
    code.instruction(0x1b6, .rax, .register(.rax), size: 4)
    code.shift(ShiftKind.left.rawValue, .rax, by: 8, size: 4)
    code.alu(ALU.and, .register(RegisterMap.flags), immediate: ~HostFlags.carry, size: 4)
    code.alu(ALU.or, RegisterMap.flags, .register(.rax), size: 4)
  }

  /// CF as the host's.
  mutating func loadCarry() {
    code.instruction(0x1ba, extension: 4, .register(RegisterMap.flags), size: 4)
    code.byte(8)
  }

  /// Looks at the guest's flags, where the host does not have them; the host's condition that holds when the guest's
  /// does. Uses RAX.
  mutating func test(_ condition: UInt8) -> HostCondition {
    if hostHadFlags { return HostCondition(code: condition) }
    let bits: Int32
    switch condition >> 1 {
    case 0: bits = HostFlags.overflow
    case 1: bits = HostFlags.carry
    case 2: bits = HostFlags.zero
    case 3: bits = HostFlags.carry | HostFlags.zero
    case 4: bits = HostFlags.sign
    case 5: bits = HostFlags.parity
    default:
      code.move(.rax, RegisterMap.flags, size: 4)
      // ROR of AL by one place: OF is bit 0, as bit 7 is clear (the xor of both).
      code.instruction(0xd0, extension: 1, .register(.rax), size: 1)
      // SAHF.
      code.byte(0x9e)
      return HostCondition(code: condition)
    }
    code.test(.register(RegisterMap.flags), immediate: bits, size: 4)
    return condition & 1 == 0 ? .notEqual : .equal
  }

  mutating func lahf() { code.byte(0x9f) }
  mutating func keepAX() { code.move(RegisterMap.flags, .rax, size: 4) }
}

/// The shifts, as the opcodes number them.
enum ShiftKind: UInt8 {
  case left = 4
  case right = 5
  case arithmetic = 7

  /// By the number of an opcode, of which 6 is another one of SHL; `nil` for rotations.
  init?(_ number: UInt8) { self.init(rawValue: number == 6 ? 4 : number) }

  var flags: UndefinedFlags {
    switch self {
    case .left: .shiftLeft
    case .right: .shiftRight
    case .arithmetic: .shiftArithmetic
    }
  }
}
