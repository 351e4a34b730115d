import GuestMemory
import NativeOracle
import VMMCore

@testable import X86

/// The software CPU in 64-bit user mode, with the oracle's memory layout: the code page and the operand area at the
/// oracle's addresses, nothing around them.
final class UserMachine {
  let memory: GuestMemory
  let core: CPUCore
  private let base: CPUState

  init() throws {
    memory = try GuestMemory(size: 4 << 20)
    core = CPUCore(memory: memory, model: CPUModel(name: "test", leaves: []))
    var state = Machine.state(.long64)
    state.cs = Segment(selector: 0x33, base: 0, limit: .max, attributes: 0xa0fb)
    let data = Segment(selector: 0x2b, base: 0, limit: .max, attributes: 0xc0f3)
    (state.ss, state.ds, state.es) = (data, data, data)
    state.fs = data
    state.gs = data
    base = state
    map()
    core.cpu.load(state)
  }

  /// Linear 2000_0000 + n lies at physical 20_0000 + n.
  static func physical(_ linear: UInt64) -> UInt64 { linear - UInt64(NATIVE_CODE_ADDRESS) + 0x20_0000 }

  private func map() {
    let tables = Machine.tables
    memory.store(tables + 0x1007, at: GuestPhysicalAddress(tables))
    memory.store(tables + 0x2007, at: GuestPhysicalAddress(tables + 0x1000))
    memory.store(tables + 0x3007, at: GuestPhysicalAddress(tables + 0x2000 + 256 * 8))
    var linear = UInt64(NATIVE_CODE_ADDRESS)
    for page in [linear, UInt64(NATIVE_MEMORY_ADDRESS), UInt64(NATIVE_MEMORY_ADDRESS) + 4096] {
      linear = page
      let entry = GuestPhysicalAddress(tables + 0x3000 + (linear >> 12 & 0x1ff) * 8)
      memory.store(UserMachine.physical(linear) | 7, at: entry)
    }
  }

  /// Runs a piece of code as the oracle does; `viaBlocks`: with the block interpreter, else instruction by instruction.
  func run(_ code: [UInt8], _ state: inout NativeState, memory bytes: inout [UInt8], viaBlocks: Bool) -> Int? {
    let cpu = core.cpu
    let area = GuestPhysicalAddress(UserMachine.physical(UInt64(NATIVE_MEMORY_ADDRESS)))
    memory.write(code + [0x0f, 0x0b], at: GuestPhysicalAddress(UserMachine.physical(UInt64(NATIVE_CODE_ADDRESS))))
    memory.write(bytes, at: area)
    unsafe withUnsafeBytes(of: state.gpr) { raw in
      for index in 0..<16 { unsafe cpu[index] = raw.load(fromByteOffset: index * 8, as: UInt64.self) }
    }
    cpu.rflags = state.rflags & 0x40cd5 | 0x202
    cpu.rip = UInt64(NATIVE_CODE_ADDRESS)
    cpu.pendingEvent = nil
    let vector = viaBlocks ? runBlocks(code) : step(code)
    unsafe withUnsafeMutableBytes(of: &state.gpr) { raw in
      for index in 0..<16 { unsafe raw.storeBytes(of: cpu[index], toByteOffset: index * 8, as: UInt64.self) }
    }
    state.rip = cpu.rip &- UInt64(NATIVE_CODE_ADDRESS)
    state.rflags = cpu.rflags
    state.cr2 = cpu.cr2
    bytes = memory.read(area, count: bytes.count) ?? []
    return vector
  }

  private func step(_ code: [UInt8]) -> Int? {
    let cpu = core.cpu
    let end = UInt64(NATIVE_CODE_ADDRESS) + UInt64(code.count)
    for _ in 0..<64 where cpu.rip != end {
      if cpu.step() != nil { return -1 }
      if let event = cpu.pendingEvent { return Int(event.vector) }
    }
    return nil
  }

  /// The code ends in UD2; what it raised before that counts.
  private func runBlocks(_ code: [UInt8]) -> Int? {
    let cpu = core.cpu
    _ = cpu.runToEvent(limit: cpu.retired + 64)
    guard let event = cpu.pendingEvent else { return -1 }
    return cpu.rip == UInt64(NATIVE_CODE_ADDRESS) + UInt64(code.count) && event.vector == 6 ? nil : Int(event.vector)
  }
}
