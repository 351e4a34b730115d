internal import GuestMemory
internal import NativeOracle
internal import Support
internal import VMMCore

@testable internal import X86

/// One instruction on the host and on the software CPU, from the same state at the same addresses.
final class Twin {
  /// What the software CPU ends with, in the host's terms.
  struct Outcome {
    var state: NativeState
    var memory: [UInt8]
    var vector: Int?
  }

  private static let physicalBase: UInt64 = 0x20_0000
  private let machine: Machine

  init() throws {
    machine = try Machine(.long64, undefined: OracleProfile.found) {
      $0.cr0 |= CR0.ne | CR0.mp
      $0.cr4 |= CR4.osxsave
      $0.xcr0 = 3
    }
    // The code and operand area of the native oracle, in the second 2 MiB of memory.
    let entry = Machine.tables + 0x2000 + 8 * UInt64(NATIVE_CODE_ADDRESS >> 21)
    machine.memory.store(Self.physicalBase | 0x87, at: GuestPhysicalAddress(entry))
    machine.cpu.flushTLB()
  }

  func software(_ code: [UInt8], _ state: NativeState, _ memory: [UInt8]) -> Outcome {
    let cpu = machine.cpu
    let area = Self.physicalBase + UInt64(NATIVE_MEMORY_ADDRESS - NATIVE_CODE_ADDRESS)
    // A fresh fetch: the code lies where other code lay before.
    machine.memory.write(code + [0x90], at: GuestPhysicalAddress(Self.physicalBase))
    machine.memory.write(memory, at: GuestPhysicalAddress(area))
    load(state, cpu)
    _ = cpu.step()
    var outcome = Outcome(state: state, memory: memory, vector: nil)
    if let event = cpu.pendingEvent { outcome.vector = Int(event.vector) }
    cpu.pendingEvent = nil
    store(cpu, &outcome.state)
    for index in memory.indices {
      outcome.memory[index] = machine.load(area + UInt64(index), UInt8.self)
    }
    return outcome
  }

  func native(_ code: [UInt8], _ state: NativeState, _ memory: [UInt8]) -> Outcome {
    var outcome = Outcome(state: state, memory: memory, vector: nil)
    outcome.vector = outcome.state.run(code, memory: &outcome.memory)
    return outcome
  }

  private func load(_ state: NativeState, _ cpu: CPU) {
    for number in 0..<16 { cpu[number] = state.register(number) }
    cpu.rip = UInt64(NATIVE_CODE_ADDRESS)
    cpu.rflags = state.rflags & 0x8d5 | 0x202
    cpu.loadFloatingPoint(state)
  }

  private func store(_ cpu: CPU, _ state: inout NativeState) {
    for number in 0..<16 { state.setRegister(number, cpu[number]) }
    state.rip = cpu.rip &- UInt64(NATIVE_CODE_ADDRESS)
    state.rflags = cpu.rflags
    let full = cpu.state
    state.setField(0, full.fcw)
    state.setField(2, full.fsw)
    state.setField(4, full.ftw)
    state.setField(24, full.mxcsr)
    for position in 0..<8 {
      state.setField(32 + 16 * position, full.stSignificand[position])
      state.setField(40 + 16 * position, full.stSignExponent[position])
    }
    for lane in 0..<32 { state.setField(160 + 8 * lane, full.xmm[lane]) }
  }
}

extension Twin.Outcome {
  /// Where two outcomes differ; empty when they do not. `statusMask` says which bits of FSW are defined.
  func differences(_ other: Self, flags: UInt64 = 0x8d5, status: UInt16 = 0xffff) -> [String] {
    var found: [String] = []
    func check(_ name: String, _ a: UInt64, _ b: UInt64) {
      if a != b { found.append("\(name) \(hex(a)) \(hex(b))") }
    }
    check("vector", UInt64(bitPattern: Int64(vector ?? -1)), UInt64(bitPattern: Int64(other.vector ?? -1)))
    for number in 0..<16 { check("r\(number)", state.register(number), other.state.register(number)) }
    check("rflags", state.rflags & flags, other.state.rflags & flags)
    check("fcw", UInt64(state.field(0, as: UInt16.self)), UInt64(other.state.field(0, as: UInt16.self)))
    check(
      "fsw", UInt64(state.field(2, as: UInt16.self) & status), UInt64(other.state.field(2, as: UInt16.self) & status))
    check("ftw", UInt64(state.field(4, as: UInt8.self)), UInt64(other.state.field(4, as: UInt8.self)))
    check("mxcsr", UInt64(state.field(24, as: UInt32.self)), UInt64(other.state.field(24, as: UInt32.self)))
    for number in 0..<8 {
      let at = 32 + 16 * number
      check("st\(number)", state.field(at), other.state.field(at))
      check(
        "st\(number).se", UInt64(state.field(at + 8, as: UInt16.self)),
        UInt64(other.state.field(at + 8, as: UInt16.self)))
    }
    for lane in 0..<32 {
      check("xmm\(lane / 2).\(lane & 1)", state.field(160 + 8 * lane), other.state.field(160 + 8 * lane))
    }
    if memory != other.memory { found.append("memory \(memory) \(other.memory)") }
    return found
  }
}

extension NativeState {
  /// Control, status and tag word, for messages.
  var x87Words: String {
    let words = [field(0, as: UInt16.self), field(2, as: UInt16.self), UInt16(field(4, as: UInt8.self))]
    return "fcw, fsw, ftw \(words.map { hex($0) })"
  }

  func register(_ number: Int) -> UInt64 {
    unsafe withUnsafeBytes(of: gpr) { bytes in unsafe bytes.load(fromByteOffset: 8 * number, as: UInt64.self) }
  }

  mutating func setRegister(_ number: Int, _ value: UInt64) {
    unsafe withUnsafeMutableBytes(of: &gpr) { bytes in
      unsafe bytes.storeBytes(of: value, toByteOffset: 8 * number, as: UInt64.self)
    }
  }

  /// Registers full of seeded values; RBX points into the operand area.
  static func random(_ source: inout SeededRandom) -> NativeState {
    var state = NativeState.initial
    for number in 0..<16 { state.setRegister(number, source.significand()) }
    state.rflags = source.next() & 0x8d5
    state.gpr.3 = UInt64(NATIVE_MEMORY_ADDRESS)
    state.randomizeX87(&source)
    state.setField(24, SSEControl(from: &source).word | UInt32(source.oneIn(2) ? source.below(64) : 0))
    for number in 0..<16 {
      let (low, high) = source.vector()
      state.setField(160 + 16 * number, low)
      state.setField(168 + 16 * number, high)
    }
    return state
  }

  mutating func randomizeX87(_ source: inout SeededRandom) {
    let control = X87Control(from: &source)
    setField(0, control.word)
    // No exception that is pending and unmasked.
    let pending = source.oneIn(2) ? 0 : UInt16(truncatingIfNeeded: source.next()) & 0x3f & control.word
    let fault: UInt16 = pending & 1 != 0 && source.oneIn(2) ? 0x40 : 0
    setField(2, pending | fault | UInt16(truncatingIfNeeded: source.next()) & 0x7f00)
    setField(4, source.oneIn(2) ? 0xff : UInt8(truncatingIfNeeded: source.next()))
    var value = source.extended()
    for position in 0..<8 {
      setField(32 + 16 * position, value.significand)
      setField(40 + 16 * position, value.signExponent)
      value = source.companion(of: value)
    }
  }
}

extension SeededRandom {
  /// 128 bits: bytes, integers, singles, doubles or noise.
  mutating func vector() -> (UInt64, UInt64) {
    switch below(5) {
    case 0: return (significand(), significand())
    case 1:
      let a = bits(.single)
      let b = companion(of: a, .single)
      return (a | b << 32, bits(.single) | bits(.single) << 32)
    case 2:
      let a = bits(.double)
      return (a, companion(of: a, .double))
    case 3:
      let bytes: [UInt64] = [0, 1, 0x7f, 0x80, 0xff, 0x41, 0x7e]
      var words: [UInt64] = [0, 0]
      for index in 0..<16 { words[index / 8] |= pick(bytes) << UInt64(8 * (index & 7)) }
      return (words[0], words[1])
    default: return (next(), next())
    }
  }
}

extension CPU {
  /// Takes over the x87 and SSE registers of a native state, but for the last x87 instruction and its operand.
  func loadFloatingPoint(_ state: NativeState) {
    let cpu = self
    cpu[Slot.fcw] = UInt64(state.field(0, as: UInt16.self))
    let status: UInt16 = state.field(2)
    cpu[Slot.fsw] = UInt64(status & ~0x3800)
    cpu[Slot.fpuTop] = UInt64(status >> 11 & 7)
    cpu[Slot.ftw] = UInt64(state.field(4, as: UInt8.self))
    cpu[Slot.mxcsr] = UInt64(state.field(24, as: UInt32.self))
    for position in 0..<8 {
      let number = (position + Int(status >> 11)) & 7
      cpu[Slot.x87Significand(number)] = state.field(32 + 16 * position)
      cpu[Slot.x87SignExponent(number)] = UInt64(state.field(40 + 16 * position, as: UInt16.self))
    }
    for lane in 0..<32 { cpu[Slot.xmm + lane] = state.field(160 + 8 * lane) }
  }
}
