internal import GuestMemory
internal import NativeOracle
internal import VMMCore

@testable internal import X86

// The machines of user code and of real and virtual-8086 mode: their states, descriptors and pages.
extension FuzzMachine {
  static func userState(_ mode: FuzzMode) -> CPUState {
    var state = Machine.state(.long64)
    state.cr0 = 0x8005_0033 & ~CR0.am
    state.cr4 = CR4.pae | CR4.osfxsr | CR4.osxmmexcpt | CR4.osxsave | CR4.fsgsbase
    state.xcr0 = 3
    state.efer |= EFER.sce
    state.cs = userSegment(mode.codeSelector)
    state.es = userSegment(mode.dataSelector(SegmentNumber.es))
    state.ss = userSegment(mode.dataSelector(SegmentNumber.ss))
    state.ds = userSegment(mode.dataSelector(SegmentNumber.ds))
    state.fs = userSegment(mode.dataSelector(SegmentNumber.fs))
    state.gs = userSegment(mode.dataSelector(SegmentNumber.gs))
    state.gdtr = DescriptorTable(base: kernel + gdt, limit: 0x7f)
    let limit = LocalSegment.areInstalled ? UInt32(8 * LocalSegment.all.count - 1) : 0
    state.ldtr = Segment(selector: 0x50, base: kernel + ldt, limit: limit, attributes: limit == 0 ? 0x1_0000 : 0x82)
    state.idtr = DescriptorTable(base: kernel + idt, limit: 0xfff)
    state.tr = Segment(selector: 0x40, base: kernel + tss, limit: 0x67, attributes: 0x8b)
    return state
  }

  /// A segment register as the user's descriptors make it.
  static func userSegment(_ selector: UInt16) -> Segment {
    switch selector {
    case 0: return Segment(selector: 0, base: 0, limit: 0, attributes: 0x1_0000)
    case 0x33: return Segment(selector: 0x33, base: 0, limit: .max, attributes: 0xa0fb)
    case 0x23: return Segment(selector: 0x23, base: 0, limit: .max, attributes: 0xc0fb)
    case 0x2b: return Segment(selector: 0x2b, base: 0, limit: .max, attributes: 0xc0f3)
    default:
      let entry = LocalSegment.all[Int(selector >> 3)]
      let bits = LocalSegment.descriptor(entry) >> 40
      return Segment(
        selector: selector, base: UInt64(entry.base), limit: entry.limit, attributes: UInt32(bits & 0xf0ff))
    }
  }

  /// Real mode's state; virtual-8086 mode adds tables for a 32-bit kernel.
  static func realState(_ mode: FuzzMode) -> CPUState {
    var state = Machine.state(.real16)
    let attributes: UInt32 = mode == .v86 ? 0xf3 : 0x93
    func segment(_ selector: UInt16, _ attributes: UInt32) -> Segment {
      Segment(selector: selector, base: UInt64(selector) << 4, limit: 0xffff, attributes: attributes)
    }
    state.cs = segment(mode.codeSelector, mode == .v86 ? 0xf3 : 0x9b)
    state.es = segment(mode.dataSelector(SegmentNumber.es), attributes)
    state.ss = segment(mode.dataSelector(SegmentNumber.ss), attributes)
    state.ds = segment(mode.dataSelector(SegmentNumber.ds), attributes)
    state.fs = segment(mode.dataSelector(SegmentNumber.fs), attributes)
    state.gs = segment(mode.dataSelector(SegmentNumber.gs), attributes)
    state.cr0 = mode == .v86 ? 0x33 : 0x32
    state.cr4 = CR4.osfxsr | CR4.osxmmexcpt | CR4.osxsave
    state.xcr0 = 3
    state.idtr = DescriptorTable(base: mode == .v86 ? idt : 0, limit: mode == .v86 ? 0x7ff : 0x3ff)
    state.gdtr = DescriptorTable(base: gdt, limit: 0x2f)
    state.tr = Segment(selector: 0x28, base: tss, limit: 0x67, attributes: 0x8b)
    state.rflags = mode == .v86 ? 2 | RFlags.vm : 2
    return state
  }

  /// Interrupt vectors, and the gates of the kernel of virtual-8086 mode, with handlers in its flat segments.
  func fillRealTables() {
    for vector in UInt64(0)..<256 {
      let target = Self.handlers + 16 * vector
      memory.store(UInt32(target & 0xf | (target >> 4) << 16), at: GuestPhysicalAddress(4 * vector))
      memory.store(target | 8 << 16 | 0xee << 40, at: GuestPhysicalAddress(Self.idt + 8 * vector))
      memory.write([0xf4], at: GuestPhysicalAddress(target))
    }
    memory.store(UInt64(0x00cf_9b00_0000_ffff), at: GuestPhysicalAddress(Self.gdt + 8))
    memory.store(UInt64(0x00cf_9300_0000_ffff), at: GuestPhysicalAddress(Self.gdt + 16))
    memory.store(UInt32(Self.kernelStack), at: GuestPhysicalAddress(Self.tss + 4))
    memory.store(UInt32(16), at: GuestPhysicalAddress(Self.tss + 8))
    memory.store(UInt16.max, at: GuestPhysicalAddress(Self.tss + 0x66))
  }

  /// Linux's descriptors for kernel and user code, and its gates: user code may use those of INT3 and INTO.
  func fillTables() {
    let descriptors: [(UInt64, UInt64)] = [
      (2, 0x00af_9b00_0000_ffff), (4, 0x00cf_fb00_0000_ffff), (5, 0x00cf_f300_0000_ffff), (6, 0x00af_fb00_0000_ffff),
    ]
    for (index, descriptor) in descriptors {
      memory.store(descriptor, at: GuestPhysicalAddress(Self.gdt + 8 * index))
    }
    for vector in UInt64(0)..<256 {
      let target = Self.handlers + 16 * vector
      let level: UInt64 = vector == 3 || vector == 4 ? 3 : 0
      memory.store(
        target & 0xffff | 0x10 << 16 | 0x8e << 40 | level << 45, at: GuestPhysicalAddress(Self.idt + 16 * vector))
      memory.store(Self.kernel >> 32, at: GuestPhysicalAddress(Self.idt + 16 * vector + 8))
      memory.write([0xf4], at: GuestPhysicalAddress(target))
    }
    memory.store(Self.kernel + Self.kernelStack, at: GuestPhysicalAddress(Self.tss + 4))
    for (index, entry) in LocalSegment.all.enumerated() {
      memory.store(LocalSegment.descriptor(entry), at: GuestPhysicalAddress(Self.ldt + 8 * UInt64(index)))
    }
    // No port is for the program.
    memory.store(UInt16.max, at: GuestPhysicalAddress(Self.tss + 0x66))
  }

  func mapPages() {
    let tables = Machine.tables
    memory.store(tables + 0x1007, at: GuestPhysicalAddress(tables))
    memory.store(tables + 0x2007, at: GuestPhysicalAddress(tables + 0x1000))
    memory.store(tables + 0x3007, at: GuestPhysicalAddress(tables + 0x2000 + 256 * 8))
    memory.store(tables + 0x4003, at: GuestPhysicalAddress(tables + 256 * 8))
    memory.store(tables + 0x5003, at: GuestPhysicalAddress(tables + 0x4000))
    memory.store(UInt64(0x83), at: GuestPhysicalAddress(tables + 0x5000))
    let user: UInt64 = mode == .kernel64 ? 3 : 7
    for linear in [mode.codeLinear, mode.areaLinear, mode.areaLinear + 4096] {
      let entry = GuestPhysicalAddress(tables + 0x3000 + (linear >> 12 & 0x1ff) * 8)
      // Programs at CPL 0 turn EFER.NXE off and on.
      let noExecute: UInt64 = linear == mode.codeLinear || mode == .kernel64 ? 0 : 1 << 63
      memory.store(noExecute | physical(linear).rawValue | user, at: entry)
    }
  }
}
