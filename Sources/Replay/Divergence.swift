public import Trace
public import VMMCore

/// A replay that left the recorded path: where, what was expected, what came instead.
public struct Divergence: Error, Equatable, Sendable {
  public enum Kind: Equatable, Sendable {
    /// Another interaction than the recorded one, or another value sent.
    case wrongInteraction(expected: VCPUExit, actual: VCPUExit)
    /// The guest interacted, or stopped, before it reached the place of an asynchronous delivery or the end.
    case unexpectedExit(expected: String, actual: VCPUExit)
    /// The recorded interrupt cannot be delivered here.
    case notInterruptible(Delivery)
    /// The state is not the recorded one.
    case wrongState(expected: StateDigest, actual: StateDigest)
    /// By what the rest of the trace says, the next event was to come within this many instructions.
    case overrun(instructions: UInt64)
    /// The guest was in the same state twice on the way to the next event, which therefore never comes.
    case endless(instructions: UInt64)
    /// A delivery writes memory that the machine does not have.
    case badMemoryWrite(GuestPhysicalAddress)
    /// The state is that of the recorded digest, and not what the trace says that the digest was made of.
    case wrongDetail
    /// The engine does not hold the state that the recording says it began with.
    case wrongFirstState
    /// The recording says that so many instructions come before here, and there were others.
    case wrongCount(expected: UInt64, actual: UInt64)
    /// The last event does not end a recording in this way.
    case wrongEnd(EndReason)
  }
  public var kind: Kind
  /// Where the replay was.
  public var position: Position
  /// The last check that held.
  public var lastGood: Position
  /// The registers where it stopped, if they could be read.
  public var state: CPUState?
  /// Registers that differ from the recorded ones.
  public var registers: [RegisterDifference] = []
  /// Ranges of guest memory that differ from the recorded ones.
  public var pages: [PageDifference] = []
  /// The events before it, oldest first, with their ordinals.
  public var before: [String] = []
  /// What was executed since the last check with results that CPUs have otherwise, in a recording of a host's CPU.
  public var doubts: [UndefinedDoubt] = []
  /// What it may come from, and what to do.
  public var advice: String?

  public init(kind: Kind, position: Position, lastGood: Position, state: CPUState?) {
    self.kind = kind
    self.position = position
    self.lastGood = lastGood
    self.state = state
  }
}

/// A register that is not as recorded.
public struct RegisterDifference: Equatable, Sendable {
  public var name: String
  public var expected: UInt64
  public var actual: UInt64
}

/// A range of guest memory whose digest is not the recorded one.
public struct PageDifference: Equatable, Sendable {
  public var start: GuestPhysicalAddress
  public var pageCount: Int
}

extension Divergence.Kind: CustomStringConvertible {
  public var description: String {
    switch self {
    case .wrongInteraction(let expected, let actual): "expected \(expected), got \(actual)"
    case .unexpectedExit(let expected, let actual): "expected \(expected), got \(actual)"
    case .notInterruptible(let delivery): "\(delivery) was recorded here, but the vCPU does not accept interrupts"
    case .wrongState(let expected, let actual): "state differs: " + Divergence.parts(expected, actual)
    case .overrun(let count): "the next recorded event does not come within the \(count) instructions that it can"
    case .endless(let count):
      "the guest repeats itself and does not come to the next recorded event: seen after \(count) instructions"
    case .badMemoryWrite(let address): "a device write at \(address) lies outside guest memory"
    case .wrongFirstState: "no CPU here holds the state that the recording says it began with"
    case .wrongDetail: "the state is the recorded one, and its recorded registers or memory are others"
    case .wrongCount(let expected, let actual):
      "the recording says that it is \(expected) instructions long up to here; it is \(actual)"
    case .wrongEnd(let reason): "the recording says that it ended thus: \(reason); its last event does not do that"
    }
  }
}

extension Divergence {
  /// Nothing differs but the number of instructions.
  var isOfCounts: Bool {
    if case .wrongCount = kind { return true }
    guard case .wrongState(let expected, var actual) = kind else { return false }
    actual.instructions = expected.instructions
    return actual == expected
  }

  static func parts(_ expected: StateDigest, _ actual: StateDigest) -> String {
    var parts: [String] = []
    func compare(_ name: String, _ expected: UInt64, _ actual: UInt64) {
      if expected != actual { parts.append("\(name) expected \(hex(expected)) actual \(hex(actual))") }
    }
    compare("registers", expected.cpu, actual.cpu)
    compare("memory", expected.memory, actual.memory)
    compare("output", expected.output, actual.output)
    if expected.instructions != 0, actual.instructions != 0 {
      compare("instructions", expected.instructions, actual.instructions)
    }
    return parts.joined(separator: "; ")
  }

  /// The whole report: the first bad event, what differs, what came before. One fact a line.
  public var report: [String] {
    var lines = ["diverged at \(position): \(kind)", "  the last check that held was at \(lastGood)"]
    if let state {
      lines.append("  rip \(hex(state.linearRIP, digits: 16)) rflags \(hex(state.rflags)) cpl \(state.privilegeLevel)")
    }
    for register in registers {
      lines.append("  \(register.name): expected \(hex(register.expected)) actual \(hex(register.actual))")
    }
    for page in pages {
      lines.append("  memory differs in \(page.start), \(page.pageCount) page\(page.pageCount == 1 ? "" : "s")")
    }
    for doubt in doubts { lines.append("  undefined behaviour that is not imitated: \(doubt)") }
    if !before.isEmpty { lines.append("  events before it:") }
    return lines + before.map { "    " + $0 } + (advice.map { ["  " + $0] } ?? [])
  }
}
