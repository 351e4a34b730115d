internal import NativeOracle
internal import Support
internal import VMMCore

@testable internal import X86

// What instructions of CPL 0 need, in order to do something that the program outlives.
extension ProgramMaker {
  mutating func preparePrivileged(_ form: InstructionForm, _ made: inout Assembly, _ target: UInt64?) {
    guard case .row(let row) = form.modRM else { return prepareImplied(form) }
    switch form.systemOperation {
    case .movToCR, .movFromCR:
      // CR8.
      if row == 0 && machine.mode.is64 && random.chance(30) { made.rex = (made.rex ?? 0) | 4 }
      if form.systemOperation == .movToCR { move(controlValue((made.rex ?? 0) & 4 != 0 ? 8 : row), to: made) }
    case .movToDR: move(debugValue(row), to: made)
    case .lgdt, .lidt: prepareTable(form, target)
    // PE cannot be cleared.
    case .lmsw: prepareOperand(random.next() & 0xffff, made, target)
    case .lldt, .ltr:
      let all = KernelSegment.systemSelectors(machine.mode)
      // QEMU takes a null selector for TR.
      let usable = form.systemOperation == .ltr && machine.oracle.isEmulator ? all.filter { $0 & 0xfffc != 0 } : all
      prepareOperand(UInt64(random.pick(usable)), made, target)
    default: prepareImplied(form)
    }
  }

  private mutating func move(_ value: UInt64, to made: Assembly) {
    prepare(machine.setup.move(Int(made.modRM & 7 | ((made.rex ?? 0) & 1) << 3), value))
  }

  // MARK: Registers

  /// Bits that the program outlives. What must be refused an emulator may take: it is not offered any.
  private mutating func controlValue(_ number: UInt8) -> UInt64 {
    let cpu = machine.cpu
    let isFree = !machine.oracle.isEmulator
    switch number {
    case 0:
      let usual = CR0.mp | CR0.em | CR0.ts | CR0.ne | CR0.wp | CR0.am
      let refused = isFree && random.chance(20) ? random.pick([CR0.nw, CR0.cd, CR0.nw | CR0.cd]) : 0
      return cpu.cr0 ^ random.next() & random.next() & usual ^ refused
    case 2: return random.chance(50) ? middle() : random.interesting()
    case 3: return machine.mode.is64 ? machine.base.cr3 | random.next() & 0x18 : random.next() & 0xffff_f018
    case 4:
      var usual = CR4.tsd | CR4.de | CR4.pse | CR4.pge | CR4.pce | CR4.osfxsr | CR4.osxmmexcpt | CR4.fsgsbase
      usual |= CR4.osxsave | CR4.smep | CR4.smap
      if !machine.mode.is64 { usual |= CR4.pae }
      let refused = isFree && random.chance(20) ? random.pick([CR4.pcide, 1 << 13, 1 << 31, CR4.pae]) : 0
      return cpu.cr4 ^ random.next() & random.next() & usual ^ refused
    case 8: return UInt64(random.below(isFree ? 20 : 16))
    default: return random.interesting()
    }
  }

  /// No breakpoint is enabled.
  private mutating func debugValue(_ number: UInt8) -> UInt64 {
    switch number {
    // QEMU keeps a bit that is always clear.
    case 4 where machine.oracle.isEmulator, 6 where machine.oracle.isEmulator: random.next() & 0xffff_efff
    case 0...3: random.next() & (machine.mode.is64 ? 0x7fff_ffff_ffff : 0xffff_ffff)
    case 5, 7: random.next() & 0xffff_0000 | 0x400
    default: random.next() & 0xffff_ffff
    }
  }

  /// The same table, with other limits.
  private mutating func prepareTable(_ form: InstructionForm, _ target: UInt64?) {
    guard let target else { return }
    let isGlobal = form.systemOperation == .lgdt
    let table = isGlobal ? machine.base.gdtr : machine.base.idtr
    let limit = random.chance(50) ? UInt64(table.limit) : isGlobal ? 0xa7 : 0xffff
    prepare(store(limit, at: target, 2))
    prepare(store(table.base & 0xffff_ffff, at: target + 2, 4))
    if machine.mode.is64 { prepare(store(table.base >> 32, at: target + 6, 4)) }
  }

  // MARK: What is not named

  private mutating func prepareImplied(_ form: InstructionForm) {
    switch form.systemOperation {
    case .rdmsr, .wrmsr: prepareModelRegister(writes: form.systemOperation == .wrmsr)
    case .xgetbv, .xsetbv:
      prepare(machine.setup.move(GPR.rcx, random.chance(85) ? 0 : 5))
      if form.systemOperation == .xsetbv {
        prepare(machine.setup.move(GPR.rax, random.pick([3, 3, 1, 0, 2])))
        prepare(machine.setup.move(GPR.rdx, 0))
      }
    case .sysexit where machine.mode.is64:
      prepare(machine.setup.move(GPR.rcx, middle()))
      prepare(machine.setup.move(GPR.rdx, middle()))
    case .sysret:
      prepare(machine.setup.move(GPR.rcx, middle()))
      if machine.mode.is64 { prepare(machine.setup.move(11, random.next() & UInt64(NATIVE_FLAGS))) }
    default: break
    }
  }

  private mutating func prepareModelRegister(writes: Bool) {
    let register = random.pick(SystemValues.registers(machine.mode))
    prepare(machine.setup.move(GPR.rcx, UInt64(register.number)))
    guard writes else { return }
    let value: UInt64
    switch register.number {
    case ModelRegister.efer: value = machine.cpu[Slot.efer] ^ random.next() & (EFER.sce | EFER.nxe)
    case ModelRegister.pat:
      value = (0..<8).reduce(0) { value, _ in value << 8 | random.pick([0, 1, 4, 5, 6, 7]) }
    case ModelRegister.star: value = random.next()
    case ModelRegister.sfmask: value = random.next() & 0xffff_ffff
    case ModelRegister.sysenterCS: value = random.next() & 0xffff
    default:
      let canonical = UInt64(bitPattern: Int64(bitPattern: random.next()) >> 17)
      // AMD's processors cut the addresses of SYSENTER short instead of refusing them, as emulators do.
      let isRefused = ![ModelRegister.sysenterESP, ModelRegister.sysenterEIP].contains(register.number)
      value = !machine.oracle.isEmulator && isRefused && random.chance(20) ? random.next() : canonical
    }
    prepare(machine.setup.move(GPR.rax, value & 0xffff_ffff))
    prepare(machine.setup.move(GPR.rdx, value >> 32))
  }
}
