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
  private static let physicalCode: UInt64 = 0x20_0000

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

  init(_ mode: FuzzMode = .long, _ oracle: FuzzOracle = .host) throws {
    self.mode = mode
    self.oracle = oracle
    (code, area) = (mode.code, mode.area)
    setup = Setup(codeSize: mode.codeSize)
    memory = try GuestMemory(size: 4 << 20)
    core = CPUCore(memory: memory, model: Self.model(mode, oracle))
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
    core.cpu.load(base)
  }

  private static func userState(_ mode: FuzzMode) -> CPUState {
    var state = Machine.state(.long64)
    state.cr0 = 0x8005_0033 & ~CR0.am
    state.cr4 = CR4.pae | CR4.osfxsr | CR4.osxmmexcpt | CR4.osxsave | CR4.fsgsbase
    state.xcr0 = 3
    state.efer |= EFER.sce
    state.cs = segment(mode.codeSelector)
    state.es = segment(mode.dataSelector(SegmentNumber.es))
    state.ss = segment(mode.dataSelector(SegmentNumber.ss))
    state.ds = segment(mode.dataSelector(SegmentNumber.ds))
    state.fs = segment(mode.dataSelector(SegmentNumber.fs))
    state.gs = segment(mode.dataSelector(SegmentNumber.gs))
    state.gdtr = DescriptorTable(base: kernel + gdt, limit: 0x7f)
    let limit = LocalSegment.areInstalled ? UInt32(8 * LocalSegment.all.count - 1) : 0
    state.ldtr = Segment(selector: 0x50, base: kernel + ldt, limit: limit, attributes: limit == 0 ? 0x1_0000 : 0x82)
    state.idtr = DescriptorTable(base: kernel + idt, limit: 0xfff)
    state.tr = Segment(selector: 0x40, base: kernel + tss, limit: 0x67, attributes: 0x8b)
    return state
  }

  /// A segment register as the user's descriptors make it.
  private static func segment(_ selector: UInt16) -> Segment {
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
  private static func realState(_ mode: FuzzMode) -> CPUState {
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
  private func fillRealTables() {
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
  private func fillTables() {
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

  private func mapPages() {
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

  /// Where a linear address of the code or the operands lies.
  func physical(_ linear: UInt64) -> GuestPhysicalAddress {
    GuestPhysicalAddress(mode.isUnpaged ? linear : linear &- mode.codeLinear &+ Self.physicalCode)
  }

  // MARK: State

  /// Takes a state over, with memory, of which all but the area is zero.
  func load(_ state: NativeState, memory bytes: [UInt8]) {
    if mode.isUnpaged {
      memory.write([UInt8](repeating: 0, count: mode.window.count), at: GuestPhysicalAddress(mode.window.lowerBound))
      memory.write([UInt8](repeating: 0, count: 0x1000), at: GuestPhysicalAddress(mode.codeLinear & ~0xfff))
    }
    memory.write(bytes, at: physical(mode.areaLinear))
    let cpu = self.cpu
    if mode.isKernel {
      fillKernelTables()
      cpu.load(base)
    }
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
    // FXSAVE, which the oracle uses, shows these only when an unmasked exception waits.
    let waits = cpu[Slot.fsw] & 0x80 != 0
    state.setField(6, waits ? UInt16(truncatingIfNeeded: cpu[Slot.fop]) : 0)
    state.setField(8, waits ? cpu[Slot.fip] : 0)
    state.setField(16, waits ? cpu[Slot.fdp] : 0)
    state.setField(24, UInt32(truncatingIfNeeded: cpu[Slot.mxcsr]))
    state.setField(28, UInt32(truncatingIfNeeded: cpu[Slot.mxcsrMask]))
    for position in 0..<8 {
      state.setField(32 + 16 * position, cpu[Slot.x87Significand + ((top + position) & 7)])
      state.setField(40 + 16 * position, UInt16(truncatingIfNeeded: cpu[Slot.x87SignExponent + ((top + position) & 7)]))
    }
    for lane in 0..<32 { state.setField(160 + 8 * lane, cpu[Slot.xmm + lane]) }
  }

  /// The memory that the program could have changed.
  func operands() -> [UInt8] {
    let window = memory.read(physical(mode.window.lowerBound), count: mode.window.count) ?? []
    guard mode.isKernel else { return window }
    return window + (memory.read(GuestPhysicalAddress(Self.gdt), count: Int(KernelSegment.limit) + 1) ?? [])
  }

  // MARK: Running

  /// Places code at an offset from the program's first byte.
  func place(_ bytes: [UInt8], at offset: Int) {
    memory.write(bytes, at: physical(mode.codeLinear + UInt64(offset)))
  }

  /// The code page as it is.
  func placed(_ count: Int) -> [UInt8] { memory.read(physical(mode.codeLinear), count: count) ?? [] }

  /// The handler at RIP, by its address.
  private var handler: UInt64? {
    let distance = cpu.codeLinear(cpu.rip) &- (mode.isUnpaged ? 0 : Self.kernel) &- Self.handlers
    return distance < 0x1000 ? distance : nil
  }

  /// Executes instruction by instruction until RIP is `end`, an exception has been delivered, or too many have been
  /// executed.
  func step(to end: UInt64) -> FuzzEnd {
    for _ in 0..<200 {
      if cpu.rip == end && cpu.segmentSelector(SegmentNumber.cs) == mode.codeSelector { return .arrived }
      if let stop = cpu.step(), !answers(stop) { return .stuck }
      if cpu.settleEvents() != nil { return .stuck }
      if let handler { return .event(leaveHandler(handler)) }
      if isBehind(end) { return .stuck }
    }
    return .stuck
  }

  /// The first pieces of a program, as a program of their own; `nil` when they do not end.
  func cut(_ program: FuzzProgram, _ count: Int) -> FuzzProgram? {
    var part = program
    part.code = Array(program.code.prefix(program.offsets[count]))
    part.offsets.removeLast(program.offsets.count - count)
    part.owners.removeLast(program.offsets.count - count)
    part.forms = part.owners.compactMap { $0 }
    (part.isApproximate, part.mask) = (false, [])
    load(part.start, memory: part.memory)
    place(part.code + closing, at: 0)
    part.end = step(to: code + UInt64(part.code.count))
    store(to: &part.after)
    (part.memoryAfter, part.systemAfter) = (operands(), system())
    return part.end == .arrived ? part : nil
  }

  /// RIP is behind the code in its page: a RET took what the last bytes of a stack hold for an address. What lies there
  /// is left over from other programs, and not the same on every side.
  private func isBehind(_ end: UInt64) -> Bool {
    let first = mode.codeLinear &+ end &- code
    return (first &+ 1...mode.codeLinear | 0xfff).contains(cpu.codeLinear(cpu.rip))
  }

  /// What follows a program to end it: UD2, or HLT where an exception would write to the stack.
  var closing: [UInt8] { mode.endsByHalting ? [0xf4] : [0x0f, 0x0b] }

  /// Runs code of this length, which `closing` follows, in blocks.
  func runBlocks(_ length: Int) -> FuzzEnd {
    let limit = cpu.retired + 400
    var end = cpu.run(until: limit)
    while answers(end) { end = cpu.run(until: limit) }
    return end == .halted ? closeRun(length) : .stuck
  }

  /// How the program of this length ended that has brought the CPU to a HLT: `closing`, or a handler's.
  func closeRun(_ length: Int) -> FuzzEnd {
    cpu.rip &-= 1
    guard let handler else {
      cpu[Slot.halted] = 0
      return mode.endsByHalting && cpu.rip == code + UInt64(length) ? .arrived : .stuck
    }
    let event = leaveHandler(handler)
    guard cpu.rip == code + UInt64(length), event.vector == ExceptionVector.invalidOpcode else {
      return .event(event)
    }
    cpu[Slot.systemFlags] &= ~RFlags.rf
    return .arrived
  }

  /// Ports read as a constant, and take everything.
  private func answers(_ end: RunEnd) -> Bool {
    guard end == .exit else { return false }
    switch cpu.requestedExit {
    // What QEMU reads where nothing is.
    case .portRead: cpu.answer(oracle == .qemu ? 0xffff_ffff : Self.portValue)
    case .portWrite: cpu.answer(0)
    default: return false
    }
    return true
  }

  static let portValue: UInt64 = 0x5aa5_c33c

  /// The number as the port of an IN or OUT, one that QEMU's machine has nothing at.
  func unusedPort(_ number: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: oracle == .qemu && mode.reachesPorts ? 0xe0 + number % 2 * 4 : number)
  }

  /// Reads the frame of the handler of a vector (16 bytes each), and gives RIP, RSP, the flags and the segments back
  /// the values of the program.
  private func leaveHandler(_ handler: UInt64) -> FuzzEvent {
    let vector = UInt8(truncatingIfNeeded: handler >> 4)
    var event = FuzzEvent(vector: vector, errorCode: 0)
    let hasErrorCode = [8, 10, 11, 12, 13, 14, 17].contains(vector) && mode != .real
    let size: UInt64 = mode == .real ? 2 : mode == .v86 || mode == .kernel32 ? 4 : 8
    let stack = mode.endsByHalting ? cpu.segmentBase(SegmentNumber.ss) : 0
    let top = stack &+ cpu.rsp & cpu.stackMask
    var frame = (0..<10).map { word(at: top &+ size &* UInt64($0), size) }
    if hasErrorCode { event.errorCode = UInt32(truncatingIfNeeded: frame.removeFirst()) }
    cpu.rip = frame[0]
    cpu[Slot.halted] = 0
    switch mode {
    case .real:
      cpu.setRealCode(UInt16(truncatingIfNeeded: frame[1]))
      cpu.rflags = cpu.rflags & ~0xffff | frame[2]
      cpu.rsp = cpu.rsp & ~0xffff | (cpu.rsp &+ 6) & 0xffff
    case .v86:
      cpu.rflags = frame[2]
      cpu.rsp = frame[3]
      let order = [
        SegmentNumber.cs, SegmentNumber.ss, SegmentNumber.es, SegmentNumber.ds, SegmentNumber.fs, SegmentNumber.gs,
      ]
      for (number, value) in zip(order, [frame[1]] + frame[4...8]) {
        cpu.reset(number, base, at: (value & 0xffff) << 4, selector: UInt16(truncatingIfNeeded: value))
      }
    case .kernel32:
      cpu.rflags = frame[2]
      cpu.rsp = (cpu.rsp &+ (hasErrorCode ? 16 : 12)) & 0xffff_ffff
      cpu.reset(SegmentNumber.cs, base, selector: UInt16(truncatingIfNeeded: frame[1]))
    default:
      cpu.rflags = frame[2]
      cpu.rsp = frame[3]
      cpu.reset(SegmentNumber.cs, base, selector: mode.isKernel ? UInt16(truncatingIfNeeded: frame[1]) : nil)
      cpu.reset(SegmentNumber.ss, base, selector: UInt16(truncatingIfNeeded: frame[4]))
    }
    cpu.modeChanged()
    return event
  }

  private func word(at address: UInt64, _ size: UInt64) -> UInt64 {
    let at = GuestPhysicalAddress(mode.isUnpaged ? address & 0xffff_ffff : address &- Self.kernel)
    let value = memory.load(at, as: UInt64.self) ?? 0
    return size == 8 ? value : value & (1 << (8 * size) - 1)
  }
}

/// How a piece of code ended.
enum FuzzEnd: Equatable {
  case arrived
  case event(FuzzEvent)
  /// It asked for something outside, or did not end.
  case stuck

  var vector: UInt8? { if case .event(let event) = self { event.vector } else { nil } }
}

/// An exception as a process sees it.
struct FuzzEvent: Equatable {
  var vector: UInt8
  var errorCode: UInt32
}

extension CPU {
  fileprivate func reset(_ number: Int, _ state: CPUState, at base: UInt64? = nil, selector: UInt16? = nil) {
    var segment = [state.es, state.cs, state.ss, state.ds, state.fs, state.gs][number]
    if let base { segment.base = base }
    if let selector { segment.selector = selector }
    setSegment(number, segment)
  }
}
