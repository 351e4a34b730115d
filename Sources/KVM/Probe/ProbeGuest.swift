package import GuestMemory
package import VMMCore

/// The smallest 64-bit machine: the first GiB mapped to itself in 2 MiB pages that user mode may use too, a GDT with
/// kernel and user segments, a TSS that lets user mode use every port, an empty IDT. Addresses above the memory are
/// mapped, and are devices.
package struct ProbeGuest {
  package let memory: GuestMemory
  package var state: CPUState

  // Where things are.
  package static let pageTables: UInt64 = 0x1000
  package static let gdt: UInt64 = 0x4000
  package static let idt: UInt64 = 0x5000
  package static let taskState: UInt64 = 0x6000
  /// The kernel stack's top, also RSP0 of the TSS.
  package static let kernelStack: UInt64 = 0xc000
  package static let userStack: UInt64 = 0xe000
  package static let kernel: UInt64 = 0x10000
  package static let user: UInt64 = 0x20000
  package static let handlers: UInt64 = 0x30000
  /// Free for data, up to the end of the memory.
  package static let data: UInt64 = 0x40000
  /// Not memory.
  package static let device: UInt64 = 0x1000_0000

  package static let kernelCode: UInt16 = 0x08
  package static let kernelData: UInt16 = 0x10
  package static let userData: UInt16 = 0x1b
  package static let userCode: UInt16 = 0x23
  package static let task: UInt16 = 0x28

  /// `kernel` code runs first, in kernel mode with interrupts off.
  package init(kernel: [UInt8], user: [UInt8] = [], size: UInt64 = 4 << 20) throws {
    memory = try GuestMemory(size: size)
    state = ProbeGuest.initialState()
    memory.write(kernel, at: GuestPhysicalAddress(ProbeGuest.kernel))
    memory.write(user, at: GuestPhysicalAddress(ProbeGuest.user))
    writePageTables()
    writeDescriptors()
  }

  /// Puts code at `handlers + 256 * vector` and an interrupt gate to it into the IDT.
  package func setHandler(_ vector: UInt8, _ code: [UInt8]) {
    let entry = ProbeGuest.handlers + UInt64(vector) * 256
    memory.write(code, at: GuestPhysicalAddress(entry))
    // An interrupt gate for user mode too: P, DPL 3, type 14.
    let low =
      entry & 0xffff | UInt64(ProbeGuest.kernelCode) << 16 | 0xee << 40 | (entry >> 16 & 0xffff) << 48
    let gate = GuestPhysicalAddress(ProbeGuest.idt + UInt64(vector) * 16)
    memory.store(low, at: gate)
    memory.store(entry >> 32, at: gate + 8)
  }

  private func writePageTables() {
    let tables = ProbeGuest.pageTables
    memory.store(tables + 0x1000 | 7, at: GuestPhysicalAddress(tables))
    memory.store(tables + 0x2000 | 7, at: GuestPhysicalAddress(tables + 0x1000))
    for index in 0..<UInt64(512) {
      // Present, writable, user, 2 MiB.
      memory.store(index << 21 | 0x87, at: GuestPhysicalAddress(tables + 0x2000 + index * 8))
    }
  }

  private func writeDescriptors() {
    let base = ProbeGuest.taskState
    let limit: UInt64 = 0x68 + 0x2000
    let taskLow =
      limit & 0xffff | (base & 0xff_ffff) << 16 | 0x89 << 40 | (base >> 24 & 0xff) << 56
    let entries: [UInt64] = [
      0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x00cf_f300_0000_ffff, 0x00af_fb00_0000_ffff, taskLow,
      base >> 32,
    ]
    for (index, entry) in entries.enumerated() {
      memory.store(entry, at: GuestPhysicalAddress(ProbeGuest.gdt + UInt64(index) * 8))
    }
    memory.store(ProbeGuest.kernelStack, at: GuestPhysicalAddress(base + 4))
    // The I/O permission bitmap follows at once; its zeros permit every port.
    memory.store(UInt16(0x68), at: GuestPhysicalAddress(base + 0x66))
  }

  private static func initialState() -> CPUState {
    var state = CPUState()
    state.cs = Segment(selector: kernelCode, base: 0, limit: 0xffff_ffff, attributes: 0xa09b)
    let data = Segment(selector: kernelData, base: 0, limit: 0xffff_ffff, attributes: 0xc093)
    (state.ss, state.ds, state.es, state.fs, state.gs) = (data, data, data, data, data)
    state.tr = Segment(selector: task, base: taskState, limit: 0x2068, attributes: 0x8b)
    state.ldtr = Segment(selector: 0, base: 0, limit: 0, attributes: 0x1_0082)
    state.gdtr = DescriptorTable(base: gdt, limit: 0x37)
    state.idtr = DescriptorTable(base: idt, limit: 0xfff)
    // PG, WP, NE, ET, MP, PE.
    state.cr0 = 0x8001_0033
    state.cr3 = pageTables
    // PAE, OSFXSR, OSXMMEXCPT.
    state.cr4 = 1 << 5 | 1 << 9 | 1 << 10
    // SCE, LME, LMA, NXE.
    state.efer = 1 | 1 << 8 | 1 << 10 | 1 << 11
    state.rip = kernel
    state.rsp = kernelStack
    return state
  }
}
