import GuestMemory
import VMMCore

@testable import X86

/// An engine in 64-bit mode with a GDT, a TSS, an IDT whose handlers are NOPs, and everything mapped one to one up to
/// 4 MiB for supervisor and user; what lies above is not present.
final class SystemMachine {
  static let kernelCode: UInt16 = 0x08
  static let kernelData: UInt16 = 0x10
  static let userCode32: UInt16 = 0x18
  static let userData: UInt16 = 0x20
  static let userCode: UInt16 = 0x28
  static let task: UInt16 = 0x30
  static let absent: UInt16 = 0x40

  static let gdt: UInt64 = 0x1000
  static let idt: UInt64 = 0x2000
  static let tss: UInt64 = 0x3000
  static let handlers: UInt64 = 0x4000
  static let kernelStack: UInt64 = 0x6000
  static let interruptStack: UInt64 = 0x6800
  static let code = Machine.codeAddress
  static let stack: UInt64 = 0x7000

  let memory: GuestMemory
  let engine: SoftwareEngine
  var cpu: CPU { engine.cpu }

  /// `cpu`: the CPU model, as on the command line.
  init(
    _ code: [UInt8], user: Bool = false, cpu: String = "default", prepare: (inout CPUState) -> Void = { _ in }
  ) throws {
    memory = try GuestMemory(size: 4 << 20)
    engine = SoftwareEngine(memory: memory, cpuModel: try CPUCatalogue.software.model(cpu))
    memory.write(code, at: GuestPhysicalAddress(SystemMachine.code))
    SystemMachine.fill(memory)
    var state = Machine.state(.long64)
    state.cr0 = 0x8001_0033
    state.gdtr = DescriptorTable(base: SystemMachine.gdt, limit: 0x4f)
    state.idtr = DescriptorTable(base: SystemMachine.idt, limit: 0xfff)
    state.tr = Segment(selector: SystemMachine.task, base: SystemMachine.tss, limit: 0x67, attributes: 0x8b)
    state.rflags = 2
    if user {
      state.cs = Segment(selector: SystemMachine.userCode | 3, base: 0, limit: .max, attributes: 0xa0fb)
      let data = Segment(selector: SystemMachine.userData | 3, base: 0, limit: .max, attributes: 0xc0f3)
      (state.ss, state.ds, state.es, state.fs, state.gs) = (data, data, data, data, data)
    }
    prepare(&state)
    try engine.setState(state)
  }

  static func handler(_ vector: UInt8) -> UInt64 { handlers + 16 * UInt64(vector) }

  static func fill(_ memory: GuestMemory) {
    let descriptors: [UInt64] = [
      0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x00cf_fb00_0000_ffff, 0x00cf_f300_0000_ffff,
      0x00af_fb00_0000_ffff, 0x0000_8b00_3000_0067, 0, 0x00cf_1300_0000_ffff, 0,
    ]
    for (index, descriptor) in descriptors.enumerated() {
      memory.store(descriptor, at: GuestPhysicalAddress(gdt + 8 * UInt64(index)))
    }
    for vector in 0..<256 { setGate(memory, UInt8(vector)) }
    memory.store(kernelStack, at: GuestPhysicalAddress(tss + 4))
    memory.store(interruptStack, at: GuestPhysicalAddress(tss + 36))
    memory.write([UInt8](repeating: 0x90, count: 4096), at: GuestPhysicalAddress(handlers))
    let tables = Machine.tables
    memory.store(tables + 0x1007, at: GuestPhysicalAddress(tables))
    memory.store(tables + 0x2007, at: GuestPhysicalAddress(tables + 0x1000))
    for index in UInt64(0)..<2 {
      memory.store(index << 21 | 0x87, at: GuestPhysicalAddress(tables + 0x2000 + index * 8))
    }
  }

  /// An interrupt gate (type 14) that anyone may use.
  static func setGate(_ memory: GuestMemory, _ vector: UInt8, level: UInt64 = 3, ist: UInt64 = 0, type: UInt64 = 14) {
    let target = handler(vector)
    let low = target & 0xffff | UInt64(kernelCode) << 16 | ist << 32 | type << 40 | level << 45 | 1 << 47
    memory.store(low | (target >> 16) << 48, at: GuestPhysicalAddress(idt + 16 * UInt64(vector)))
    memory.store(target >> 32, at: GuestPhysicalAddress(idt + 16 * UInt64(vector) + 8))
  }

  func word(_ address: UInt64) -> UInt64 { memory.load(GuestPhysicalAddress(address), as: UInt64.self) ?? 0 }

  /// The words on the stack from RSP on.
  func frame(_ count: Int) -> [UInt64] { (0..<count).map { word(cpu.rsp + 8 * UInt64($0)) } }

  @discardableResult
  func run(_ count: UInt64) throws -> VCPUExit { try engine.run(.instructions(count)) }
}
