/// The x87's view of the state block: registers by stack position, tags, control and status word.
struct X87Unit {
  let cpu: CPU

  @inline(__always) init(_ cpu: CPU) { self.cpu = cpu }

  @inline(__always) var control: UInt16 {
    get { UInt16(truncatingIfNeeded: cpu.s[Slot.fcw]) }
    nonmutating set { cpu.s[Slot.fcw] = UInt64(newValue) }
  }

  /// The status word with TOP in it, as FNSTSW stores it.
  var status: UInt16 {
    get { UInt16(truncatingIfNeeded: cpu.s[Slot.fsw]) & ~X87Status.top | UInt16(truncatingIfNeeded: top) << 11 }
    nonmutating set {
      cpu.s[Slot.fsw] = UInt64(newValue & ~X87Status.top)
      top = Int(newValue >> 11 & 7)
    }
  }

  @inline(__always) var top: Int {
    get { Int(truncatingIfNeeded: cpu.s[Slot.fpuTop] & 7) }
    nonmutating set { cpu.s[Slot.fpuTop] = UInt64(truncatingIfNeeded: newValue & 7) }
  }

  @inline(__always) func physical(_ position: Int) -> Int { (top &+ position) & 7 }

  @inline(__always) func st(_ position: Int) -> Extended {
    let number = physical(position)
    return Extended(
      significand: cpu.s[Slot.x87Significand(number)],
      signExponent: UInt16(truncatingIfNeeded: cpu.s[Slot.x87SignExponent(number)]))
  }

  /// Writes a register and marks it in use.
  @inline(__always) func setST(_ position: Int, _ value: Extended) {
    let number = physical(position)
    cpu.s[Slot.x87Significand(number)] = value.significand
    cpu.s[Slot.x87SignExponent(number)] = UInt64(value.signExponent)
    cpu.s[Slot.ftw] |= 1 &<< UInt64(truncatingIfNeeded: number)
  }

  @inline(__always) func isEmpty(_ position: Int) -> Bool {
    cpu.s[Slot.ftw] & 1 &<< UInt64(truncatingIfNeeded: physical(position)) == 0
  }

  @inline(__always) func free(_ position: Int) {
    cpu.s[Slot.ftw] &= ~(1 &<< UInt64(truncatingIfNeeded: physical(position)))
  }

  @inline(__always) func pop() {
    free(0)
    top = top &+ 1
  }

  @inline(__always) func pushUnchecked(_ value: Extended) {
    top = top &- 1
    setST(0, value)
  }

  /// What arithmetic runs under, by the control word.
  var context: FloatingPointContext {
    let word = control
    var context = FloatingPointContext()
    context.rounding = RoundingMode(rawValue: UInt8(truncatingIfNeeded: word >> 10 & 3)).unsafelyUnwrapped
    switch word >> 8 & 3 {
    case 0: context.precision = 24
    case 2: context.precision = 53
    // The reserved value 1 is as 3, as on AMD's processors.
    default: context.precision = 64
    }
    context.masked = FloatingPointExceptions(rawValue: UInt8(truncatingIfNeeded: word & 63))
    return context
  }

  /// Adds what an operation raised to the status word; C1 tells of its rounding.
  func report(_ context: FloatingPointContext) {
    var word = UInt16(truncatingIfNeeded: cpu.s[Slot.fsw]) & ~X87Status.c1
    if context.roundedUp { word |= X87Status.c1 }
    word |= UInt16(context.raised.rawValue)
    cpu.s[Slot.fsw] = UInt64(summarize(word))
  }

  /// A stack fault: `overflow` or underflow. Returns whether it is masked, so that the operation goes on.
  func stackFault(overflow: Bool) -> Bool {
    var word = UInt16(truncatingIfNeeded: cpu.s[Slot.fsw]) & ~X87Status.c1
    word |= X87Status.stackFault | 1
    if overflow { word |= X87Status.c1 }
    cpu.s[Slot.fsw] = UInt64(summarize(word))
    return control & 1 != 0
  }

  /// Sets or clears ES and B by the exceptions that are raised and not masked.
  func summarize(_ word: UInt16) -> UInt16 {
    let bits = X87Status.summary | X87Status.busy
    return word & ~control & 63 != 0 ? word | bits : word & ~bits
  }

  func setConditions(_ codes: UInt16) {
    cpu.s[Slot.fsw] = cpu.s[Slot.fsw] & ~UInt64(X87Status.conditions) | UInt64(codes)
  }

  /// FERR# goes away with the errors: the next one is signalled again.
  func withdrawError() { cpu.s[SystemSlot.hasX87Error] = 0 }

  func reset() {
    withdrawError()
    control = UInt16(X87Control.initial)
    status = 0
    cpu.s[Slot.ftw] = 0
    cpu.s[Slot.fop] = 0
    cpu.s[Slot.fip] = 0
    cpu.s[Slot.fdp] = 0
  }
}

/// The x87 control word (Intel SDM vol. 1, 8.1.5).
enum X87Control {
  /// Behind FNINIT, and what the ABI has functions entered with: all exceptions masked, rounding to nearest, with 64
  /// bits.
  static var initial: UInt64 { 0x37f }
}

/// The bits of the x87 status word (Intel SDM vol. 1, 8.1.3).
enum X87Status {
  static var stackFault: UInt16 { 1 << 6 }
  static var summary: UInt16 { 1 << 7 }
  static var c0: UInt16 { 1 << 8 }
  static var c1: UInt16 { 1 << 9 }
  static var c2: UInt16 { 1 << 10 }
  static var top: UInt16 { 7 << 11 }
  static var c3: UInt16 { 1 << 14 }
  static var busy: UInt16 { 1 << 15 }
  static var conditions: UInt16 { c0 | c1 | c2 | c3 }
}
