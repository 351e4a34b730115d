internal import GuestMemory
internal import Support
import Testing
internal import VMMCore

@testable internal import X86

/// Branches and instruction fetch in code segments that end below 4 GiB, all of real mode among them.
@Suite struct SegmentLimitTests {
  private static let folder = SourceTree.root + "/Tests/Guests/protected"

  @Test(arguments: [("real-branches", "0101101001100110\n"), ("limited-branches", "GGGGG")])
  func `conditional branches of guests are taken`(_ name: String, _ expected: String) throws {
    try MultibootImage.make("\(Self.folder)/\(name).s") { image in
      let board = try EngineBoard(path: image)
      _ = try board.run()
      let printed = board.log.compactMap { exit -> UInt8? in
        guard case .portWrite(let port, _, let value) = exit, port == 0xe9 || port == 0x3f8 else { return nil }
        return UInt8(truncatingIfNeeded: value)
      }
      #expect(String(decoding: printed, as: UTF8.self) == expected)
    }
  }

  /// A code segment, from linear address 0 on.
  enum Segment: CaseIterable, Sendable {
    case real, code16, code32, whole16, whole32

    var mode: Machine.Mode { self == .real ? .real16 : .protected32 }
    var is32: Bool { self == .code32 || self == .whole32 }
    var isWhole: Bool { self == .whole16 || self == .whole32 }

    func apply(_ state: inout CPUState, limit: UInt32) {
      state.cs.limit = isWhole ? .max : limit
      if self == .code16 || self == .whole16 { state.cs.attributes &= ~0x4000 }
      if !isWhole { state.cs.attributes &= ~0x8000 }
    }

    /// Bytes that the operand size of branches takes.
    var word: Int { is32 ? 4 : 2 }
  }

  /// Every branch, taken, to the offset; CX is 1 (LOOP) or 0 (JCXZ), ZF as the branch wants it.
  private static func branches(_ segment: Segment, from at: UInt64, to target: UInt64) -> [(String, [UInt8])] {
    func near(_ opcode: [UInt8]) -> [UInt8] {
      opcode + little(target &- at &- UInt64(opcode.count + segment.word), segment.word)
    }
    let short = little(target &- at &- 2, 1)
    let isShort = Int64(bitPattern: target &- at &- 2).magnitude < 120
    var list: [(String, [UInt8])] = [
      ("JMP rel", near([0xe9])), ("JMP far", [0xea] + little(target, segment.word) + [8, 0]),
      ("JMP BX", [0xff, 0xe3]), ("CALL rel", near([0xe8])), ("CALL BX", [0xff, 0xd3]),
      ("RET", [0xc3]), ("RET n", [0xc2, 4, 0]),
    ]
    for condition in UInt8(0)..<16 {
      list.append(("Jcc \(condition) rel", near([0x0f, 0x80 | condition])))
      if isShort { list.append(("Jcc \(condition) rel8", [0x70 | condition] + short)) }
    }
    if isShort {
      list += [("JMP rel8", [0xeb] + short), ("LOOP", [0xe2] + short), ("JCXZ", [0xe3] + short)]
      list += [("LOOPE", [0xe1] + short), ("LOOPNE", [0xe0] + short)]
    }
    return list.filter { segment != .real || $0.0 != "JMP far" }
  }

  /// The flags that make a condition true, by its number without the lowest bit.
  private static let flags: [UInt64] = [0x800, 1, 0x40, 0x41, 0x80, 4, 0x80, 0x40]

  private func machine(_ segment: Segment, _ name: String, _ code: [UInt8], _ target: UInt64, limit: UInt32) throws
    -> Machine
  {
    let machine = try Machine(segment.mode, code: code) { state in
      segment.apply(&state, limit: limit)
      state.gpr[1] = name == "JCXZ" ? 0 : 2
      state.gpr[3] = target
      state.rflags = 2
      if name == "LOOPE" { state.rflags = 0x42 }
      if name.hasPrefix("Jcc"), let number = Int(name.split(separator: " ")[1]) {
        state.rflags = 2 | (number & 1 == 0 ? Self.flags[number / 2] : 0)
      }
      state.gdtr = DescriptorTable(base: 0x6000, limit: 15)
    }
    // A descriptor like CS for the far JMP; the target for RET.
    let kind: UInt64 = (segment.is32 ? 0x4f : 0x0f) | (segment.isWhole ? 0x80 : 0)
    let (low, high) = (UInt64(segment.isWhole ? 0xffff : limit & 0xffff), kind & 0xf0 | (segment.isWhole ? 0xf : 0))
    machine.memory.store(low | 0x9b << 40 | high << 48, at: GuestPhysicalAddress(0x6008))
    machine.memory.store(UInt32(truncatingIfNeeded: target), at: GuestPhysicalAddress(0x7000))
    // NOPs where it goes.
    machine.memory.write([UInt8](repeating: 0x90, count: 64), at: GuestPhysicalAddress(target))
    return machine
  }

  @Test(arguments: Segment.allCases, [UInt64(0x8020), 0x8800])
  func `every branch is taken, in blocks and step by step`(_ segment: Segment, _ target: UInt64) throws {
    for (name, code) in Self.branches(segment, from: Machine.codeAddress, to: target) {
      let blocks = try machine(segment, name, code, target, limit: 0xffff)
      #expect(blocks.run(4) == .limit)
      #expect(blocks.cpu.rip == target + 3, "\(segment) \(name) in blocks")
      let steps = try machine(segment, name, code, target, limit: 0xffff)
      for _ in 0..<4 { _ = steps.cpu.step() }
      #expect(steps.cpu.rip == target + 3, "\(segment) \(name) step by step")
    }
  }

  @Test(arguments: [Segment.real, .code16, .code32])
  func `a branch beyond the limit is a fault at the branch`(_ segment: Segment) throws {
    for (name, code) in Self.branches(segment, from: Machine.codeAddress, to: 0x8041) {
      for limit in [UInt32(0x8040), 0x8041] {
        let machine = try machine(segment, name, code, 0x8041, limit: limit)
        let (flags, counter) = (machine.cpu.rflags, machine.cpu.rcx)
        #expect(machine.cpu.runToEvent(limit: machine.cpu.retired + 50) == nil)
        let event = machine.cpu.pendingEvent
        #expect(event?.vector == ExceptionVector.generalProtection, "\(segment) \(name)")
        // The NOP at the last offset is executed, what follows it is not there.
        #expect(machine.cpu.rip == (limit == 0x8040 ? Machine.codeAddress : 0x8042), "\(segment) \(name) \(limit)")
        if limit == 0x8040 { #expect(machine.cpu.rflags == flags && machine.cpu.rcx == counter) }
      }
    }
  }

  @Test(arguments: [Segment.real, .code16, .code32], [false, true])
  func `an instruction that ends beyond the limit is not fetched`(_ segment: Segment, _ steps: Bool) throws {
    // INC of a register, four times; then MOV AL, imm8 across the limit.
    let code: [UInt8] = [0xff, 0xc0, 0xff, 0xc0, 0xff, 0xc0, 0xff, 0xc0, 0xb0, 1]
    let machine = try Machine(segment.mode, code: code) { segment.apply(&$0, limit: 0x8008) }
    let cpu = machine.cpu
    if steps {
      for _ in 0..<5 { _ = cpu.step() }
    } else {
      _ = cpu.runToEvent(limit: cpu.retired + 50)
    }
    #expect(cpu.rip == 0x8008)
    #expect(cpu.rax == 4)
    #expect(cpu.pendingEvent?.vector == ExceptionVector.generalProtection)
  }

  /// The same code under a lower limit than the one it was decoded under, and under a higher one.
  @Test(arguments: [Segment.real, .code16, .code32])
  func `blocks hold for one limit`(_ segment: Segment) throws {
    let code: [UInt8] = [0xff, 0xc0, 0xff, 0xc0, 0xeb, 0xfa]  // INC, INC, and back
    let machine = try Machine(segment.mode, code: code) { segment.apply(&$0, limit: 0xffff) }
    let cpu = machine.cpu
    #expect(machine.run(30) == .limit)
    #expect(cpu.rax == 20)
    for limit in [UInt64(0x8003), 0xffff, 0x8001] {
      cpu[Slot.segmentLimit + SegmentNumber.cs] = limit
      cpu.rip = Machine.codeAddress
      cpu.rax = 0
      cpu.modeChanged()
      let end = cpu.runToEvent(limit: cpu.retired + 30)
      #expect(cpu.rax == (limit == 0xffff ? 20 : limit == 0x8003 ? 2 : 1))
      #expect(limit == 0xffff ? end == .limit : cpu.pendingEvent?.vector == ExceptionVector.generalProtection)
      cpu.pendingEvent = nil
    }
  }

  @Test func `16-bit branches go round within 64 KiB`() throws {
    // JMP rel8, JZ rel8 and rel16, CALL rel16 from the segment's last bytes to its beginning.
    for code: [UInt8] in [[0xeb, 0x10], [0x74, 0x10], [0x0f, 0x84, 0x10, 0], [0xe8, 0x10, 0]] {
      for segment in [Segment.real, .code16, .whole16] {
        let machine = try Machine(segment.mode) { state in
          segment.apply(&state, limit: 0xffff)
          state.rip = 0xfff0
          state.rflags = 0x42
        }
        machine.memory.write(code, at: GuestPhysicalAddress(0xfff0))
        machine.memory.write([0x90, 0x90, 0x90, 0x90, 0x90, 0x90], at: GuestPhysicalAddress(0))
        machine.run(3)
        #expect(machine.cpu.rip == UInt64(code.count) + 2)
      }
    }
  }
}
