internal import NativeOracle
internal import Support

@testable internal import X86

/// A random piece of code with all that it starts from, and where the software CPU arrived, step by step.
struct FuzzProgram {
  var code: [UInt8] = []
  var start = NativeState.initial
  var memory: [UInt8] = []
  /// The forms that were executed, as indices of the mode's forms; what only prepares for them is counted apart.
  var forms: [Int] = []
  var preparations = 0
  /// Where each instruction or preparation starts, and what form it is of (none, when it prepares).
  var offsets: [Int] = []
  var owners: [Int?] = []
  var end = FuzzEnd.arrived
  var after = NativeState.initial
  var memoryAfter: [UInt8] = []
  /// `FuzzMachine.hasLeftPage` at its end.
  var leavesPage = false
  /// The last instruction's result is compared with a tolerance.
  var isApproximate = false
  /// What of the last instruction's outcome is not compared: it ends the program.
  var mask: OracleMask = []
  var isOver: Bool { end != .arrived || isApproximate || !mask.isEmpty || Emulator.isOracle && !forms.isEmpty }
  /// What `FuzzMachine.system` holds then.
  var systemAfter: [(name: String, value: UInt64)] = []
}

/// Makes random programs: each instruction is chosen, and executed by the software CPU at once, so that the next one's
/// operands can be placed by what the registers hold then.
struct ProgramMaker {
  /// What a program is made of.
  private struct Theme {
    var share: Int
    var forms: [Int]
  }

  let machine: FuzzMachine
  /// Every form that the mode has.
  let forms: [InstructionForm]
  var random: SeededRandom
  var source: SeededRandom
  var program = FuzzProgram()
  private let themes: [Theme]
  private let privileged: [Int]
  /// Typed values to fill memory from.
  private let pool: [UInt8]

  init(machine: FuzzMachine) {
    self.machine = machine
    forms = machine.mode.forms
    let (mode, forms) = (machine.mode, forms)
    random = SeededRandom(seed: 0)
    source = SeededRandom(seed: 0)
    let covered = forms.indices.filter { forms[$0].exclusion(in: mode, machine.oracle) == nil }
    privileged = covered.filter { forms[$0].isPrivileged(in: mode) }
    let usable = covered.filter { !forms[$0].isPrivileged(in: mode) }
    func those(_ families: [FormFamily]) -> [Int] { usable.filter { families.contains(forms[$0].family) } }
    let floating = those([.x87])
    let vector = those([.mmx, .sse])
    let rare = those([.state, .segments, .far] + (mode.isKernel ? [.privileged] : []))
    let integer = usable.filter { !floating.contains($0) && !vector.contains($0) && !rare.contains($0) }
    let shares = mode.isKernel ? [30, 8, 12, 40] : [45, 15, 25, 5]
    themes = [
      Theme(share: shares[0], forms: integer), Theme(share: shares[1], forms: floating),
      Theme(share: shares[2], forms: vector), Theme(share: shares[3], forms: rare), Theme(share: 10, forms: usable),
    ]
    var filler = SeededRandom(seed: 7)
    pool = (0..<4096).flatMap { index in
      let extended = filler.extended()
      let (low, high) = index % 3 == 0 ? (extended.significand, UInt64(extended.signExponent)) : filler.vector()
      return little(low, 8) + little(high, 8)
    }
  }

  /// A program; with `first`, it begins with an instruction of that form.
  mutating func makeProgram(seed: UInt64, first: Int? = nil) -> FuzzProgram {
    random = SeededRandom(seed: seed)
    source = SeededRandom(seed: ~seed)
    program = FuzzProgram()
    // Which of several faults comes first, and whether SSE raises any, an emulator has otherwise.
    let wantsFault = random.chance(12) && !machine.oracle.isEmulator && !machine.mode.isKernel
    makeStart(wantsFault)
    machine.load(program.start, memory: program.memory)
    let theme = pickTheme()
    if let first { append(first, keepingFaults: forms[first].isPrivileged(in: machine.mode)) }
    for _ in 0..<random.pick([1, 2, 3, 4, 6, 8, 12, 16, 24]) {
      guard program.code.count < 900, !program.isOver else { break }
      append(theme.forms[random.below(theme.forms.count)])
    }
    if wantsFault && !program.isOver { appendFault(theme.forms) }
    program.after = program.start
    machine.store(to: &program.after)
    program.memoryAfter = machine.operands()
    program.systemAfter = machine.system()
    program.leavesPage = machine.hasLeftPage
    return program
  }

  private mutating func pickTheme() -> Theme {
    var left = random.below(100)
    for theme in themes {
      left -= theme.share
      if left < 0 { return theme }
    }
    return themes[0]
  }

  // MARK: The state before

  private mutating func makeStart(_ wantsFault: Bool) {
    let offset = random.below(pool.count / 16 - FuzzMachine.areaSize / 16) * 16
    program.memory = Array(pool[offset..<offset + FuzzMachine.areaSize])
    var state = NativeState.random(&source)
    for number in 0..<16 {
      state.setRegister(number, random.chance(15) ? middle() : random.interesting())
      if !machine.mode.is64 { state.setRegister(number, number < 8 ? state.register(number) & 0xffff_ffff : 0) }
    }
    state.gpr.4 = machine.area + 4096 + 8 * UInt64(random.below(64))
    state.rflags = random.next() & 0x8d5 | (random.chance(25) ? 0x400 : 0) | (random.chance(8) ? 0x4000 : 0) | 0x202
    state.fs_base = random.chance(50) ? middle() : random.interesting() & 0x7fff_ffff_ffff
    state.gs_base = random.chance(50) ? middle() : 0 &- (random.next() & 0xffff_ffff)
    makeSegments(&state)
    // QEMU never notes denormal operands, nor stack faults: they are noted from the start, and never.
    if machine.oracle == .qemu {
      state.setField(2, state.field(2, as: UInt16.self) & ~0x40 | 2)
      state.setField(24, state.field(24, as: UInt16.self) | 2)
    }
    let unmasked = random.chance(15) && !machine.oracle.isEmulator
    if !unmasked {
      state.setField(0, state.field(0, as: UInt16.self) | 0x3f)
      state.setField(24, state.field(24, as: UInt32.self) | 0x1f80)
    }
    // With MXCSR.MM some instructions read no more of an operand than they need: no faults then.
    if random.chance(10) && !wantsFault && machine.mode.isNative && OracleProfile.hasMisalignedSSE {
      state.setField(26, UInt16(2))
    }
    state.setField(6, UInt16(truncatingIfNeeded: random.next()) & 0x7ff)
    state.setField(8, random.next() & 0x7fff_ffff_ffff)
    state.setField(16, random.next() & 0x7fff_ffff_ffff)
    program.start = state
  }

  /// What the mode has instead of bases of FS and GS.
  private mutating func makeSegments(_ state: inout NativeState) {
    let mode = machine.mode
    guard !mode.is64 else { return }
    (state.fs_base, state.gs_base) = (0, 0)
    if mode == .v86 { state.rflags |= random.chance(70) ? RFlags.iopl : 0 }
    state.cs = UInt64(mode.codeSelector)
    state.es = UInt64(mode.dataSelector(SegmentNumber.es))
    state.ss = UInt64(mode.dataSelector(SegmentNumber.ss))
    state.ds = UInt64(mode.dataSelector(SegmentNumber.ds))
    state.fs = UInt64(mode.dataSelector(SegmentNumber.fs))
    state.gs = UInt64(mode.dataSelector(SegmentNumber.gs))
  }

  /// An offset well within the operand area.
  mutating func middle(alignment: Int = 1) -> UInt64 {
    machine.area + UInt64((1200 + random.below(5600)) / alignment * alignment)
  }

  // MARK: Growing the program

  var codeEnd: UInt64 { machine.code + UInt64(program.code.count) }

  /// Executes code that an instruction needs before it.
  mutating func prepare(_ bytes: [UInt8]) {
    guard program.end == .arrived else { return }
    program.offsets.append(program.code.count)
    program.owners.append(nil)
    machine.place(bytes, at: program.code.count)
    program.code += bytes
    program.preparations += 1
    program.end = machine.step(to: codeEnd)
  }

  /// Code that stores at an offset in DS as it was when the program began, whatever DS is now.
  func store(_ value: UInt64, at target: UInt64, _ size: Int) -> [UInt8] {
    machine.setup.store(value, at: dataOffset(target), size)
  }

  /// Code that loads all of a register, likewise.
  func load(_ register: Int, from target: UInt64) -> [UInt8] { machine.setup.load(register, from: dataOffset(target)) }

  private func dataOffset(_ target: UInt64) -> UInt64 {
    machine.mode.is64 ? target : offset(of: target, in: SegmentNumber.ds)
  }

  /// INT 6 at a program's end would look like its closing UD2 in real mode, where it comes with the same frame.
  private mutating func assembled(_ form: InstructionForm) -> [UInt8] {
    var bytes = assemble(form)
    if form.systemOperation == .intN, bytes.last == ExceptionVector.invalidOpcode { bytes[bytes.count - 1] += 1 }
    return bytes
  }

  private mutating func append(_ number: Int, keepingFaults: Bool = false) {
    let form = forms[number]
    guard !mayLeaveOut(form) else { return }
    let bytes = assembled(form)
    guard program.end == .arrived else { return }
    let before = program.code.count
    machine.place(bytes, at: before)
    program.code += bytes
    let end = machine.step(to: codeEnd)
    if !keepingFaults, case .event(let event) = end, machine.cpu.rip == machine.code + UInt64(before),
      shouldTakeBack(event, form)
    {
      program.code.removeLast(bytes.count)
      machine.cpu[Slot.systemFlags] &= ~RFlags.rf
      if event.vector == ExceptionVector.floatingPoint { prepare([0xdb, 0xe2]) }
      return
    }
    program.offsets.append(before)
    program.owners.append(number)
    program.forms.append(number)
    program.end = end
    program.isApproximate = form.isApproximate
    program.mask = mask(of: form)
    if end == .arrived { coverSelectors(form) }
  }

  /// XSAVEOPT behind XRSTOR of the same area: it leaves out what has not changed since (Intel SDM vol. 1, 13.9), which
  /// is seen if something else has written there. No model of this engine reports it.
  private func mayLeaveOut(_ form: InstructionForm) -> Bool {
    func transfers(_ form: InstructionForm, _ row: UInt8) -> Bool {
      guard form.isStateTransfer, form.opcode == 0xae, case .row(row) = form.modRM else { return false }
      return true
    }
    return transfers(form, 6) && program.forms.contains { transfers(forms[$0], 5) }
  }

  /// FNSTENV, FNSAVE, and FXSAVE and XSAVE without REX.W store selectors that a context switch of the host takes away:
  /// they are overwritten.
  private mutating func coverSelectors(_ form: InstructionForm) {
    guard form.isMemory, case .row(let row) = form.modRM else { return }
    if form.isStateTransfer && form.size == 4 && [0, 4, 6].contains(row) {
      for offset: UInt64 in [12, 20] { prepare(store(0, at: lastTarget + offset, 4)) }
    }
    guard form.handler == .x87, row == 6, form.opcode & ~4 == 0xd9 else { return }
    for offset: UInt64 in form.size == 2 ? [8, 12] : [16, 24] {
      prepare(store(0, at: lastTarget + offset, 2))
    }
  }

  /// Most instructions that fault are taken out again, so that programs get long. That works for those that have
  /// changed nothing.
  private mutating func shouldTakeBack(_ event: FuzzEvent, _ form: InstructionForm) -> Bool {
    guard [0, 12, 13, 14, 16].contains(event.vector), form.family != .strings, form.family != .far else { return false }
    // An exception has written to the stack, or to CR2.
    if machine.mode.endsByHalting || machine.mode.isKernel { return false }
    return !random.chance(10)
  }

  /// An instruction that faults: privileged, or with an operand where there is nothing.
  private mutating func appendFault(_ choice: [Int]) {
    let number: Int
    var bytes: [UInt8]
    if random.chance(25) && !privileged.isEmpty {
      number = privileged[random.below(privileged.count)]
      bytes = assembled(forms[number])
    } else {
      number = choice[random.below(choice.count)]
      isWild = true
      bytes = assembled(forms[number])
      isWild = false
    }
    guard program.end == .arrived else { return }
    let form = forms[number]
    program.offsets.append(program.code.count)
    program.owners.append(number)
    machine.place(bytes, at: program.code.count)
    program.code += bytes
    program.forms.append(number)
    program.mask = mask(of: form)
    program.isApproximate = form.isApproximate
    program.end = machine.step(to: codeEnd)
    if program.end == .arrived { coverSelectors(form) }
  }

  private func mask(of form: InstructionForm) -> OracleMask {
    // QEMU's x87 knows no stack faults.
    if form.handler == .x87 && machine.oracle == .qemu && machine.cpu[Slot.fsw] & 0x40 != 0 {
      return [.x87, .memory, .flags, .registers]
    }
    return machine.oracle.mask(of: form, in: machine.mode).union(learned[form.maskKey(in: machine.mode)] ?? [])
  }

  /// Masks that this run has found (`Emulator.isMeasured`).
  var learned: [String: OracleMask] = [:]
  /// The address of the last memory operand.
  var lastTarget: UInt64 = 0
  /// Where the far transfer being made leads.
  var farGoal: UInt64 = 0
  /// Memory operands are not relative to RIP.
  var avoidsRelative = false
  /// Memory operands are placed where access fails.
  var isWild = false
}
