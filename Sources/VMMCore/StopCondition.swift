/// Decides inside an engine whether a debugger's stop before an instruction is worth leaving the engine for. It looks
/// at registers and memory alone, so that the answer is the same whenever the machine comes to the same place.
public struct StopCondition: Equatable, Sendable {
  /// One of them gives another value than 0 where the stop is wanted; none means everywhere. One without a value wants
  /// it too: whoever is asked then can say why.
  public var programs: [AgentExpression]
  /// What the numbers of registers in the programs stand for; `nil` for one that only the whole state tells.
  public var registers: [StopRegister?]
  /// Stops in this address space only; `nil` for all.
  public var space: AddressSpace?

  public init(programs: [AgentExpression], registers: [StopRegister?], space: AddressSpace? = nil) {
    self.programs = programs
    self.registers = registers
    self.space = space
  }
}

/// A register that a `StopCondition` can look at.
public enum StopRegister: Equatable, Sendable {
  /// By its number in the instruction set, below 16.
  case general(Int)
  case linearRIP
  case rflags
}
