/// Executes agent expressions. Steps, stack and output are bounded: the expression may be anything.
public struct AgentMachine {
  static let maximumSteps = 10_000
  static let maximumStack = 256

  private let environment: any AgentEnvironment
  private var code: [UInt8] = []
  private var counter = 0
  /// The values below `depth`: conditions are evaluated a hundred million times, so the room is made once.
  private var stack = [UInt64](repeating: 0, count: maximumStack)
  private var depth = 0

  /// A machine for many evaluations.
  public init(in environment: any AgentEnvironment) { self.environment = environment }

  /// The value on top of the stack at the end; 0 when the stack is empty.
  public mutating func evaluate(_ expression: AgentExpression) throws(AgentError) -> UInt64 {
    code = expression.code
    counter = 0
    depth = 0
    for _ in 0..<AgentMachine.maximumSteps {
      let byte = try fetch()
      guard let operation = AgentExpression.Operation(rawValue: byte) else { throw .invalidOperation(byte) }
      if operation == .end { return depth > 0 ? stack[depth - 1] : 0 }
      try execute(operation)
    }
    throw .tooManySteps
  }

  @inline(__always) private mutating func execute(_ operation: AgentExpression.Operation) throws(AgentError) {
    switch operation {
    case .add, .subtract, .multiply, .divideSigned, .divideUnsigned, .remainderSigned, .remainderUnsigned, .shiftLeft,
      .shiftRightSigned, .shiftRightUnsigned, .bitAnd, .bitOr, .bitXor, .equal, .lessSigned, .lessUnsigned:
      let right = try pop()
      let left = try pop()
      try push(AgentMachine.combine(operation, left, right))
    case .logicalNot: try push(try pop() == 0 ? 1 : 0)
    case .bitNot: try push(~(try pop()))
    case .signExtend: try signExtend()
    case .zeroExtend: try zeroExtend()
    case .read8: try read(1)
    case .read16: try read(2)
    case .read32: try read(4)
    case .read64: try read(8)
    case .constant8: try push(try operand(1))
    case .constant16: try push(try operand(2))
    case .constant32: try push(try operand(4))
    case .constant64: try push(try operand(8))
    case .register: try pushRegister()
    case .ifGoto, .goto: try jump(conditionally: operation == .ifGoto)
    case .duplicate, .pop, .swap, .pick, .rotate: try arrange(operation)
    case .print: try print()
    case .end: break
    }
  }

  /// Binary operations: `left` was pushed first.
  @inline(__always) private static func combine(
    _ operation: AgentExpression.Operation, _ left: UInt64, _ right: UInt64
  ) throws(AgentError) -> UInt64 {
    let (signedLeft, signedRight) = (Int64(bitPattern: left), Int64(bitPattern: right))
    switch operation {
    case .add: return left &+ right
    case .subtract: return left &- right
    case .multiply: return left &* right
    case .divideSigned, .divideUnsigned, .remainderSigned, .remainderUnsigned:
      guard right != 0 else { throw .divisionByZero }
      return divide(operation, left, right)
    case .shiftLeft: return right < 64 ? left &<< right : 0
    case .shiftRightSigned: return UInt64(bitPattern: signedLeft &>> Int64(min(right, 63)))
    case .shiftRightUnsigned: return right < 64 ? left &>> right : 0
    case .bitAnd: return left & right
    case .bitOr: return left | right
    case .bitXor: return left ^ right
    case .equal: return left == right ? 1 : 0
    case .lessSigned: return signedLeft < signedRight ? 1 : 0
    case .lessUnsigned: return left < right ? 1 : 0
    default: return 0
    }
  }

  /// `right` is not 0. The smallest number by -1 wraps instead of trapping.
  private static func divide(_ operation: AgentExpression.Operation, _ left: UInt64, _ right: UInt64) -> UInt64 {
    let (signedLeft, signedRight) = (Int64(bitPattern: left), Int64(bitPattern: right))
    return switch operation {
    case .divideSigned: UInt64(bitPattern: signedLeft.dividedReportingOverflow(by: signedRight).partialValue)
    case .remainderSigned:
      UInt64(bitPattern: signedLeft.remainderReportingOverflow(dividingBy: signedRight).partialValue)
    case .divideUnsigned: left / right
    default: left % right
    }
  }

  private mutating func signExtend() throws(AgentError) {
    let bits = try operand(1)
    let value = try pop()
    guard bits > 0, bits < 64 else { return try push(value) }
    let shift = 64 - bits
    try push(UInt64(bitPattern: Int64(bitPattern: value &<< shift) &>> Int64(shift)))
  }

  private mutating func zeroExtend() throws(AgentError) {
    let bits = try operand(1)
    let value = try pop()
    try push(bits < 64 ? value & (1 &<< bits &- 1) : value)
  }

  private mutating func read(_ count: Int) throws(AgentError) {
    let address = try pop()
    guard let value = environment.agentMemory(at: address, count: count) else { throw .noMemory(address) }
    try push(value)
  }

  private mutating func pushRegister() throws(AgentError) {
    let number = Int(try operand(2))
    guard let value = environment.agentRegister(number) else { throw .noRegister(number) }
    try push(value)
  }

  private mutating func jump(conditionally: Bool) throws(AgentError) {
    let destination = Int(try operand(2))
    if conditionally, try pop() == 0 { return }
    guard destination < code.count else { throw .outOfCode }
    counter = destination
  }

  private mutating func arrange(_ operation: AgentExpression.Operation) throws(AgentError) {
    switch operation {
    case .duplicate:
      try pick(0)
    case .pop: _ = try pop()
    case .swap:
      guard depth >= 2 else { throw .stackUnderflow }
      stack.swapAt(depth - 1, depth - 2)
    case .pick: try pick(Int(try operand(1)))
    default:
      // a b c becomes c a b.
      guard depth >= 3 else { throw .stackUnderflow }
      stack.swapAt(depth - 1, depth - 2)
      stack.swapAt(depth - 2, depth - 3)
    }
  }

  /// Pushes what lies so far below the top.
  private mutating func pick(_ distance: Int) throws(AgentError) {
    guard distance < depth else { throw .stackUnderflow }
    try push(stack[depth - 1 - distance])
  }

  /// Operands: argument count, length of the format with its NUL, the format. Stack, from the top: a function and a
  /// channel, which only matter to a process, then the arguments.
  private mutating func print() throws(AgentError) {
    let argumentCount = Int(try operand(1))
    let length = Int(try operand(2))
    guard length > 0, length <= code.count - counter, code[counter + length - 1] == 0 else { throw .badFormat }
    let format = Array(code[counter..<(counter + length - 1)])
    counter += length
    _ = try pop()
    _ = try pop()
    var arguments: [UInt64] = []
    for _ in 0..<argumentCount { arguments.append(try pop()) }
    try environment.agentPrint(format, arguments)
  }

  @inline(__always) private mutating func fetch() throws(AgentError) -> UInt8 {
    guard counter < code.count else { throw .outOfCode }
    defer { counter += 1 }
    return code[counter]
  }

  /// An operand in the code, big-endian.
  @inline(__always) private mutating func operand(_ count: Int) throws(AgentError) -> UInt64 {
    var value: UInt64 = 0
    for _ in 0..<count { value = value << 8 | UInt64(try fetch()) }
    return value
  }

  @inline(__always) private mutating func push(_ value: UInt64) throws(AgentError) {
    guard depth < AgentMachine.maximumStack else { throw .stackOverflow }
    stack[depth] = value
    depth += 1
  }

  @inline(__always) private mutating func pop() throws(AgentError) -> UInt64 {
    guard depth > 0 else { throw .stackUnderflow }
    depth -= 1
    return stack[depth]
  }
}
