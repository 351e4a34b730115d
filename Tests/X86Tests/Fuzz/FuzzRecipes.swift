internal import NativeOracle
internal import Support

@testable internal import X86

// What each kind of instruction needs in order to be more than a fault.
extension ProgramMaker {
  /// The bytes of one instruction of the form, to lie at the end of the program; may prepare for it first.
  mutating func assemble(_ form: InstructionForm) -> [UInt8] {
    switch form.handler {
    case .jmp, .jcc, .call, .loop, .jcxz: return branch(form)
    case .jmpRM, .callRM: return indirectBranch(form)
    case .ret: return nearReturn(form)
    case .movs, .cmps, .stos, .lods, .scas: return string(form)
    case .ins, .outs:
      if machine.mode.reachesPorts { return string(form) }
    case .system: return system(form)
    default: break
    }
    // Which part of a large operand is touched first differs among processors.
    if form.isStateTransfer || form.isEnvironment { isWild = false }
    var made = Assembly(form: form)
    pickRegisters(&made)
    var target: UInt64?
    if form.isMemory { target = pickTarget(form) }
    prepareImplied(form, &made, &target)
    if form.immediateBytes > 0 { made.immediate = immediate(form) }
    // QEMU forgets the immediate behind an address relative to RIP.
    avoidsRelative = form.handler == .doubleShiftImm && machine.oracle.isEmulator
    if let target { made.memory = memoryOperand(at: target, avoiding: registersUsed(made)) }
    avoidsRelative = false
    made.locked = form.isLockable && random.chance(20)
    addNoise(&made)
    return made.bytes(at: codeEnd)
  }

  // MARK: Operands

  /// ModRM, REX and VEX.vvvv by chance, as far as the form leaves them open.
  mutating func pickRegisters(_ made: inout Assembly) {
    let form = made.form
    if form.isVEX {
      made.rex = UInt8(random.below(8)) & (form.isMemory ? 4 : 5)
      // RORX has no third operand.
      if form.handler != .rorx { made.register = UInt8(random.below(machine.mode.is64 ? 16 : 8)) }
      if !machine.mode.is64 { made.rex = nil }
    } else if machine.mode.is64 && random.chance(35) {
      made.rex = UInt8(random.below(2)) << 2 | (form.isMemory ? 0 : UInt8(random.below(2)))
      // QEMU takes MM0 to MM7 with REX.R or REX.B for registers that do not exist.
      if form.family == .mmx && machine.oracle.isEmulator { made.rex = nil }
      // XCHG with R8 is no NOP.
      if form.map == 0 && form.opcode == 0x90 { made.rex = form.handler == .nop ? 0 : 1 }
    }
    switch form.modRM {
    case .none: break
    case .any: made.modRM = 0xc0 | UInt8(random.below(64))
    case .row(let row): made.modRM = 0xc0 | row << 3 | UInt8(random.below(8))
    case .exact(let byte): made.modRM = byte
    }
    if case .row = form.modRM { made.rex = made.rex.map { $0 & ~4 } }
  }

  /// The registers that the instruction names: their values must not change any more.
  private func registersUsed(_ made: Assembly) -> UInt64 {
    let reg = made.modRM >> 3 & 7 | ((made.rex ?? 0) & 4) << 1
    var used: UInt64 = 1 << UInt64(reg) | 1 << UInt64(made.register)
    switch made.form.handler {
    // RAX, RCX, RDX, RBX.
    case .cmpxchg, .cmpxchg8b, .mulRM, .imulRM, .divRM, .idivRM, .mulx: used |= 0xf
    case .vector where made.form.isStateTransfer || made.form.map == 3: used |= 0xf
    case .shiftRMCL, .doubleShiftCL: used |= 2
    default: break
    }
    return used
  }

  private mutating func immediate(_ form: InstructionForm) -> [UInt8] {
    switch form.handler {
    case .inImm, .outImm: return [machine.unusedPort(random.below(0x100))]
    case .enter:
      let level = random.chance(70) ? random.below(2) : random.below(6)
      return little(UInt64(random.below(300)), 2) + [UInt8(level)]
    // MOV between the accumulator and an absolute address.
    case .movRegRM where form.modRM == .none, .movRMReg where form.modRM == .none:
      return little(pickTarget(form), form.immediateBytes)
    default: return little(random.interesting(), form.immediateBytes)
    }
  }

  /// Prefixes without a meaning.
  private mutating func addNoise(_ made: inout Assembly) {
    guard random.chance(6) else { return }
    let form = made.form
    if form.handler == .vector {
      if form.prefix == 0xf3 || form.prefix == 0xf2 { made.noise = [0x66] }
    } else if !form.isVEX && form.prefix == nil && form.map != 2 && ![.bsf, .bsr, .nop, .touch].contains(form.handler) {
      made.noise = [[0x2e], [0x3e], [0xf3], [0xf2]][random.below(4)]
      if made.locked || form.isLockable { made.noise = [] }
      // In other than 64-bit code these mean CS and DS.
      if !machine.mode.is64 && made.noise.first.map({ $0 < 0xf0 }) == true { made.noise = [] }
    }
  }

  // MARK: Implied operands

  private mutating func prepareImplied(_ form: InstructionForm, _ made: inout Assembly, _ target: inout UInt64?) {
    switch form.handler {
    case .pushRM, .pushImm, .popRM, .pushAll, .popAll, .enter: prepareStack()
    case .inDX, .outDX: preparePort()
    case .leave:
      if !isWild { prepare(machine.setup.move(GPR.rbp, stackOffset(middle()))) }
    case .xlat:
      let at = isWild ? pickTarget(form) : middle()
      prepare(machine.setup.move(GPR.rbx, at &- machine.cpu.rax & 0xff))
    case .divRM, .idivRM: prepareDividend(form)
    case .cmpxchg: prepareComparand(form, target)
    case .cmpxchg8b:
      if let target, !isWild, random.chance(60) {
        prepare(load(GPR.rax, from: target))
        prepare(load(GPR.rdx, from: target + UInt64(form.size)))
      }
    case .bitReg where form.isMemory: reachBit(made, form, &target)
    case .vector: prepareVector(form, target)
    case .x87: prepareX87(form, target)
    default: break
    }
    if form.handler == .enter && !isWild { prepare(machine.setup.move(GPR.rbp, stackOffset(middle()))) }
  }

  /// RSP in the operand area, or where access fails.
  mutating func prepareStack() {
    if isWild {
      prepare(machine.setup.move(GPR.rsp, pickTarget(forms[0])))
      return
    }
    let pointer = machine.cpu.rsp & machine.cpu.stackMask
    let depth = pointer &- stackOffset(machine.area)
    if depth < 1024 || depth > 7000 { prepare(machine.setup.move(GPR.rsp, stackOffset(middle()))) }
  }

  /// The offset in SS of what lies at an offset in DS.
  func stackOffset(_ target: UInt64) -> UInt64 {
    machine.mode.is64 ? target : offset(of: target, in: SegmentNumber.ss)
  }

  /// A dividend whose upper half is mostly small enough.
  private mutating func prepareDividend(_ form: InstructionForm) {
    guard random.chance(80) else { return }
    if form.size == 1 {
      prepare(random.chance(50) ? [0x66, 0x98] : [0x0f, 0xb6, 0xc0])  // CBW; MOVZX EAX, AL
    } else {
      prepare(random.chance(50) ? [0x48, 0x99] : [0x31, 0xd2])  // CQO; XOR EDX, EDX
    }
  }

  private mutating func prepareComparand(_ form: InstructionForm, _ target: UInt64?) {
    guard let target, !isWild, random.chance(50) else { return }
    prepare(load(GPR.rax, from: target))
  }

  /// Moves the operand's base so that the bit lies in the area.
  private mutating func reachBit(_ made: Assembly, _ form: InstructionForm, _ target: inout UInt64?) {
    guard let wanted = target else { return }
    let number = Int(made.modRM >> 3 & 7 | ((made.rex ?? 0) & 4) << 1)
    let bits = UInt64(8 * form.size)
    let value = machine.cpu.signExtended(machine.cpu.gpr(number), form.size)
    let words = UInt64(bitPattern: Int64(bitPattern: value) >> Int64(bits.trailingZeroBitCount))
    target = wanted &- words &* UInt64(form.size)
    if !machine.mode.is64 { target = (wanted &- words &* UInt64(form.size)) & 0xffff_ffff }
  }

  private mutating func prepareVector(_ form: InstructionForm, _ target: UInt64?) {
    if form.isStateTransfer { return prepareStateTransfer(form, target) }
    if form.map == 1 && form.opcode == 0xf7 {
      prepare(machine.setup.move(GPR.rdi, isWild ? pickTarget(form) : middle()))
    }
    // Lengths of PCMPESTRM and PCMPESTRI.
    if form.map == 3 && (form.opcode == 0x60 || form.opcode == 0x61) && random.chance(60) {
      prepare(machine.setup.move(GPR.rax, UInt64(bitPattern: Int64(random.below(40) - 20))))
      prepare(machine.setup.move(GPR.rdx, UInt64(bitPattern: Int64(random.below(40) - 20))))
    }
  }

  /// Areas that FXRSTOR, XRSTOR and LDMXCSR accept, and the components that XSAVE is asked for.
  private mutating func prepareStateTransfer(_ form: InstructionForm, _ target: UInt64?) {
    guard case .row(let row) = form.modRM, let target else { return }
    if row >= 4 && row <= 6 {
      prepare(machine.setup.move(GPR.rax, UInt64(random.below(4))))
      prepare(machine.setup.move(GPR.rdx, 0))
    }
    guard !isWild else { return }
    // QEMU takes MXCSR.MM, which is not there, and never notes denormal operands.
    let misaligned: UInt64 = random.chance(20) && !machine.oracle.isEmulator ? 0x20000 : 0
    let control =
      UInt64(SSEControl(from: &source).word | UInt32(random.below(64))) | misaligned
      | (random.chance(85) ? 0x1f80 : 0) | (machine.oracle == .qemu ? 2 : 0)
    switch row {
    case 1:
      if random.chance(95) { prepare(store(control, at: target + 24, 4)) }
    case 2:
      if random.chance(95) { prepare(store(control, at: target, 4)) }
    case 5:
      prepare(store(control, at: target + 24, 4))
      // Components in their initial state are not used: the host's XSAVE would tell.
      prepare(store(random.chance(95) ? 3 : 0x108, at: target + 512, 8))
      for offset in stride(from: UInt64(520), to: 576, by: 8) {
        prepare(store(0, at: target + offset, 8))
      }
    default: break
    }
  }

  /// Environments that do not unmask everything, and control words likewise.
  private mutating func prepareX87(_ form: InstructionForm, _ target: UInt64?) {
    guard case .row(let row) = form.modRM, let target, !isWild, random.chance(85) else { return }
    let control = UInt64(X87Control(from: &source).word | 0x3f)
    if form.opcode == 0xd9 && (row == 4 || row == 5) || form.opcode == 0xdd && row == 4 {
      prepare(store(control, at: target, 2))
    }
  }
}
