internal import GuestMemory
internal import NativeOracle
internal import VMMCore

@testable internal import X86

/// QEMU as an oracle for what no process can execute: the machine of a program, with QEMU as its CPU.
final class QEMUOracle {
  static let modes: [FuzzMode] = [.real, .v86, .kernel32, .kernel64]

  private let machine: FuzzMachine
  private var guest: QEMUGuest
  /// How often QEMU had to be started anew.
  private(set) var restarts = 0
  /// How often a program had written over tables, handlers or the harness.
  private(set) var reloads = 0

  init(_ mode: FuzzMode) throws {
    machine = try FuzzMachine(mode, .qemu)
    guest = try QEMUGuest()
    try prepare()
  }

  /// Where a program ended, in what state, with which operands and system registers.
  struct Outcome {
    var end: FuzzEnd
    var state: NativeState
    var operands: [UInt8]
    var system: [(name: String, value: UInt64)]
  }

  func run(_ program: FuzzProgram) throws -> Outcome {
    do { return try outcome(program) } catch {
      guest = try QEMUGuest()
      restarts += 1
      try prepare()
      throw error
    }
  }

  private func outcome(_ program: FuzzProgram) throws -> Outcome {
    machine.load(program.start, memory: program.memory)
    if guest.isDamaged {
      reloads += 1
      try guest.load()
    }
    place(program)
    try guest.run()
    takeOver(program)
    let end = machine.closeRun(program.code.count)
    var state = program.start
    machine.store(to: &state)
    return Outcome(end: end, state: state, operands: machine.operands(), system: machine.system())
  }

  // MARK: The machine

  private var mode: FuzzMode { machine.mode }
  private var half: UInt64 { mode.is64 ? FuzzMachine.kernel : 0 }

  /// Low memory as the program's machine has it, with handlers that lead back.
  private func prepare() throws {
    let size = 4 << 20
    guest.store(machine.memory.read(GuestPhysicalAddress(0), count: size) ?? [], QEMUGuest.image)
    for vector in 0..<256 { guest.store(handler(vector), QEMUGuest.image + Int(FuzzMachine.handlers) + 16 * vector) }
    // The guest's own tables: all of its memory, and the upper half of the program's.
    let tables = QEMUGuest.tables
    guest.store([UInt8](repeating: 0, count: 0x3000), tables)
    guest.store(UInt64(tables + 0x1003), tables)
    guest.store(Machine.tables + 0x4003, tables + 256 * 8)
    guest.store(UInt64(tables + 0x2003), tables + 0x1000)
    for page in 0..<32 { guest.store(UInt64(page << 21 | 0x83), tables + 0x2000 + 8 * page) }
    try guest.load()
  }

  /// At most 16 bytes that note the vector and lead on.
  private func handler(_ vector: Int) -> [UInt8] {
    let at = Int(FuzzMachine.handlers) + 16 * vector
    func relative(_ target: Int, _ length: Int) -> [UInt8] {
      little(UInt64(bitPattern: Int64(target - at - length)), 4)
    }
    switch mode {
    case .real:
      // MOV CS:[vector], imm8 (CS is the handler's own); JMP far.
      return [0x2e, 0xc6, 0x06] + little(UInt64(QEMUGuest.scratch + 0xe0 - at), 2) + [UInt8(vector), 0xea]
        + little(0x8008, 4)
    case .kernel64:
      // MOV [RIP + vector], imm8; JMP.
      return [0xc6, 0x05] + relative(QEMUGuest.scratch + 0x1f0, 7) + [UInt8(vector), 0xe9]
        + relative(Int(guest.longEntry), 12)
    default:
      // MOV CR2, EAX; MOV EAX, vector << 16; MOV AX, DS; JMP.
      return [0x0f, 0x22, 0xd0, 0xb8] + little(UInt64(vector) << 16, 4) + [0x66, 0x8c, 0xd8, 0xe9]
        + relative(Int(guest.flatEntry), 16)
    }
  }

  /// What follows a program: HLT would wait for ever.
  private var closing: [UInt8] {
    switch mode {
    case .real: [0xea, 0x00, 0x80, 0, 0]
    // A handler of a vector that nothing else has.
    case .kernel32: [0xea] + little(FuzzMachine.handlers + 16 * 251, 4) + little(UInt64(KernelSegment.flat32), 2)
    default: machine.closing
    }
  }

  // MARK: To and fro

  private func place(_ program: FuzzProgram) {
    let (at, cpu, base) = (QEMUGuest.input, machine.cpu, machine.base)
    var state = program.start
    state.rflags = cpu.rflags
    for selector in Self.selectors { state[keyPath: selector.native] = UInt64(mode.dataSelector(selector.number)) }
    state.cs = UInt64(mode.codeSelector)
    unsafe withUnsafeBytes(of: state) { unsafe guest.store([UInt8]($0), at) }
    let code = program.code + closing
    guest.store(UInt32(QEMUOracle.modes.firstIndex(of: mode)!), at + 0x400)
    guest.store(UInt32(code.count), at + 0x404)
    guest.store(UInt32(machine.physical(mode.codeLinear).rawValue), at + 0x408)
    guest.store(UInt32(mode.code), at + 0x40c)
    guest.store(base.cr0, at + 0x410)
    guest.store(base.cr4, at + 0x418)
    guest.store(base.cr3, at + 0x420)
    guest.store(base.cr8, at + 0x428)
    for (table, offset) in [(base.gdtr, 0x430), (base.idtr, 0x440)] {
      guest.store(table.limit, at + offset)
      guest.store(table.base, at + offset + 2)
    }
    guest.store(UInt64(base.ldtr.selector), at + 0x450)
    guest.store(UInt64(base.tr.selector), at + 0x458)
    for (index, value) in [base.dr0, base.dr1, base.dr2, base.dr3, base.dr6, base.dr7].enumerated() {
      guest.store(value, at + 0x460 + 8 * index)
    }
    placeModelRegisters()
    guest.store(code, at + 0x800)
    placeWindow(program)
  }

  /// What the program can reach. The translator does not see what this process stores: where the program executes some
  /// of it, the guest itself has to put it there, or stays with what it has translated there for another program.
  private func placeWindow(_ program: FuzzProgram) {
    let start = machine.physical(mode.window.lowerBound)
    let window = machine.memory.read(start, count: mode.window.count) ?? []
    guest.store(window, program.leavesPage ? QEMUGuest.window : Int(start.rawValue))
    guest.store(UInt32(start.rawValue), QEMUGuest.input + 0x490)
    guest.store(UInt32(program.leavesPage ? window.count : 0), QEMUGuest.input + 0x494)
  }

  private func placeModelRegisters() {
    let state = machine.cpu.state
    let registers = mode.isKernel ? SystemValues.registers(mode) : []
    guest.store(UInt64(registers.count), QEMUGuest.input + 0x4f8)
    for (index, register) in registers.enumerated() {
      // Long mode is on when the guest has turned it on.
      let value = state[keyPath: register.path] & (register.path == \.efer ? ~EFER.lma : .max)
      guest.store(UInt64(register.number), QEMUGuest.input + 0x500 + 16 * index)
      guest.store(value, QEMUGuest.input + 0x508 + 16 * index)
    }
  }

  private struct Selector {
    var native: WritableKeyPath<NativeState, UInt64>
    var number: Int
  }

  private static var selectors: [Selector] {
    [
      Selector(native: \.es, number: SegmentNumber.es), Selector(native: \.ds, number: SegmentNumber.ds),
      Selector(native: \.fs, number: SegmentNumber.fs), Selector(native: \.gs, number: SegmentNumber.gs),
      Selector(native: \.ss, number: SegmentNumber.ss),
    ]
  }

  /// Brings the machine to where the guest was: at the HLT of a handler, or behind the program.
  private func takeOver(_ program: FuzzProgram) {
    let at = QEMUGuest.output
    let cpu = machine.cpu
    copyMemory()
    var state = cpu.state
    for number in 0..<(mode.is64 ? 16 : 8) { state.gpr[number] = guest.word(at + 8 * number) }
    state.rflags = guest.word(at + 128)
    func selector(_ index: Int) -> UInt16 { UInt16(truncatingIfNeeded: guest.word(at + 688 + 8 * index)) }
    state.es = segment(selector(0), state.es)
    state.ds = segment(selector(1), state.ds)
    state.fs = segment(selector(2), state.fs)
    state.gs = segment(selector(3), state.gs)
    state.ss = segment(selector(4), state.ss)
    takeSystem(&state)
    let vector = guest.word32(at + 0x400)
    if guest.word32(at + 0x404) != 0 || mode == .kernel32 && vector == 251 {
      state.rip = mode.code + UInt64(program.code.count) + 1
    } else {
      state.rip = half + FuzzMachine.handlers + 16 * UInt64(vector) + 1
      state.cs = handlerCode(state.cs)
    }
    cpu.load(state)
    takeFloatingPoint()
  }

  private func handlerCode(_ code: Segment) -> Segment {
    switch mode {
    case .real: return Segment(selector: 0, base: 0, limit: 0xffff, attributes: 0x9b)
    case .v86: return Segment(selector: 8, base: 0, limit: .max, attributes: 0xc09b)
    case .kernel32: return Segment(selector: KernelSegment.flat32, base: 0, limit: .max, attributes: 0xc09b)
    default: return code
    }
  }

  /// What a selector that the guest has loaded leads to.
  private func segment(_ selector: UInt16, _ before: Segment) -> Segment {
    if mode == .real {
      return Segment(selector: selector, base: UInt64(selector) << 4, limit: 0xffff, attributes: 0x93)
    }
    if selector & 0xfffc == 0 { return Segment(selector: selector, base: 0, limit: 0, attributes: 0x1_0000) }
    let table = selector & 4 == 0 ? FuzzMachine.gdt : FuzzMachine.ldt
    let word = machine.memory.load(GuestPhysicalAddress(table + UInt64(selector & 0xfff8)), as: UInt64.self) ?? 0
    let base = word >> 16 & 0xff_ffff | (word >> 56) << 24
    let limit = UInt32(truncatingIfNeeded: word & 0xffff | word >> 32 & 0xf_0000)
    let isLarge = word >> 55 & 1 != 0
    return Segment(
      selector: selector, base: base, limit: isLarge ? limit << 12 | 0xfff : limit,
      attributes: UInt32(truncatingIfNeeded: word >> 40) & 0xf0ff)
  }

  /// What the program may have written to, and the frame of its end.
  private func copyMemory() {
    let start = machine.physical(mode.window.lowerBound)
    machine.memory.write(guest.bytes(Int(start.rawValue), mode.window.count), at: start)
    for page in [FuzzMachine.gdt, FuzzMachine.kernelStack - 0x1000] {
      machine.memory.write(guest.bytes(Int(page), 0x1000), at: GuestPhysicalAddress(page))
    }
  }

  private func takeSystem(_ state: inout CPUState) {
    guard mode.isKernel else { return }
    let at = QEMUGuest.output
    state.cr0 = guest.word(at + 0x410)
    state.cr4 = guest.word(at + 0x418)
    state.cr3 = guest.word(at + 0x420)
    state.cr8 = guest.word(at + 0x428)
    if mode == .kernel64 { state.cr2 = guest.word(at + 144) }
    state.gdtr = table(at + 0x430)
    state.idtr = table(at + 0x440)
    state.ldtr.selector = UInt16(truncatingIfNeeded: guest.word(at + 0x450))
    state.tr.selector = UInt16(truncatingIfNeeded: guest.word(at + 0x458))
    state.dr0 = guest.word(at + 0x460)
    state.dr1 = guest.word(at + 0x468)
    state.dr2 = guest.word(at + 0x470)
    state.dr3 = guest.word(at + 0x478)
    state.dr6 = guest.word(at + 0x480)
    state.dr7 = guest.word(at + 0x488)
    for (index, register) in SystemValues.registers(mode).enumerated() {
      state[keyPath: register.path] = guest.word(at + 0x508 + 16 * index)
    }
    if mode == .kernel64 { state.efer |= EFER.lma }
  }

  private func table(_ at: Int) -> DescriptorTable {
    DescriptorTable(
      base: mode.is64 ? guest.word(at + 2) : UInt64(guest.word32(at + 2)),
      limit: UInt16(truncatingIfNeeded: guest.word32(at)))
  }

  /// Takes over what QEMU never has as a CPU does: RF in the image of the flags, pointers of the x87, MXCSR_MASK, the
  /// note of a denormal operand in the status words; and XMM8 to XMM15, which only 64-bit code has.
  func level(_ state: inout NativeState, _ expected: NativeState) {
    if !mode.is64 {
      for lane in 16..<32 { state.setField(160 + 8 * lane, expected.field(160 + 8 * lane) as UInt64) }
    }
    state.rflags = state.rflags & ~RFlags.rf | expected.rflags & RFlags.rf
    for offset in [2, 24] {
      let word = state.field(offset, as: UInt16.self)
      state.setField(offset, word & ~2 | expected.field(offset, as: UInt16.self) & 2)
    }
    state.setField(6, expected.field(6, as: UInt16.self))
    state.setField(8, expected.field(8, as: UInt64.self))
    state.setField(16, expected.field(16, as: UInt64.self))
    state.setField(28, expected.field(28, as: UInt32.self))
  }

  /// The linear address above the frame that an exception of 32-bit code left on the program's stack.
  private func stackTop(_ program: FuzzProgram) -> Int? {
    guard mode == .kernel32, case .event = program.end else { return nil }
    let base = segment(UInt16(truncatingIfNeeded: program.after.ss), machine.base.ss).base
    return Int((base &+ program.after.gpr.4) & 0xffff_ffff)
  }

  /// What lies elsewhere is not taken over, and not memory everywhere.
  func reachesFrame(_ program: FuzzProgram) -> Bool {
    stackTop(program).map { mode.window.contains(UInt64($0) &- 16) && mode.window.contains(UInt64($0)) } ?? true
  }

  /// Operands but for RF in the frame that an exception of 32-bit code left on the program's stack.
  func leveled(_ operands: [UInt8], _ program: FuzzProgram) -> [UInt8] {
    guard let top = stackTop(program) else { return operands }
    let at = top - 2 - Int(mode.window.lowerBound)
    guard operands.indices.contains(at) else { return operands }
    var operands = operands
    operands[at] &= ~1
    return operands
  }

  private func takeFloatingPoint() {
    var state = NativeState.initial
    for offset in stride(from: 0, to: 416, by: 8) {
      state.setField(offset, guest.word(QEMUGuest.output + 160 + offset))
    }
    machine.cpu.loadFloatingPoint(state)
  }
}
