internal import GuestMemory
internal import Testing
internal import VMMCore

@testable internal import X86

/// What random programs in 16- and 32-bit code found: the right values, measured on a processor (AMD, family 19h).
@Suite struct ModeValuesTests {
  struct Adjustment: Sendable {
    var name: String
    var code: [UInt8]
    /// AX and the flags before and after.
    var before: (ax: UInt64, flags: UInt64)
    var after: (ax: UInt64, flags: UInt64)

    init(_ name: String, _ code: [UInt8], _ ax: UInt64, _ flags: UInt64, _ newAX: UInt64, _ newFlags: UInt64) {
      (self.name, self.code, before, after) = (name, code, (ax, flags), (newAX, newFlags))
    }
  }

  static let adjustments = [
    Adjustment("AAA", [0x37], 0x007a, 2, 0x0100, 0x11), Adjustment("AAA", [0x37], 0x00fa, 2, 0x0200, 0x15),
    Adjustment("AAS", [0x3f], 0x0000, 0x12, 0xfe0a, 0x95), Adjustment("AAS", [0x3f], 0x0006, 0x12, 0xff00, 0x95),
    Adjustment("AAS", [0x3f], 0x0080, 0x12, 0xff0a, 0x91),
    Adjustment("DAA", [0x27], 0x007a, 0x12, 0x0080, 0x890), Adjustment("DAA", [0x27], 0x007f, 2, 0x0085, 0x890),
    Adjustment("DAS", [0x2f], 0x0080, 0x12, 0x007a, 0x810), Adjustment("DAS", [0x2f], 0x0080, 3, 0x0020, 0x801),
    Adjustment("AAD", [0xd5, 10], 0x0a7b, 2, 0x00df, 0x880), Adjustment("AAD", [0xd5, 10], 0x1980, 2, 0x007a, 0x801),
    Adjustment("AAD", [0xd5, 10], 0x0aff, 2, 0x0063, 0x15),
  ]

  @Test(arguments: adjustments)
  func `decimal adjustments set every flag`(_ adjustment: Adjustment) throws {
    let machine = try Machine(.protected32, code: adjustment.code) { state in
      state.gpr[0] = adjustment.before.ax
      state.rflags = adjustment.before.flags
    }
    #expect(machine.cpu.step() == nil)
    #expect(machine.cpu.rax == adjustment.after.ax, "\(adjustment.name)")
    #expect(machine.cpu.rflags & RFlags.status == adjustment.after.flags, "\(adjustment.name)")
  }

  /// The vector that one instruction raises in flat 32-bit code, after `prepare`.
  private func vector(_ code: [UInt8], _ prepare: (inout CPUState) -> Void) throws -> (UInt8?, Machine) {
    let machine = try Machine(.protected32, code: code) { state in
      state.cr4 = CR4.osfxsr
      prepare(&state)
    }
    _ = machine.cpu.step()
    return (machine.cpu.pendingEvent?.vector, machine)
  }

  @Test func `a segment register is pushed with zeros above it`() throws {
    for code: [UInt8] in [[0x0e], [0x06], [0x0f, 0xa0]] {
      let machine = try Machine(.protected32, code: code)
      machine.memory.store(UInt32.max, at: GuestPhysicalAddress(0x6ffc))
      #expect(machine.cpu.step() == nil)
      #expect(machine.load(0x6ffc, UInt32.self) == (code == [0x0e] ? 8 : 16))
    }
  }

  @Test func `ARPL that adjusts nothing does not write`() throws {
    // ARPL CS:[EBX], AX.
    let (fault, machine) = try vector([0x2e, 0x63, 0x03]) { $0.gpr[3] = 0x9000 }
    #expect(fault == nil)
    #expect(machine.cpu.rflags & RFlags.zf == 0)
    #expect(try vector([0x2e, 0x63, 0x03]) { ($0.gpr[3], $0.gpr[0]) = (0x9000, 3) }.0 == 13)
  }

  /// #SS tells the operand of SS from that of ES.
  @Test func `CMPS reads the second operand first, MOVS the first`() throws {
    func prepare(_ state: inout CPUState) {
      (state.ss.limit, state.ss.attributes) = (0xff, 0x4093)
      (state.es.limit, state.es.attributes) = (0xff, 0x4093)
      (state.gpr[6], state.gpr[7]) = (0x1000, 0x1000)
    }
    #expect(try vector([0x36, 0xa6], prepare).0 == ExceptionVector.generalProtection)
    #expect(try vector([0x36, 0xa4], prepare).0 == ExceptionVector.stackFault)
  }

  @Test func `POPA takes the registers one by one`() throws {
    let (fault, machine) = try vector([0x61]) { state in
      (state.ss.limit, state.ss.attributes) = (0x700b, 0x4093)
      for number in 0..<8 where number != 4 { state.gpr[number] = 0x1111 }
    }
    #expect(fault == ExceptionVector.stackFault)
    let cpu = machine.cpu
    #expect([cpu.rdi, cpu.rsi, cpu.rbp] == [0, 0, 0])
    #expect([cpu.rbx, cpu.rdx, cpu.rcx, cpu.rax] == [0x1111, 0x1111, 0x1111, 0x1111])
    #expect(cpu.rsp == 0x7000)
  }

  @Test func `PUSHA writes nothing unless it can write all`() throws {
    let (fault, machine) = try vector([0x60]) { state in
      // Expand down: offsets from 6ff0 on.
      (state.ss.limit, state.ss.attributes) = (0x6fef, 0x4097)
      for number in 0..<8 where number != 4 { state.gpr[number] = 0x1111 }
    }
    #expect(fault == ExceptionVector.stackFault)
    #expect(machine.load(0x6ffc, UInt32.self) == 0)
    #expect(machine.cpu.rsp == 0x7000)
  }

  @Test func `a vector that is not aligned is a protection fault before SS is looked at`() throws {
    // MOVDQA XMM0, SS:[EBX].
    func load(_ offset: UInt64) throws -> UInt8? {
      try vector([0x36, 0x66, 0x0f, 0x6f, 0x03]) { state in
        (state.ss.limit, state.ss.attributes, state.gpr[3]) = (0x7fff, 0x4093, offset)
      }.0
    }
    #expect(try load(0x8001) == ExceptionVector.generalProtection)
    #expect(try load(0x8000) == ExceptionVector.stackFault)
  }

  @Test(arguments: [Machine.Mode.real16, .protected32])
  func `POPF leaves VIF and VIP alone`(_ mode: Machine.Mode) throws {
    for old in [UInt64(2), 2 | RFlags.vif] {
      let machine = try Machine(mode, code: mode == .real16 ? [0x66, 0x9d] : [0x9d]) { $0.rflags = old }
      machine.memory.store(UInt32(0x1f_0ed7 & ~0x1_0100), at: GuestPhysicalAddress(0x7000))
      #expect(machine.cpu.step() == nil)
      #expect(machine.cpu.rflags & (RFlags.vif | RFlags.vip) == old & RFlags.vif)
    }
  }
}
