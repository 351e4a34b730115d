import GuestMemory
import Testing
import VMMCore

@testable import X86

/// Segments, gates and virtual-8086 mode outside long mode (Intel SDM vol. 3, 5 and 20).
@Suite struct LegacyTests {
  /// As on AMD's processors: all of the operand is written.
  @Test(arguments: zip([[0x1e], [0x66, 0x1e], [0x0f, 0xa0]] as [[UInt8]], [UInt32(0x10), 0xffff_0010, 0x10]))
  func pushOfASegmentRegister(code: [UInt8], stored: UInt32) throws {
    let machine = try LegacyMachine(code)
    let size: UInt64 = code[0] == 0x66 ? 2 : 4
    machine.memory.store(UInt32.max, at: GuestPhysicalAddress(SystemMachine.stack - size))
    #expect(try machine.step() == nil)
    #expect(machine.cpu.rsp == SystemMachine.stack - size)
    #expect(machine.word(SystemMachine.stack - size) == stored)
  }

  struct AccessCase: Sendable {
    var what: String
    var code: [UInt8]
    var vector: UInt8?
    var selector: UInt16 = LegacyMachine.kernelData
  }

  @Test(arguments: [
    // arpl [0x9000], bx, of RPL 0 and 3
    AccessCase(
      what: "ARPL with nothing to adjust", code: [0x63, 0x0d, 0, 0x90, 0, 0], vector: nil,
      selector: LegacyMachine.readOnly),
    AccessCase(
      what: "ARPL that adjusts", code: [0x63, 0x1d, 0, 0x90, 0, 0], vector: 13, selector: LegacyMachine.readOnly),
    AccessCase(what: "a read of read-only data", code: [0xa1, 0, 0x90, 0, 0], selector: LegacyMachine.readOnly),
    AccessCase(
      what: "a write to read-only data", code: [0xa3, 0, 0x90, 0, 0], vector: 13, selector: LegacyMachine.readOnly),
    AccessCase(what: "a write to code", code: [0x2e, 0xa3, 0, 0x90, 0, 0], vector: 13),
    AccessCase(what: "a null segment", code: [0xa1, 0, 0x90, 0, 0], vector: 13, selector: 0),
    AccessCase(
      what: "the last doubleword", code: [0xa1, 0xfc, 0x0f, 0, 0], selector: LegacyMachine.small),
    AccessCase(
      what: "across the limit", code: [0xa1, 0xfd, 0x0f, 0, 0], vector: 13, selector: LegacyMachine.small),
    AccessCase(
      what: "MOV to ES of a call gate", code: [0xb8, 0x30, 0, 0, 0, 0x8e, 0xc0], vector: 13),
    AccessCase(what: "INT of a task gate's kind", code: [0xcd, 0x22], vector: 13),
    AccessCase(what: "SYSENTER without a segment", code: [0x0f, 0x34], vector: 13),
    AccessCase(what: "BOUND", code: [0x62, 0x05, 0, 0x90, 0, 0], vector: 5),
    AccessCase(what: "INTO without OF", code: [0xce], vector: nil),
    AccessCase(what: "AAM of 0", code: [0xd4, 0], vector: 0),
    AccessCase(what: "JMP far to a call gate of another level's code", code: [0xea, 0, 0, 0, 0, 0x30, 0], vector: nil),
    AccessCase(what: "JMP far to a task gate", code: [0xea, 0, 0, 0, 0, 0x40, 0], vector: 13),
    AccessCase(what: "JMP far to a TSS", code: [0xea, 0, 0, 0, 0, 0x28, 0], vector: 13),
    AccessCase(what: "MOV SS, null", code: [0x31, 0xc0, 0x8e, 0xd0], vector: 13),
  ])
  func accesses(_ access: AccessCase) throws {
    let machine = try LegacyMachine(access.code) {
      $0.gpr[0] = 9
      $0.gpr[3] = 3
      $0.ds.selector = access.selector
      switch access.selector {
      case 0: $0.ds.attributes = unusableSegment
      case LegacyMachine.readOnly: $0.ds.attributes = 0xc091
      case LegacyMachine.small: ($0.ds.limit, $0.ds.attributes) = (0xfff, 0x4093)
      default: break
      }
    }
    machine.memory.store(UInt64(0x0000_e500_0028_0000), at: GuestPhysicalAddress(SystemMachine.idt + 0x22 * 8))
    var vector = try machine.step()
    if vector == nil, machine.cpu.rip < SystemMachine.code + UInt64(access.code.count) { vector = try machine.step() }
    #expect(vector == access.vector, "\(access.what)")
  }

  /// A call gate to an inner level copies parameters; the far return drops them on both stacks, and takes away the
  /// segments that user mode may not use.
  @Test func callGate() throws {
    // call 0x33:0
    let machine = try LegacyMachine([0x9a, 0, 0, 0, 0, 0x33, 0], user: true) {
      $0.gs = Segment(selector: 3, base: 0, limit: 0, attributes: unusableSegment)
    }
    machine.setStack([0x1111, 0x2222])
    // mov ax, 0x10; mov ds, ax; mov ax, 0x48; mov es, ax; retf 8
    machine.memory.write(
      [0x66, 0xb8, 0x10, 0, 0x8e, 0xd8, 0x66, 0xb8, 0x48, 0, 0x8e, 0xc0, 0xca, 8, 0],
      at: GuestPhysicalAddress(LegacyMachine.gateTarget))
    _ = try machine.engine.run(.instructions(1))
    #expect(machine.cpu.rip == LegacyMachine.gateTarget)
    #expect(machine.cpu.privilegeLevel == 0)
    #expect(machine.cpu.rsp == LegacyMachine.kernelStack - 24)
    #expect(
      machine.frame(6) == [
        UInt32(SystemMachine.code) + 7, 0x1b, 0x1111, 0x2222, UInt32(SystemMachine.stack), 0x23,
      ])
    _ = try machine.engine.run(.instructions(5))
    let state = try machine.engine.state()
    #expect(state.rip == SystemMachine.code + 7 && state.privilegeLevel == 3)
    #expect(state.gpr[4] == SystemMachine.stack + 8)
    #expect(state.ds.selector == 0 && state.ds.isUnusable, "the kernel's data")
    #expect(state.es.selector == 0x48, "conforming code")
    #expect(state.fs.selector == 0x23, "user data")
    #expect(state.gs.selector == 0, "null loses its RPL")
  }

  @Test func callGateNeedsItsPrivilege() throws {
    let machine = try LegacyMachine([0x9a, 0, 0, 0, 0, 0x33, 0], user: true)
    machine.memory.store(UInt64(0x0000_8c02_0008_5000), at: GuestPhysicalAddress(SystemMachine.gdt + 0x30))
    #expect(try machine.step() == 13)
    #expect(machine.frame(1) == [0x30])
  }

  // MARK: virtual-8086 mode

  private func virtual(_ code: [UInt8], iopl: UInt64 = 0) throws -> LegacyMachine {
    try LegacyMachine(code) {
      let segment = Segment(selector: 0x900, base: 0x9000, limit: 0xffff, attributes: 0xf3)
      ($0.ds, $0.es, $0.fs, $0.gs) = (segment, segment, segment, segment)
      $0.cs = Segment(selector: 0x800, base: 0x8000, limit: 0xffff, attributes: 0xf3)
      $0.ss = Segment(selector: 0x700, base: 0x7000, limit: 0xffff, attributes: 0xf3)
      $0.rip = 0
      $0.gpr[4] = 0x80
      $0.rflags = 2 | RFlags.vm | iopl << 12
    }
  }

  @Test(arguments: [
    [0xfa] as [UInt8], [0xfb], [0x9c], [0x9d], [0xcf], [0xcd, 0x21], [0xe4, 0x60], [0xf4], [0x0f, 0x06],
  ])
  func virtualModeConfines(_ code: [UInt8]) throws {
    let machine = try virtual(code)
    #expect(try machine.step() == 13)
    #expect(machine.frame(3) == [0, 0, 0x800])
  }

  @Test(arguments: [[0xfa] as [UInt8], [0xfb], [0x9c], [0x9d]])
  func virtualModeUnderIOPL3(_ code: [UInt8]) throws {
    #expect(try virtual(code, iopl: 3).step() == nil)
  }

  /// What does not exist there is #UD, whatever IOPL is.
  @Test(arguments: [[0x0f, 0x00, 0xd8] as [UInt8], [0x63, 0xc0], [0x0f, 0x02, 0xc0]])
  func virtualModeHasNoDescriptors(_ code: [UInt8]) throws {
    #expect(try virtual(code, iopl: 3).step() == 6)
  }

  @Test func virtualModeAndBack() throws {
    // int 0x21 under IOPL 3; the handler: iretd
    let machine = try virtual([0xcd, 0x21, 0x90], iopl: 3)
    machine.memory.write([0xcf], at: GuestPhysicalAddress(SystemMachine.handler(0x21)))
    _ = try machine.engine.run(.instructions(1))
    #expect(machine.cpu.rip == SystemMachine.handler(0x21))
    #expect(machine.cpu.rsp == LegacyMachine.kernelStack - 36)
    #expect(machine.frame(9) == [2, 0x800, 0x2_3002, 0x80, 0x700, 0x900, 0x900, 0x900, 0x900])
    var state = try machine.engine.state()
    #expect(state.ds.selector == 0 && state.ds.isUnusable && state.privilegeLevel == 0)
    _ = try machine.engine.run(.instructions(1))
    state = try machine.engine.state()
    #expect(state.rip == 2 && state.cs.selector == 0x800 && state.cs.base == 0x8000)
    #expect(state.ds.selector == 0x900 && state.ds.base == 0x9000 && state.ss.base == 0x7000)
    #expect(state.gpr[4] == 0x80 && state.rflags & RFlags.vm != 0 && state.privilegeLevel == 3)
  }

  // MARK: flags

  /// POPF leaves VIF and VIP alone and clears RF; IRET takes them over.
  @Test func popfKeepsTheVirtualInterruptFlags() throws {
    let machine = try LegacyMachine([0x9d])
    machine.setStack([0x1d_0002])
    #expect(try machine.step() == nil)
    #expect(machine.cpu.rflags == 0x4_0002)
  }

  @Test func iretSetsTheVirtualInterruptFlags() throws {
    let machine = try LegacyMachine([0xcf])
    machine.setStack([0x9000, 0x08, 0x1c_0002])
    #expect(try machine.step() == nil)
    #expect(machine.cpu.rflags == 0x1c_0002)
  }

  /// In user mode IOPL and, below IOPL 3, IF stay.
  @Test(arguments: [(UInt64(0), UInt64(2)), (3, 0x3202)])
  func popfInUserMode(iopl: UInt64, flags: UInt64) throws {
    let machine = try LegacyMachine([0x9d], user: true) { $0.rflags |= iopl << 12 }
    machine.setStack([0x3202])
    #expect(try machine.step() == nil)
    #expect(machine.cpu.rflags == flags)
  }
}
