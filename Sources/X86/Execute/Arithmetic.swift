/// A result with the vector of carries out of each bit.
struct ALUResult<T: FixedWidthInteger & UnsignedInteger> {
  var value: T
  var carries: T
}

// ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST, INC, DEC, NOT, NEG.
extension CPU {
  @inline(__always)
  func add<T: FixedWidthInteger & UnsignedInteger>(_ a: T, _ b: T, carry: Bool = false) -> ALUResult<T> {
    let value = a &+ b &+ (carry ? 1 : 0)
    return ALUResult(value: value, carries: (a & b) | ((a | b) & ~value))
  }

  @inline(__always)
  func subtract<T: FixedWidthInteger & UnsignedInteger>(_ a: T, _ b: T, borrow: Bool = false) -> ALUResult<T> {
    let value = a &- b &- (borrow ? 1 : 0)
    return ALUResult(value: value, carries: (~a & b) | ((~a | b) & value))
  }

  @inline(__always)
  func setFlags<T: FixedWidthInteger & UnsignedInteger>(_ result: ALUResult<T>) {
    setResultFlags(result.value)
    setCarryVector(result.carries)
  }

  /// ADD … XOR, and CMP, whose value is that of SUB.
  @inline(__always)
  func alu<T: FixedWidthInteger & UnsignedInteger>(_ kind: UInt8, _ a: T, _ b: T) -> ALUResult<T> {
    switch kind {
    case 0: add(a, b)
    case 1: ALUResult(value: a | b, carries: 0)
    case 2: add(a, b, carry: cf)
    case 3: subtract(a, b, borrow: cf)
    case 4: ALUResult(value: a & b, carries: 0)
    case 6: ALUResult(value: a ^ b, carries: 0)
    default: subtract(a, b)
    }
  }

  @inline(never)
  func executeALU(_ op: Op) -> Bool {
    switch op.size {
    case 1: executeALU(op, UInt8.self)
    case 2: executeALU(op, UInt16.self)
    case 4: executeALU(op, UInt32.self)
    default: executeALU(op, UInt64.self)
    }
  }

  @inline(__always)
  private func executeALU<T: FixedWidthInteger & UnsignedInteger>(_ op: Op, _ type: T.Type) -> Bool {
    let kind = op.kind
    if op.handler == .aluRegRM {
      guard let source = readRM(op, T.self) else { return false }
      let result = alu(kind, register(op.reg, T.self), source)
      if kind != ALU.cmp { setRegister(op.reg, result.value) }
      setFlags(result)
      return true
    }
    let source = op.handler == .aluRMImm ? T(truncatingIfNeeded: op.immediate) : register(op.reg, T.self)
    if kind == ALU.cmp {
      guard let value = readRM(op, T.self) else { return false }
      setFlags(subtract(value, source))
      return true
    }
    var result = ALUResult<T>(value: 0, carries: 0)
    guard
      modifyRM(
        op, T.self,
        {
          result = alu(kind, $0, source)
          return result.value
        })
    else { return false }
    setFlags(result)
    return true
  }

  @inline(never)
  func executeTest(_ op: Op) -> Bool {
    switch op.size {
    case 1: executeTest(op, UInt8.self)
    case 2: executeTest(op, UInt16.self)
    case 4: executeTest(op, UInt32.self)
    default: executeTest(op, UInt64.self)
    }
  }

  @inline(__always)
  private func executeTest<T: FixedWidthInteger & UnsignedInteger>(_ op: Op, _ type: T.Type) -> Bool {
    guard let value = readRM(op, T.self) else { return false }
    let source = op.handler == .testRMImm ? T(truncatingIfNeeded: op.immediate) : register(op.reg, T.self)
    setFlags(ALUResult(value: value & source, carries: 0))
    return true
  }

  @inline(never)
  func executeUnary(_ op: Op) -> Bool {
    switch op.size {
    case 1: executeUnary(op, UInt8.self)
    case 2: executeUnary(op, UInt16.self)
    case 4: executeUnary(op, UInt32.self)
    default: executeUnary(op, UInt64.self)
    }
  }

  @inline(__always)
  private func executeUnary<T: FixedWidthInteger & UnsignedInteger>(_ op: Op, _ type: T.Type) -> Bool {
    let kind = op.kind
    if kind == Unary.not { return modifyRM(op, T.self) { ~$0 } }
    var result = ALUResult<T>(value: 0, carries: 0)
    guard
      modifyRM(
        op, T.self,
        {
          switch kind {
          case Unary.inc: result = add($0, 1)
          case Unary.dec: result = subtract($0, 1)
          default: result = subtract(0, $0)
          }
          return result.value
        })
    else { return false }
    if kind == Unary.neg {
      setFlags(result)
    } else {
      // INC and DEC leave CF alone.
      let carry = cf
      setFlags(result)
      cf = carry
    }
    return true
  }
}
