import GuestMemory
import VMMCore

@testable import X86

/// A software CPU with a few MiB of memory, in one of the modes, about to execute given code.
final class Machine {
  enum Mode {
    case real16
    /// Flat segments, no paging.
    case protected32
    /// Flat, the first GiB mapped one to one with 2 MiB pages for user and supervisor.
    case long64
  }

  static let codeAddress: UInt64 = 0x8000
  /// Page tables of `long64`: PML4, PDPT, PD.
  static let tables: UInt64 = 0x10_0000

  let memory: GuestMemory
  let core: CPUCore
  var cpu: CPU { core.cpu }

  init(
    _ mode: Mode, code: [UInt8] = [], undefined: UndefinedProfile = .reference,
    prepare: (inout CPUState) -> Void = { _ in }
  ) throws {
    memory = try GuestMemory(size: 4 << 20)
    core = CPUCore(memory: memory, model: CPUModel(name: "test", leaves: [], undefined: undefined))
    core.cpu[SystemSlot.translatesAfter] = 1
    memory.write(code, at: GuestPhysicalAddress(Machine.codeAddress))
    var state = Machine.state(mode)
    if mode == .long64 { Machine.mapIdentity(memory) }
    prepare(&state)
    core.cpu.load(state)
  }

  static func state(_ mode: Mode) -> CPUState {
    var state = CPUState()
    state.rip = codeAddress
    state.gpr[4] = 0x7000
    state.idtr = DescriptorTable(base: 0, limit: 0)
    switch mode {
    case .real16:
      state.cs = Segment(selector: 0, base: 0, limit: 0xffff, attributes: 0x9b)
    case .protected32, .long64:
      state.cs = Segment(selector: 8, base: 0, limit: .max, attributes: mode == .long64 ? 0xa09b : 0xc09b)
      let data = Segment(selector: 16, base: 0, limit: .max, attributes: 0xc093)
      (state.ss, state.ds, state.es, state.fs, state.gs) = (data, data, data, data, data)
      state.cr0 = 0x11
    }
    if mode == .long64 {
      state.cr0 = 0x8000_0011
      state.cr3 = tables
      state.cr4 = 0x620
      state.efer = 0xd00
    }
    return state
  }

  static func mapIdentity(_ memory: GuestMemory) {
    memory.store(tables + 0x1007, at: GuestPhysicalAddress(tables))
    memory.store(tables + 0x2007, at: GuestPhysicalAddress(tables + 0x1000))
    for index in UInt64(0)..<512 {
      memory.store(index << 21 | 0x87, at: GuestPhysicalAddress(tables + 0x2000 + index * 8))
    }
  }

  /// Replaces the code; returns the address behind it.
  func place(_ code: [UInt8]) -> UInt64 {
    memory.write(code, at: GuestPhysicalAddress(Machine.codeAddress))
    return Machine.codeAddress + UInt64(code.count)
  }

  /// Executes a number of instructions.
  @discardableResult
  func run(_ count: UInt64) -> RunEnd { cpu.run(until: cpu.retired + count) }

  func load<T: FixedWidthInteger>(_ address: UInt64, _ type: T.Type) -> T {
    memory.load(GuestPhysicalAddress(address), as: T.self) ?? 0
  }
}
