/// One counter of an 8254 (Intel order number 231164), carried forward any number of clocks at a time.
///
/// A count written takes effect with the next clock. The counting element runs from the count down; 0 stands for 65,536
/// (10,000 in BCD). The counter is kept in binary and converted where it is read.
struct PITCounter: StatePart {
  /// Bits 5:0 of the last control word, as written: access, mode, BCD.
  private var control: UInt8 = 0x30
  /// CR: the count as written.
  private var count: UInt16 = 0
  /// CE, 0 to 65,536.
  private var element: UInt32 = 0
  private(set) var out = false
  private(set) var gate: Bool
  /// A count has gone from CR to CE since the control word.
  private var isLoaded = false
  /// CR goes to CE with the next clock.
  private var loadsNext = false
  /// All of a count has been written since the control word.
  private var hasCount = false
  /// CE has reached its end, once, and runs on without effect.
  private var isExpired = false
  /// Mode 3: the count in CE was odd.
  private var isOdd = false
  /// The status bit NULL COUNT: CR holds what has not reached CE. Clear at first, as firmware leaves it: Linux waits
  /// for that before it has programmed the timer itself (its random numbers for KASLR).
  private var nullCount = false

  private var writesHighNext = false
  private var lowByteWritten: UInt8 = 0
  private var readsHighNext = false
  private var latchedCount: UInt16?
  private var latchedStatus: UInt8?

  init(gate: Bool) { self.gate = gate }

  mutating func code(with coder: inout StateCoder) {
    coder.code(&control)
    coder.code(&count)
    coder.code(&element)
    coder.code(&out)
    coder.code(&gate)
    coder.code(&isLoaded)
    coder.code(&loadsNext)
    coder.code(&hasCount)
    coder.code(&isExpired)
    coder.code(&isOdd)
    coder.code(&nullCount)
    coder.code(&writesHighNext)
    coder.code(&lowByteWritten)
    coder.code(&readsHighNext)
    coder.code(&latchedCount)
    coder.code(&latchedStatus)
    coder.require(control < 0x40 && control & 0x30 != 0 && element <= modulus)
  }
}

/// RW1 and RW0 of the control word: how counts are read and written.
private enum CounterAccess: UInt8 {
  case latch = 0
  case lowOnly = 1
  case highOnly = 2
  case lowThenHigh = 3
}

// MARK: Registers

extension PITCounter {
  private var access: CounterAccess { CounterAccess(rawValue: control >> 4 & 3) ?? .lowThenHigh }
  private var isBCD: Bool { control & 1 != 0 }
  /// 0 to 5; mode numbers 6 and 7 are other names of 2 and 3.
  private var mode: UInt8 {
    let number = control >> 1 & 7
    return number > 5 ? number - 4 : number
  }
  private var modulus: UInt32 { isBCD ? 10_000 : 0x10000 }

  /// A control word for this counter. RW = 0 is the counter latch command.
  mutating func writeControl(_ value: UInt8) {
    if value & 0x30 == 0 { return latchCount() }
    control = value & 0x3f
    // What was left of a binary count may be more than a decimal one can be.
    if element > modulus { element %= modulus }
    count = 0
    isLoaded = false
    loadsNext = false
    hasCount = false
    isExpired = false
    nullCount = true
    writesHighNext = false
    readsHighNext = false
    latchedCount = nil
    latchedStatus = nil
    out = mode != 0
  }

  /// Writes one byte of the count.
  mutating func write(_ value: UInt8) {
    // In mode 0 the first byte stops the counting and drops OUT; a new count drops it in any case.
    if mode == 0 { out = false }
    switch access {
    case .lowOnly: setCount(UInt16(value))
    case .highOnly: setCount(UInt16(value) << 8)
    case .lowThenHigh, .latch:
      if writesHighNext {
        setCount(UInt16(value) << 8 | UInt16(lowByteWritten))
      } else {
        lowByteWritten = value
      }
      writesHighNext.toggle()
    }
  }

  private mutating func setCount(_ value: UInt16) {
    count = value
    nullCount = true
    hasCount = true
    switch mode {
    case 0, 4: loadsNext = true
    case 2, 3: if !isLoaded { loadsNext = true }
    default: break  // Modes 1 and 5 wait for a trigger.
    }
  }

  /// Reads one byte: of the latched status, the latched count, or the count as it stands, in that order.
  mutating func read() -> UInt8 {
    if let status = latchedStatus {
      latchedStatus = nil
      return status
    }
    let value = latchedCount ?? currentCount
    switch access {
    case .lowOnly:
      latchedCount = nil
      return UInt8(truncatingIfNeeded: value)
    case .highOnly:
      latchedCount = nil
      return UInt8(truncatingIfNeeded: value >> 8)
    case .lowThenHigh, .latch:
      readsHighNext.toggle()
      if readsHighNext { return UInt8(truncatingIfNeeded: value) }
      latchedCount = nil
      return UInt8(truncatingIfNeeded: value >> 8)
    }
  }

  /// Holds the count until it is read; a second command before that does nothing.
  mutating func latchCount() {
    if latchedCount == nil { latchedCount = currentCount }
  }

  /// Holds the status byte until it is read: OUT, NULL COUNT, and the control word as written.
  mutating func latchStatus() {
    if latchedStatus == nil { latchedStatus = (out ? 0x80 : 0) | (nullCount ? 0x40 : 0) | control }
  }

  private var currentCount: UInt16 {
    guard isBCD else { return UInt16(truncatingIfNeeded: element) }
    var rest = element % modulus
    var digits: UInt16 = 0
    for shift in stride(from: UInt16(0), to: 16, by: 4) {
      digits |= UInt16(rest % 10) << shift
      rest /= 10
    }
    return digits
  }

  /// What CR means: 0 is the largest count. Digits that are not decimal count with their weight, and what becomes too
  /// large by that loses its ten thousands.
  private var initialCount: UInt32 {
    guard isBCD else { return count == 0 ? 0x10000 : UInt32(count) }
    var value: UInt32 = 0
    for shift in stride(from: UInt16(12), through: 0, by: -4) { value = value * 10 + UInt32(count >> shift & 15) }
    return value % modulus == 0 ? modulus : value % modulus
  }
}

// MARK: Counting

extension PITCounter {
  /// The GATE input. A rising edge triggers modes 1, 2, 3 and 5; a low level in modes 2 and 3 sets OUT high.
  mutating func setGate(_ level: Bool) {
    let rises = level && !gate
    gate = level
    if rises, hasCount, mode != 0, mode != 4 { loadsNext = true }
    if !level, mode == 2 || mode == 3 { out = true }
  }

  /// Lets `clocks` clocks pass. True when OUT rose on the way, however often.
  mutating func run(clocks: UInt64) -> Bool {
    var left = clocks
    var rose = false
    while left > 0 {
      if loadsNext {
        rose = load() || rose
        left -= 1
      } else if !isLoaded {
        return rose
      } else {
        rose = step(&left) || rose
      }
    }
    return rose
  }

  private var isCounting: Bool {
    switch mode {
    case 0: gate && !writesHighNext
    case 1, 5: true
    default: gate
    }
  }

  /// CR goes to CE. True when OUT rises by that.
  private mutating func load() -> Bool {
    loadsNext = false
    isLoaded = true
    isExpired = false
    reload()
    let before = out
    out = mode >= 2
    return out && !before
  }

  private mutating func reload() {
    nullCount = false
    element = initialCount
    isOdd = element & 1 != 0
    if mode == 3, isOdd { element -= 1 }
  }

  /// Takes as many of the clocks as go by before something changes, at least one. True when OUT rose.
  private mutating func step(_ left: inout UInt64) -> Bool {
    // The strobe of modes 4 and 5 lasts one clock, whatever the gate does.
    if mode >= 4, !out {
      left -= 1
      out = true
      if isCounting { skip(1) }
      return true
    }
    guard isCounting else {
      left = 0
      return false
    }
    switch mode {
    case 2: return stepRate(&left)
    case 3: return stepSquareWave(&left)
    default: return stepOnce(&left)
    }
  }

  /// Modes 0, 1, 4 and 5: down to 0 once, then round and round without effect.
  private mutating func stepOnce(_ left: inout UInt64) -> Bool {
    guard !isExpired, left >= UInt64(element) else {
      skip(left)
      left = 0
      return false
    }
    left -= UInt64(element)
    element = 0
    isExpired = true
    let before = out
    out = mode < 4
    return out && !before
  }

  private mutating func skip(_ clocks: UInt64) {
    let steps = UInt32(clocks % UInt64(modulus))
    element = (element + modulus - steps) % modulus
  }

  /// Mode 2: low while CE is 1, then again from the count. A count of 1 (not allowed) never lets OUT fall.
  private mutating func stepRate(_ left: inout UInt64) -> Bool {
    if element > 1 {
      let clocks = min(left, UInt64(element) - 1)
      element -= UInt32(clocks)
      left -= clocks
      if element == 1 { out = false }
      return false
    }
    left -= 1
    reload()
    let rose = !out
    out = true
    // Whole periods bring everything back to where it is now.
    if left >= UInt64(element) {
      left %= UInt64(element)
      return rose || element > 1
    }
    return rose
  }

  /// Mode 3: by twos, OUT changes each time that the count is used up; an odd count makes the high half one clock
  /// longer. A count of 1 (not allowed) never lets OUT fall.
  private mutating func stepSquareWave(_ left: inout UInt64) -> Bool {
    let clocks = clocksInHalf
    if left < clocks {
      element -= min(element, UInt32(left) * 2)
      left = 0
      return false
    }
    left -= clocks
    reload()
    let period = UInt64(element) + (isOdd ? 1 : 0)
    if out {
      if period > 1 { out = false }
      if period == 1 { left = 0 }
      return false
    }
    out = true
    left %= period
    return true
  }

  /// Mode 3: the clocks until OUT changes, at least 1.
  private var clocksInHalf: UInt64 {
    max(UInt64(element) / 2 + (isOdd && out ? 1 : 0), 1)
  }

  /// The clocks until OUT next rises if nothing is written and the gate stays; `nil` when it will not.
  var clocksToRise: UInt64? {
    if mode >= 4, !out { return 1 }
    guard loadsNext || isLoaded && isCounting else { return nil }
    let wait: UInt64 = loadsNext ? 1 : 0
    let ahead = loadsNext ? UInt64(initialCount) : UInt64(element)
    switch mode {
    case 0: return !out && !isExpired && isCounting ? wait + ahead : nil
    case 1: return !out || loadsNext ? wait + ahead : nil
    case 2: return clocksToRiseOfRate(wait: wait, ahead: ahead)
    case 3: return clocksToRiseOfSquareWave
    default: return loadsNext || !isExpired ? wait + ahead + 1 : nil
    }
  }

  private func clocksToRiseOfRate(wait: UInt64, ahead: UInt64) -> UInt64? {
    if ahead > 1 || !out { return wait + ahead }
    // CE is 1 and OUT is high: only with a count of 1, which lasts until another has been written.
    return initialCount > 1 ? wait + 1 + UInt64(initialCount) : nil
  }

  private var clocksToRiseOfSquareWave: UInt64? {
    let next = UInt64(initialCount)
    if loadsNext { return next > 1 ? 1 + next : nil }
    if !out { return clocksInHalf }
    return next > 1 ? clocksInHalf + next / 2 : nil
  }
}
