/// A program of gdb's agent expression machine (gdb manual, appendix F): the form in which breakpoint conditions and
/// dynamic prints arrive. Checked when it is used, step by step: it comes from the client.
public struct AgentExpression: Equatable, Sendable {
  /// Bytes of the longest program: conditions are some tens of bytes.
  public static let maximumLength = 16384

  public let code: [UInt8]

  /// `nil` for a program that is too long.
  public init?(_ code: [UInt8]) {
    guard code.count <= AgentExpression.maximumLength else { return nil }
    self.code = code
  }

  /// Operation codes (gdb manual, F.2). Left out, and so refused: floating point, the tracing operations and trace
  /// state variables, which conditions do not use.
  enum Operation: UInt8 {
    case add = 0x02
    case subtract = 0x03
    case multiply = 0x04
    case divideSigned = 0x05
    case divideUnsigned = 0x06
    case remainderSigned = 0x07
    case remainderUnsigned = 0x08
    case shiftLeft = 0x09
    case shiftRightSigned = 0x0a
    case shiftRightUnsigned = 0x0b
    case logicalNot = 0x0e
    case bitAnd = 0x0f
    case bitOr = 0x10
    case bitXor = 0x11
    case bitNot = 0x12
    case equal = 0x13
    case lessSigned = 0x14
    case lessUnsigned = 0x15
    case signExtend = 0x16
    case read8 = 0x17
    case read16 = 0x18
    case read32 = 0x19
    case read64 = 0x1a
    case ifGoto = 0x20
    case goto = 0x21
    case constant8 = 0x22
    case constant16 = 0x23
    case constant32 = 0x24
    case constant64 = 0x25
    case register = 0x26
    case end = 0x27
    case duplicate = 0x28
    case pop = 0x29
    case zeroExtend = 0x2a
    case swap = 0x2b
    case pick = 0x32
    case rotate = 0x33
    case print = 0x34
  }
}

/// Why an expression has no value.
public enum AgentError: Error, Equatable {
  case invalidOperation(UInt8)
  /// The program or a jump leads outside the code.
  case outOfCode
  case stackUnderflow
  case stackOverflow
  case divisionByZero
  case noMemory(UInt64)
  case noRegister(Int)
  case tooManySteps
  /// A dynamic print that cannot be carried out.
  case badFormat
}

/// What an expression may look at and where its output goes.
public protocol AgentEnvironment: AnyObject {
  /// The register with the number that the target description gives it; `nil` when there is none, or none of at most
  /// 64 bits.
  func agentRegister(_ number: Int) -> UInt64?
  /// A little-endian integer of `count` bytes (1 to 8) at a linear address; `nil` when not all of them can be read.
  func agentMemory(at address: UInt64, count: Int) -> UInt64?
  /// Prints as C's `printf` would: the format is what the user typed between the quotes.
  func agentPrint(_ format: [UInt8], _ arguments: [UInt64]) throws(AgentError)
}
