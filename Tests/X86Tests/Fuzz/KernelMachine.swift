internal import GuestMemory
internal import VMMCore

@testable internal import X86

// The machine of programs at CPL 0.
extension FuzzMachine {
  /// Where SYSENTER leads to, SYSCALL, and a call gate: handlers of vectors that nothing else has.
  static let systemEntry: UInt64 = handlers + 16 * 249
  static let systemCall: UInt64 = handlers + 16 * 250
  static let gate: UInt64 = handlers + 16 * 252

  static func kernelState(_ mode: FuzzMode) -> CPUState {
    var state = Machine.state(mode.is64 ? .long64 : .protected32)
    let half = mode.is64 ? kernel : 0
    state.cr0 = mode.is64 ? 0x8005_0033 & ~CR0.am : 0x33
    state.cr4 = (mode.is64 ? CR4.pae : 0) | CR4.osfxsr | CR4.osxmmexcpt | CR4.osxsave | CR4.fsgsbase
    state.xcr0 = 3
    state.gdtr = DescriptorTable(base: half + gdt, limit: UInt16(KernelSegment.limit))
    state.idtr = DescriptorTable(base: half + idt, limit: mode.is64 ? 0xfff : 0x7ff)
    state.tr = Segment(selector: KernelSegment.task(mode), base: half + tss, limit: 0x67, attributes: 0x8b)
    state.ldtr = Segment(selector: KernelSegment.local(mode), base: half + ldt, limit: 0x1f, attributes: 0x82)
    if mode.is64 {
      state.efer |= EFER.sce
      state.star = 0x0023_0010 << 32
      state.lstar = kernel + systemCall
      state.sfmask = 0x4700
      state.kernelGSBase = 0x1234_5678
      state.sysenterCS = UInt64(KernelSegment.code64)
      state.sysenterEIP = kernel + systemEntry
      state.sysenterESP = kernel + kernelStack - 0x200
    }
    let null = Segment(selector: 0, base: 0, limit: 0, attributes: 0x1_0000)
    func segment(_ number: Int) -> Segment {
      let selector = mode.dataSelector(number)
      if selector == 0 { return null }
      return selector == KernelSegment.limited32 && !mode.is64
        ? Segment(selector: selector, base: 0x3_0000, limit: 0xffff, attributes: 0x4093)
        : Segment(selector: selector, base: 0, limit: .max, attributes: 0xc093)
    }
    state.cs.selector = mode.codeSelector
    if !mode.is64 { state.cs.base = mode.codeLinear - mode.code }
    state.es = segment(SegmentNumber.es)
    state.ss = segment(SegmentNumber.ss)
    state.ds = segment(SegmentNumber.ds)
    state.fs = segment(SegmentNumber.fs)
    state.gs = segment(SegmentNumber.gs)
    return state
  }

  /// Tables as `load` renews them before each program: instructions mark descriptors as accessed and busy.
  func fillKernelTables() {
    let half = mode.is64 ? Self.kernel : 0
    for page in [Self.gdt, Self.tss] {
      memory.write([UInt8](repeating: 0, count: 0x1000), at: GuestPhysicalAddress(page))
    }
    for (index, descriptor) in KernelSegment.descriptors(mode, task: Self.tss, local: Self.ldt, gate: Self.gate) {
      let at = GuestPhysicalAddress(Self.gdt + 8 * index)
      memory.store(descriptor, at: at)
      if mode.is64 && KernelSegment.wide.contains(index) { memory.store(half >> 32, at: at + 8) }
    }
    // Flat data, constant data.
    for (index, descriptor) in ([0x00cf_9300_0000_ffff, 0x00cf_9100_0000_ffff, 0, 0] as [UInt64]).enumerated() {
      memory.store(descriptor, at: GuestPhysicalAddress(Self.ldt + 8 * UInt64(index)))
    }
    fillKernelGates(half)
    for task in [Self.tss, Self.tss + 0x100] {
      memory.store(half + Self.kernelStack, at: GuestPhysicalAddress(task + 4))
      if mode.is64 {
        memory.store(half + Self.kernelStack, at: GuestPhysicalAddress(task + 0x24))
      } else {
        memory.store(UInt32(KernelSegment.data32), at: GuestPhysicalAddress(task + 8))
      }
      memory.store(UInt16.max, at: GuestPhysicalAddress(task + 0x66))
    }
  }

  /// A handler for each vector; those of 64-bit code on a stack of their own.
  private func fillKernelGates(_ half: UInt64) {
    let selector = UInt64(KernelSegment.handlers(mode)) << 16
    for vector in UInt64(0)..<256 {
      let target = Self.handlers + 16 * vector
      if mode.is64 {
        let at = GuestPhysicalAddress(Self.idt + 16 * vector)
        memory.store(target | selector | 1 << 32 | 0x8e << 40, at: at)
        memory.store(half >> 32, at: at + 8)
      } else {
        memory.store(target | selector | 0x8e << 40, at: GuestPhysicalAddress(Self.idt + 8 * vector))
      }
      memory.write([0xf4], at: GuestPhysicalAddress(target))
    }
  }

  /// What code at CPL 0 changes beside registers: names and values.
  func system() -> [(name: String, value: UInt64)] { mode.isKernel ? SystemValues.list(cpu.state, mode) : [] }
}

/// The system registers that are compared.
enum SystemValues {
  static func list(_ state: CPUState, _ mode: FuzzMode) -> [(name: String, value: UInt64)] {
    var list: [(String, UInt64)] = [
      ("cr0", state.cr0), ("cr3", state.cr3), ("cr4", state.cr4), ("dr0", state.dr0), ("dr1", state.dr1),
      ("dr2", state.dr2), ("dr3", state.dr3), ("dr6", state.dr6), ("dr7", state.dr7),
      ("gdtr", state.gdtr.base), ("gdtr.limit", UInt64(state.gdtr.limit)), ("idtr", state.idtr.base),
      ("idtr.limit", UInt64(state.idtr.limit)), ("ldtr", UInt64(state.ldtr.selector)),
      ("tr", UInt64(state.tr.selector)),
    ]
    if mode == .kernel64 { list += [("cr2", state.cr2), ("cr8", state.cr8)] }
    return list + registers(mode).map { ($0.name, state[keyPath: $0.path]) }
  }

  struct Register {
    var name: String
    var number: UInt32
    var path: WritableKeyPath<CPUState, UInt64>
  }

  /// The model-specific registers that programs read and write.
  static func registers(_ mode: FuzzMode) -> [Register] { mode == .kernel64 ? all : common }

  private static var common: [Register] {
    [
      Register(name: "pat", number: ModelRegister.pat, path: \.pat),
      Register(name: "sysenter_esp", number: ModelRegister.sysenterESP, path: \.sysenterESP),
      Register(name: "sysenter_eip", number: ModelRegister.sysenterEIP, path: \.sysenterEIP),
      Register(name: "star", number: ModelRegister.star, path: \.star),
      Register(name: "lstar", number: ModelRegister.lstar, path: \.lstar),
      Register(name: "cstar", number: ModelRegister.cstar, path: \.cstar),
      Register(name: "sfmask", number: ModelRegister.sfmask, path: \.sfmask),
    ]
  }

  private static var all: [Register] {
    [
      Register(name: "efer", number: ModelRegister.efer, path: \.efer),
      Register(name: "fs_base", number: ModelRegister.fsBase, path: \.fs.base),
      Register(name: "gs_base", number: ModelRegister.gsBase, path: \.gs.base),
      Register(name: "kernel_gs_base", number: ModelRegister.kernelGSBase, path: \.kernelGSBase),
      Register(name: "sysenter_cs", number: ModelRegister.sysenterCS, path: \.sysenterCS),
    ] + common
  }
}
