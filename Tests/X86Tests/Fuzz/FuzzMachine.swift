internal import GuestMemory
internal import NativeOracle
internal import VMMCore

@testable internal import X86

/// The software CPU as Linux has a process see the real one: user mode, the host's user segments, the oracle's code
/// page and operand area at their addresses, nothing around them. Or in real or virtual-8086 mode or at CPL 0.
final class FuzzMachine {
  /// Bytes of the operand area.
  static let areaSize = Int(NATIVE_MEMORY_SIZE)
  static let dataSelector: UInt16 = 0x2b

  /// Where the kernel's half begins; it maps the first 2 MiB of memory.
  static let kernel: UInt64 = 0xffff_8000_0000_0000
  static let gdt: UInt64 = 0x5000
  static let ldt: UInt64 = 0x5400
  static let idt: UInt64 = 0x2000
  static let tss: UInt64 = 0x3000
  static let kernelStack: UInt64 = 0x7000
  /// A HLT for each vector.
  static let handlers: UInt64 = 0x4000
  static let physicalCode: UInt64 = 0x20_0000

  /// The default model, with what the host's CPU has besides and user code can tell: INVPCID (#GP instead of #UD),
  /// MXCSR.MM; and what that does where the manuals leave it open.
  private static func model(_ mode: FuzzMode, _ oracle: FuzzOracle) -> CPUModel {
    var model = CPUModel.softwareDefault
    model.undefined = oracle.profile
    if mode.isKernel {
      // What the bits of CR4 and XCR0 that programs set need.
      let added: [CPUFeature] = [.xsave, .fsgsbase, .smep, .smap].filter { !model.has($0) }
      model = CPUModel(name: "fuzz", features: model.features + added, brand: "fuzz")
      model.undefined = oracle.profile
    }
    guard oracle != .qemu else { return model }
    for index in model.leaves.indices {
      if model.leaves[index].leaf == 7 && OracleProfile.cpu.has(.invpcid) { model.leaves[index].ebx |= 1 << 10 }
      if model.leaves[index].leaf == 0x8000_0001 && OracleProfile.hasMisalignedSSE { model.leaves[index].ecx |= 1 << 7 }
    }
    return model
  }

  let mode: FuzzMode
  let oracle: FuzzOracle
  let memory: GuestMemory
  let core: CPUCore
  var cpu: CPU { core.cpu }
  /// What programs start from, but for the registers that are theirs.
  let base: CPUState
  /// Offsets of the code and of the operand area in their segments.
  let code: UInt64
  let area: UInt64
  let setup: Setup
  /// Code elsewhere than in the program's page has been executed step by step: operands, taken for code.
  var hasLeftPage = false
  /// Tables and handlers as programs without paging, whose stray stores reach them, find them.
  private var tables: [UInt8] = []

  init(_ mode: FuzzMode = .long, _ oracle: FuzzOracle = .host) throws {
    self.mode = mode
    self.oracle = oracle
    (code, area) = (mode.code, mode.area)
    setup = Setup(codeSize: mode.codeSize)
    memory = try GuestMemory(size: 4 << 20)
    core = CPUCore(memory: memory, model: Self.model(mode, oracle))
    // Blocks are translated before they are run at all.
    core.cpu[SystemSlot.translatesAfter] = 1
    base = mode.isKernel ? Self.kernelState(mode) : mode.isReal ? Self.realState(mode) : Self.userState(mode)
    if mode.isKernel {
      if mode.is64 { mapPages() }
      fillKernelTables()
    } else if mode.isReal {
      fillRealTables()
    } else {
      mapPages()
      fillTables()
    }
    if mode.isUnpaged || mode.isKernel { tables = memory.read(GuestPhysicalAddress(0), count: 0x8000) ?? [] }
    core.cpu.load(base)
  }

  /// Where a linear address of the code or the operands lies.
  func physical(_ linear: UInt64) -> GuestPhysicalAddress {
    GuestPhysicalAddress(mode.isUnpaged ? linear : linear &- mode.codeLinear &+ Self.physicalCode)
  }

  /// Takes a state over, with memory, of which all but the area is zero.
  func load(_ state: NativeState, memory bytes: [UInt8]) {
    if mode.isUnpaged {
      memory.write([UInt8](repeating: 0, count: mode.window.count), at: GuestPhysicalAddress(mode.window.lowerBound))
      memory.write([UInt8](repeating: 0, count: 0x1000), at: GuestPhysicalAddress(mode.codeLinear & ~0xfff))
    }
    memory.write(bytes, at: physical(mode.areaLinear))
    let cpu = self.cpu
    hasLeftPage = false
    memory.write(tables, at: GuestPhysicalAddress(0))
    if mode.isKernel { cpu.load(base) }
    for number in 0..<16 { cpu[number] = state.register(number) }
    cpu.rip = code
    cpu.rflags = state.rflags & UInt64(NATIVE_FLAGS) | 0x202
    if mode == .v86 { cpu.rflags |= RFlags.vm | state.rflags & RFlags.iopl }
    for number in 0..<6 { cpu.reset(number, base) }
    if mode.is64 {
      cpu.reset(SegmentNumber.fs, base, at: state.fs_base)
      cpu.reset(SegmentNumber.gs, base, at: state.gs_base)
    }
    cpu.modeChanged()
    cpu.cr2 = 0
    cpu.pendingEvent = nil
    cpu[Slot.interruptShadow] = 0
    cpu[Slot.halted] = 0
    loadFloatingPoint(state)
  }

  private func loadFloatingPoint(_ state: NativeState) {
    cpu.loadFloatingPoint(state)
    cpu[Slot.fop] = UInt64(state.field(6, as: UInt16.self))
    cpu[Slot.fip] = state.field(8)
    cpu[Slot.fdp] = state.field(16)
  }

  /// The state in the oracle's terms.
  func store(to state: inout NativeState) {
    let cpu = self.cpu
    for number in 0..<16 { state.setRegister(number, cpu[number]) }
    state.rip = cpu.rip &- code
    state.rflags = cpu.rflags
    state.cr2 = cpu.cr2
    // In other than 64-bit code the selectors say it.
    state.fs_base = mode.is64 ? cpu.segmentBase(SegmentNumber.fs) : 0
    state.gs_base = mode.is64 ? cpu.segmentBase(SegmentNumber.gs) : 0
    state.ss = UInt64(cpu.segmentSelector(SegmentNumber.ss))
    state.cs = UInt64(cpu.segmentSelector(SegmentNumber.cs))
    state.es = UInt64(cpu.segmentSelector(SegmentNumber.es))
    state.ds = UInt64(cpu.segmentSelector(SegmentNumber.ds))
    state.fs = UInt64(cpu.segmentSelector(SegmentNumber.fs))
    state.gs = UInt64(cpu.segmentSelector(SegmentNumber.gs))
    let top = Int(cpu[Slot.fpuTop] & 7)
    state.setField(0, UInt16(truncatingIfNeeded: cpu[Slot.fcw]))
    state.setField(2, UInt16(truncatingIfNeeded: cpu[Slot.fsw] & ~0x3800) | UInt16(top) << 11)
    state.setField(4, UInt16(truncatingIfNeeded: cpu[Slot.ftw] & 0xff))
    // FXSAVE, which the oracle uses, shows these on some CPUs only when an unmasked exception waits.
    let isShown = cpu[Slot.fsw] & 0x80 != 0 || cpu.does(.alwaysSavesX87Pointers)
    state.setField(6, isShown ? UInt16(truncatingIfNeeded: cpu[Slot.fop]) : 0)
    state.setField(8, isShown ? cpu[Slot.fip] : 0)
    state.setField(16, isShown ? cpu[Slot.fdp] : 0)
    state.setField(24, UInt32(truncatingIfNeeded: cpu[Slot.mxcsr]))
    state.setField(28, UInt32(truncatingIfNeeded: cpu[Slot.mxcsrMask]))
    for position in 0..<8 {
      state.setField(32 + 16 * position, cpu[Slot.x87Significand((top + position) & 7)])
      state.setField(40 + 16 * position, UInt16(truncatingIfNeeded: cpu[Slot.x87SignExponent((top + position) & 7)]))
    }
    for lane in 0..<32 { state.setField(160 + 8 * lane, cpu[Slot.xmm + lane]) }
  }

  /// The memory that the program could have changed.
  func operands() -> [UInt8] {
    let window = memory.read(physical(mode.window.lowerBound), count: mode.window.count) ?? []
    guard mode.isKernel else { return window }
    return window + (memory.read(GuestPhysicalAddress(Self.gdt), count: Int(KernelSegment.limit) + 1) ?? [])
  }
}

extension CPU {
  func reset(_ number: Int, _ state: CPUState, at base: UInt64? = nil, selector: UInt16? = nil) {
    var segment = [state.es, state.cs, state.ss, state.ds, state.fs, state.gs][number]
    if let base { segment.base = base }
    if let selector { segment.selector = selector }
    setSegment(number, segment)
  }
}
