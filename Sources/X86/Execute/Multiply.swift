internal import VMMCore

// MUL, IMUL, DIV, IDIV.
extension CPU {
  /// MUL and one-operand IMUL: the double-length product in AX, or rDX and rAX.
  @inline(never)
  func executeMultiply(_ op: Op) -> Bool {
    let size = op.size
    guard let source = readRMWord(op) else { return false }
    let isSigned = op.handler == .imulRM
    let before = flagsBefore(.multiply)
    let low: UInt64
    let high: UInt64
    if isSigned {
      let product = Int64(bitPattern: signExtended(rax, size)).multipliedFullWidth(
        by: Int64(bitPattern: signExtended(source, size)))
      (low, high) = (product.low, UInt64(bitPattern: product.high))
    } else {
      let product = (rax & sizeMask(size)).multipliedFullWidth(by: source)
      (low, high) = (product.low, product.high)
    }
    let upper = size == 8 ? high : low >> UInt64(8 * size)
    if size == 1 {
      setRegister(0, UInt16(truncatingIfNeeded: low))
    } else {
      setRegisterWord(0, low, size)
      setRegisterWord(16, upper, size)
    }
    let fits =
      isSigned
      ? size == 8 ? high == UInt64(bitPattern: Int64(bitPattern: low) >> 63) : signExtended(low, size) == low
      : upper & sizeMask(size) == 0
    setCarries(carry: !fits, overflow: !fits, adjust: af)
    imitate(.multiply, before: before, result: low, source: source, size: size)
    return true
  }

  /// IMUL with two or three operands: the product cut to the operand size.
  @inline(never)
  func executeMultiplyRegister(_ op: Op) -> Bool {
    let size = op.size
    guard let source = readRMWord(op) else { return false }
    let other = op.handler == .imulRegRMImm ? op.immediate : registerWord(op.reg, size)
    let (a, b) = (Int64(bitPattern: signExtended(source, size)), Int64(bitPattern: signExtended(other, size)))
    let (product, overflow) = a.multipliedReportingOverflow(by: b)
    let low = UInt64(bitPattern: product)
    let before = flagsBefore(.multiply)
    setRegisterWord(op.reg, low, size)
    let fits = !overflow && signExtended(low, size) == low
    setCarries(carry: !fits, overflow: !fits, adjust: af)
    imitate(.multiply, before: before, result: low, source: source, size: size)
    return true
  }

  /// DIV and IDIV; #DE when the divisor is zero or the quotient does not fit.
  @inline(never)
  func executeDivide(_ op: Op) -> Bool {
    let size = op.size
    guard let divisor = readRMWord(op) else { return false }
    guard divisor != 0 else { return raise(ExceptionVector.divideError) }
    let isSigned = op.handler == .idivRM
    let quotient: (UInt64, UInt64)?
    if size == 8 {
      quotient = isSigned ? divideSigned(divisor) : divide(rdx, rax, divisor)
    } else {
      quotient = isSigned ? divideNarrowSigned(divisor, size) : divideNarrow(divisor, size)
    }
    guard let (value, rest) = quotient else { return raise(ExceptionVector.divideError) }
    if size == 1 {
      setRegister(0, UInt16(truncatingIfNeeded: value & 0xff | rest << 8))
    } else {
      setRegisterWord(0, value, size)
      setRegisterWord(16, rest, size)
    }
    let before = flagsBefore(.divide)
    s[Slot.flagZero] = 1
    s[Slot.flagSign] = 1
    s[Slot.flagCarry] |= 8
    imitate(.divide, before: before, result: value, source: divisor, size: size)
    return true
  }

  private func divide(_ high: UInt64, _ low: UInt64, _ divisor: UInt64) -> (UInt64, UInt64)? {
    guard high < divisor else { return nil }
    let result = divisor.dividingFullWidth((high, low))
    return (result.quotient, result.remainder)
  }

  private func divideSigned(_ divisor: UInt64) -> (UInt64, UInt64)? {
    var (high, low) = (rdx, rax)
    let negativeDividend = Int64(bitPattern: high) < 0
    let negativeDivisor = Int64(bitPattern: divisor) < 0
    if negativeDividend {
      low = 0 &- low
      high = ~high &+ (low == 0 ? 1 : 0)
    }
    guard let (quotient, remainder) = divide(high, low, negativeDivisor ? 0 &- divisor : divisor) else { return nil }
    let negative = negativeDividend != negativeDivisor
    guard quotient <= (negative ? 1 << 63 : (1 << 63) - 1) else { return nil }
    return (negative ? 0 &- quotient : quotient, negativeDividend ? 0 &- remainder : remainder)
  }

  /// The dividend of a division of less than 64 bits.
  private func narrowDividend(_ size: Int) -> UInt64 {
    switch size {
    case 1: rax & 0xffff
    case 2: rax & 0xffff | (rdx & 0xffff) << 16
    default: rax & 0xffff_ffff | rdx << 32
    }
  }

  private func divideNarrow(_ divisor: UInt64, _ size: Int) -> (UInt64, UInt64)? {
    let (quotient, remainder) = narrowDividend(size).quotientAndRemainder(dividingBy: divisor)
    return quotient <= sizeMask(size) ? (quotient, remainder) : nil
  }

  private func divideNarrowSigned(_ divisor: UInt64, _ size: Int) -> (UInt64, UInt64)? {
    let dividend = Int64(bitPattern: size == 4 ? narrowDividend(4) : signExtended(narrowDividend(size), 2 * size))
    let by = Int64(bitPattern: signExtended(divisor, size))
    let (quotient, overflow) = dividend.dividedReportingOverflow(by: by)
    guard !overflow else { return nil }
    let value = UInt64(bitPattern: quotient)
    guard signExtended(value, size) == value else { return nil }
    return (value, UInt64(bitPattern: dividend &- quotient &* by))
  }
}
