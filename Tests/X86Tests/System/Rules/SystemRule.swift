import GuestMemory
import Testing
import VMMCore

@testable import X86

/// One rule of the manuals about an instruction of 64-bit code: where it stands, and what is right.
struct SystemRule: Sendable, CustomTestStringConvertible {
  enum Outcome: Equatable, Sendable {
    /// The instruction is complete.
    case passes
    /// An exception, and its error code (`nil`: it has none).
    case fault(UInt8, UInt64?)
    /// A trap: RIP in the frame lies behind the instruction.
    case trap(UInt8)
  }

  /// What it is about, and the section of the Intel SDM (or "APM", of AMD's manual) that says so.
  var subject: String
  var section: String
  var code: [UInt8]
  var user = false
  /// The CPU model.
  var cpu = "default"
  var right: Outcome
  /// Instructions before the one that counts.
  var leading: UInt64 = 0
  /// RAX, RCX, RDX.
  var registers: [UInt64] = [0, 0, 0]
  var prepare: @Sendable (inout CPUState) -> Void = { _ in }
  /// Puts things into memory.
  var arrange: @Sendable (SystemMachine) -> Void = { _ in }

  var testDescription: String { "\(subject) (\(section))" }

  static func gp(_ code: UInt64 = 0) -> Outcome { .fault(13, code) }
  static func np(_ code: UInt64) -> Outcome { .fault(11, code) }
  static func ss(_ code: UInt64 = 0) -> Outcome { .fault(12, code) }
  static let ud = Outcome.fault(6, nil)
  static let nm = Outcome.fault(7, nil)

  /// What it comes to on the engine.
  func outcome() throws -> Outcome {
    let machine = try SystemMachine(code, user: user, cpu: cpu) { state in
      for (number, value) in registers.enumerated() { state.gpr[number] = value }
      prepare(&state)
    }
    arrange(machine)
    if leading > 0 { try machine.run(leading) }
    let start = machine.cpu.rip
    try machine.run(1)
    // A trap is delivered with the next run.
    if machine.cpu.pendingEvent != nil { _ = machine.engine.deliverPendingEvent() }
    let place = machine.cpu.rip &- SystemMachine.handlers
    guard place < 0x1000 else { return .passes }
    let vector = UInt8(place / 16)
    let frame = machine.frame(3)
    if frame[0] == start { return .fault(vector, nil) }
    return frame[1] == start ? .fault(vector, frame[0]) : .trap(vector)
  }
}

/// The selectors and tables of `SystemMachine` that rules change.
extension SystemMachine {
  func setDescriptor(_ selector: UInt16, _ low: UInt64, _ high: UInt64? = nil) {
    memory.store(low, at: GuestPhysicalAddress(SystemMachine.gdt + UInt64(selector & 0xfff8)))
    if let high { memory.store(high, at: GuestPhysicalAddress(SystemMachine.gdt + UInt64(selector & 0xfff8) + 8)) }
  }

  func setGate(_ vector: UInt8, _ low: UInt64, _ high: UInt64 = 0) {
    memory.store(low, at: GuestPhysicalAddress(SystemMachine.idt + 16 * UInt64(vector)))
    memory.store(high, at: GuestPhysicalAddress(SystemMachine.idt + 16 * UInt64(vector) + 8))
  }

  /// The permission map of the ports begins behind the TSS.
  func closePorts() { memory.store(UInt16(0x68), at: GuestPhysicalAddress(SystemMachine.tss + 0x66)) }

  func setStack(_ words: [UInt64]) {
    for (index, word) in words.enumerated() {
      memory.store(word, at: GuestPhysicalAddress(SystemMachine.stack + 8 * UInt64(index)))
    }
  }
}
