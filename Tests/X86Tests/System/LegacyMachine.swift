import GuestMemory
import VMMCore

@testable import X86

/// An engine in 32-bit protected mode without paging, with a GDT, a TSS, and an IDT whose handlers are NOPs.
final class LegacyMachine {
  static let kernelCode: UInt16 = 0x08
  static let kernelData: UInt16 = 0x10
  static let userCode: UInt16 = 0x18
  static let userData: UInt16 = 0x20
  static let task: UInt16 = 0x28
  static let callGate: UInt16 = 0x30
  static let readOnly: UInt16 = 0x38
  static let taskGate: UInt16 = 0x40
  static let conforming: UInt16 = 0x48
  static let small: UInt16 = 0x50

  static let gateTarget: UInt64 = 0x5000
  static let kernelStack: UInt64 = 0x6000

  let memory: GuestMemory
  let engine: SoftwareEngine
  var cpu: CPU { engine.cpu }

  init(_ code: [UInt8], user: Bool = false, prepare: (inout CPUState) -> Void = { _ in }) throws {
    memory = try GuestMemory(size: 1 << 20)
    engine = SoftwareEngine(memory: memory)
    memory.write(code, at: GuestPhysicalAddress(SystemMachine.code))
    fill()
    var state = Machine.state(.protected32)
    state.cr0 |= CR0.ne
    state.gdtr = DescriptorTable(base: SystemMachine.gdt, limit: 0x57)
    state.idtr = DescriptorTable(base: SystemMachine.idt, limit: 0x7ff)
    state.tr = Segment(selector: LegacyMachine.task, base: SystemMachine.tss, limit: 0x67, attributes: 0x8b)
    state.rflags = 2
    if user {
      state.cs = Segment(selector: LegacyMachine.userCode | 3, base: 0, limit: .max, attributes: 0xc0fb)
      let data = Segment(selector: LegacyMachine.userData | 3, base: 0, limit: .max, attributes: 0xc0f3)
      (state.ss, state.ds, state.es, state.fs, state.gs) = (data, data, data, data, data)
    }
    prepare(&state)
    try engine.setState(state)
  }

  private func fill() {
    let descriptors: [UInt64] = [
      0, 0x00cf_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x00cf_fb00_0000_ffff, 0x00cf_f300_0000_ffff,
      0x0000_8b00_3000_0067,
      // To gateTarget in the kernel's code, two parameters, DPL 3.
      0x0000_ec02_0008_5000,
      0x00cf_9100_0000_ffff, 0x0000_e500_0028_0000, 0x00cf_9f00_0000_ffff,
      // One page.
      0x0040_9300_0000_0fff,
    ]
    for (index, descriptor) in descriptors.enumerated() {
      memory.store(descriptor, at: GuestPhysicalAddress(SystemMachine.gdt + 8 * UInt64(index)))
    }
    for vector in UInt64(0)..<256 {
      let gate = SystemMachine.handlers + 16 * vector | UInt64(LegacyMachine.kernelCode) << 16 | 0xee00 << 32
      memory.store(gate, at: GuestPhysicalAddress(SystemMachine.idt + 8 * vector))
    }
    memory.store(UInt32(LegacyMachine.kernelStack), at: GuestPhysicalAddress(SystemMachine.tss + 4))
    memory.store(UInt32(LegacyMachine.kernelData), at: GuestPhysicalAddress(SystemMachine.tss + 8))
    memory.store(UInt16(0x68), at: GuestPhysicalAddress(SystemMachine.tss + 0x66))
    memory.write([UInt8](repeating: 0x90, count: 4096), at: GuestPhysicalAddress(SystemMachine.handlers))
  }

  func word(_ address: UInt64) -> UInt32 { memory.load(GuestPhysicalAddress(address), as: UInt32.self) ?? 0 }

  /// The doublewords on the stack from ESP on.
  func frame(_ count: Int) -> [UInt32] { (0..<count).map { word(cpu.rsp + 4 * UInt64($0)) } }

  func setStack(_ words: [UInt32]) {
    for (index, word) in words.enumerated() {
      memory.store(word, at: GuestPhysicalAddress(SystemMachine.stack + 4 * UInt64(index)))
    }
  }

  /// Executes one instruction, and enters the handler of what it raised: its vector; `nil` when it raised nothing.
  func step() throws -> UInt8? {
    _ = try engine.run(.instructions(1))
    if cpu.pendingEvent != nil { _ = engine.deliverPendingEvent() }
    let place = cpu.rip &- SystemMachine.handlers
    return place < 0x1000 && cpu.segmentSelector(SegmentNumber.cs) == LegacyMachine.kernelCode
      ? UInt8(place / 16) : nil
  }
}
