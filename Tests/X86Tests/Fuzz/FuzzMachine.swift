internal import GuestMemory
internal import NativeOracle
internal import VMMCore

@testable internal import X86

/// The software CPU as Linux has a process see the real one: 64-bit user mode, the host's user segments, the oracle's
/// code page and operand area at their addresses, nothing around them.
final class FuzzMachine {
  static let code = UInt64(NATIVE_CODE_ADDRESS)
  static let area = UInt64(NATIVE_MEMORY_ADDRESS)
  static let areaSize = Int(NATIVE_MEMORY_SIZE)
  static let codeSelector: UInt16 = 0x33
  static let dataSelector: UInt16 = 0x2b

  /// Where the kernel's half begins; it maps the first 2 MiB of memory.
  private static let kernel: UInt64 = 0xffff_8000_0000_0000
  private static let gdt: UInt64 = 0x5000
  private static let idt: UInt64 = 0x2000
  private static let tss: UInt64 = 0x3000
  private static let kernelStack: UInt64 = 0x7000
  /// A HLT for each vector.
  private static let handlers: UInt64 = 0x4000
  private static let physicalCode: UInt64 = 0x20_0000
  private static let physicalArea = physicalCode + area - code

  /// The default model, with what the host's CPU has besides and user code can tell: INVPCID (#GP instead of #UD),
  /// MXCSR.MM; and what that does where the manuals leave it open.
  private static let model: CPUModel = {
    var model = CPUModel.softwareDefault
    model.undefined = OracleProfile.found
    for index in model.leaves.indices {
      if model.leaves[index].leaf == 7 && OracleProfile.cpu.has(.invpcid) { model.leaves[index].ebx |= 1 << 10 }
      if model.leaves[index].leaf == 0x8000_0001 && OracleProfile.hasMisalignedSSE { model.leaves[index].ecx |= 1 << 7 }
    }
    return model
  }()

  let memory: GuestMemory
  let core: CPUCore
  var cpu: CPU { core.cpu }
  private let base: CPUState

  init() throws {
    memory = try GuestMemory(size: 4 << 20)
    core = CPUCore(memory: memory, model: Self.model)
    var state = Machine.state(.long64)
    state.cr0 = 0x8005_0033 & ~CR0.am
    state.cr4 = CR4.pae | CR4.osfxsr | CR4.osxmmexcpt | CR4.osxsave | CR4.fsgsbase
    state.xcr0 = 3
    state.efer |= EFER.sce
    state.cs = Segment(selector: Self.codeSelector, base: 0, limit: .max, attributes: 0xa0fb)
    state.ss = Segment(selector: Self.dataSelector, base: 0, limit: .max, attributes: 0xc0f3)
    let null = Segment(selector: 0, base: 0, limit: 0, attributes: 0x1_0000)
    (state.ds, state.es, state.fs, state.gs) = (null, null, null, null)
    state.gdtr = DescriptorTable(base: Self.kernel + Self.gdt, limit: 0x7f)
    state.idtr = DescriptorTable(base: Self.kernel + Self.idt, limit: 0xfff)
    state.tr = Segment(selector: 0x40, base: Self.kernel + Self.tss, limit: 0x67, attributes: 0x8b)
    base = state
    mapPages()
    fillTables()
    core.cpu.load(state)
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
    for linear in [Self.code, Self.area, Self.area + 4096] {
      let entry = GuestPhysicalAddress(tables + 0x3000 + (linear >> 12 & 0x1ff) * 8)
      let noExecute: UInt64 = linear == Self.code ? 0 : 1 << 63
      memory.store(noExecute | (linear - Self.code + Self.physicalCode) | 7, at: entry)
    }
  }

  // MARK: State

  /// Takes a state over, with memory and nothing in the code page.
  func load(_ state: NativeState, memory bytes: [UInt8]) {
    memory.write(bytes, at: GuestPhysicalAddress(Self.physicalArea))
    let cpu = self.cpu
    for number in 0..<16 { cpu[number] = state.register(number) }
    cpu.rip = Self.code
    cpu.rflags = state.rflags & UInt64(NATIVE_FLAGS) | 0x202
    for number in [SegmentNumber.es, SegmentNumber.cs, SegmentNumber.ss, SegmentNumber.ds] { cpu.reset(number, base) }
    cpu.reset(SegmentNumber.fs, base, at: state.fs_base)
    cpu.reset(SegmentNumber.gs, base, at: state.gs_base)
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
    state.rip = cpu.rip &- Self.code
    state.rflags = cpu.rflags
    state.cr2 = cpu.cr2
    state.fs_base = cpu.segmentBase(SegmentNumber.fs)
    state.gs_base = cpu.segmentBase(SegmentNumber.gs)
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

  func operands() -> [UInt8] { memory.read(GuestPhysicalAddress(Self.physicalArea), count: Self.areaSize) ?? [] }

  func word(at linear: UInt64) -> UInt64 {
    memory.load(GuestPhysicalAddress(linear &- Self.area &+ Self.physicalArea), as: UInt64.self) ?? 0
  }

  // MARK: Running

  /// Places code at an offset of the code page.
  func place(_ bytes: [UInt8], at offset: Int) {
    memory.write(bytes, at: GuestPhysicalAddress(Self.physicalCode + UInt64(offset)))
  }

  /// The code page as it is.
  func placed(_ count: Int) -> [UInt8] { memory.read(GuestPhysicalAddress(Self.physicalCode), count: count) ?? [] }

  /// Executes instruction by instruction until RIP is `end`, an exception has been delivered, or too many have been
  /// executed.
  func step(to end: UInt64) -> FuzzEnd {
    for _ in 0..<200 {
      if cpu.rip == end { return .arrived }
      if cpu.step() != nil || cpu.settleEvents() != nil { return .stuck }
      if cpu.privilegeLevel == 0 { return .event(leaveHandler(cpu.rip)) }
    }
    return .stuck
  }

  /// Runs code of this length, which UD2 follows, in blocks.
  func runBlocks(_ length: Int) -> FuzzEnd {
    guard cpu.run(until: cpu.retired + 400) == .halted, cpu.privilegeLevel == 0 else { return .stuck }
    let event = leaveHandler(cpu.rip &- 1)
    guard cpu.rip == Self.code + UInt64(length), event.vector == ExceptionVector.invalidOpcode else {
      return .event(event)
    }
    cpu[Slot.systemFlags] &= ~RFlags.rf
    return .arrived
  }

  /// Reads the frame of the handler at `address`, and gives RIP, RSP and the flags back the values of the program.
  private func leaveHandler(_ address: UInt64) -> FuzzEvent {
    let vector = UInt8(truncatingIfNeeded: (address &- Self.kernel &- Self.handlers) >> 4)
    var event = FuzzEvent(vector: vector, errorCode: 0)
    var frame = (0..<6).map { supervisorWord(cpu.rsp &- Self.kernel &+ 8 * UInt64($0)) }
    if [8, 10, 11, 12, 13, 14, 17].contains(vector) {
      event.errorCode = UInt32(truncatingIfNeeded: frame.removeFirst())
    }
    cpu.rip = frame[0]
    cpu.rflags = frame[2]
    cpu.rsp = frame[3]
    cpu[Slot.halted] = 0
    cpu.reset(SegmentNumber.cs, base)
    cpu.reset(SegmentNumber.ss, base)
    cpu.modeChanged()
    return event
  }

  private func supervisorWord(_ address: UInt64) -> UInt64 {
    memory.load(GuestPhysicalAddress(address), as: UInt64.self) ?? 0
  }
}

/// How a piece of code ended.
enum FuzzEnd: Equatable {
  case arrived
  case event(FuzzEvent)
  /// It asked for something outside, or did not end.
  case stuck
}

/// An exception as a process sees it.
struct FuzzEvent: Equatable {
  var vector: UInt8
  var errorCode: UInt32
}

extension CPU {
  fileprivate func reset(_ number: Int, _ state: CPUState, at base: UInt64? = nil) {
    var segment = [state.es, state.cs, state.ss, state.ds, state.fs, state.gs][number]
    if let base { segment.base = base }
    setSegment(number, segment)
  }
}
