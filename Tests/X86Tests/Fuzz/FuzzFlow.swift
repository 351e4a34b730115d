internal import NativeOracle
internal import Support

@testable internal import X86

// Branches, strings, and the instructions of the system family.
extension ProgramMaker {
  // MARK: Branches

  /// Comparisons for the branch to depend on; the block builder joins some of them with it.
  private static let comparisons: [[UInt8]] = [
    [0x39, 0xd8], [0x3b, 0xd1], [0x48, 0x39, 0xf7], [0x83, 0xf8, 0x80], [0x3c, 0x7f], [0x85, 0xc9], [0x48, 0x85, 0xff],
    [0xa8, 0x81], [0xff, 0xc9], [0x84, 0xdb], [0x48, 0x83, 0xf9, 1], [0xf7, 0xc2, 0, 0, 0, 0x80],
  ]

  mutating func branch(_ form: InstructionForm) -> [UInt8] {
    if form.handler == .call { prepareStack() }
    if form.handler == .jcc && random.chance(50) {
      // TEST with a 32-bit immediate is another length in 16-bit code.
      let choice = random.below(Self.comparisons.count - (machine.mode.codeSize == Mode.code16 ? 1 : 0))
      prepare(Self.comparisons[choice])
    }
    if form.handler == .loop || form.handler == .jcxz {
      prepare(machine.setup.move(GPR.rcx, random.chance(80) ? UInt64(random.below(4)) : random.interesting()))
      if form.handler == .loop && machine.cpu.rcx > 0 && machine.cpu.rcx < 4 && random.chance(40) {
        // INC EAX, and back to it.
        return [0xff, 0xc0, form.opcode, 0xfc]
      }
    }
    var skipped: [UInt8] = [0x41, 0xb4, UInt8(truncatingIfNeeded: random.next())]  // MOV R12B, imm8
    if form.handler == .jmp || form.handler == .call {
      skipped = (0..<random.below(6)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }
    var made = Assembly(form: form)
    made.immediate = little(UInt64(skipped.count), form.immediateBytes)
    if (form.handler == .loop || form.handler == .jcxz) && random.chance(20) { made.noise = [0x67] }
    return made.bytes(at: codeEnd) + skipped
  }

  /// JMP and CALL through a register or memory, over some bytes.
  mutating func indirectBranch(_ form: InstructionForm) -> [UInt8] {
    // Where both the target and the stack are bad, processors differ in what they find first.
    if form.handler == .callRM {
      let wasWild = isWild
      isWild = false
      prepareStack()
      isWild = wasWild
    }
    var made = Assembly(form: form)
    pickRegisters(&made)
    let skipped = (0..<random.below(6)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    // Before its bytes are known, their number is not: 20 is more than any of these takes, and NOPs fill it up.
    let goal = 48
    if form.isMemory {
      let at = middle()
      let value = codeEnd + UInt64(goal)
      prepare(store(value, at: at, max(form.size, 4)))
      made.memory = memoryOperand(at: isWild ? pickTarget(form) : at)
      return padded(made.bytes(at: codeEnd), to: value, skipped)
    }
    if form.handler == .callRM && made.modRM & 7 == 4 { made.modRM ^= 1 }
    let register = Int(made.modRM & 7 | ((made.rex ?? 0) & 1) << 3)
    let value = codeEnd + UInt64(goal)
    prepare(machine.setup.move(register, isWild ? wildCode(form) : value))
    return padded(made.bytes(at: codeEnd), to: value, skipped)
  }

  /// Where no code is. What 16-bit code can reach of its page is left alone.
  private mutating func wildCode(_ form: InstructionForm) -> UInt64 {
    pickTarget(form) | (machine.mode.codeSize == Mode.code16 ? machine.mode.isReal ? 0x1_0000 : 0x8000 : 0)
  }

  /// Fills up to the target with bytes that are never executed.
  private func padded(_ bytes: [UInt8], to target: UInt64, _ filler: [UInt8]) -> [UInt8] {
    var all = bytes + filler
    while codeEnd + UInt64(all.count) < target { all.append(0xcc) }
    return Array(all.prefix(Int(target - codeEnd)))
  }

  mutating func nearReturn(_ form: InstructionForm) -> [UInt8] {
    prepareStack()
    var made = Assembly(form: form)
    made.immediate = form.immediateBytes == 2 ? little(UInt64(random.below(64)), 2) : []
    let length = made.bytes(at: codeEnd).count
    if !isWild {
      let push = machine.setup.push(0, form.size)
      prepare(machine.setup.push(codeEnd + UInt64(push.count + length), form.size))
    }
    return made.bytes(at: codeEnd)
  }

  // MARK: Strings

  mutating func string(_ form: InstructionForm) -> [UInt8] {
    var made = Assembly(form: form)
    let usesSource = [.movs, .cmps, .lods, .outs].contains(form.handler)
    let usesTarget = form.handler != .lods && form.handler != .outs
    if form.handler == .ins || form.handler == .outs { preparePort() }
    let isFromWild = isWild && random.chance(50)
    let from = isFromWild ? pickTarget(form) : middle()
    // Which operand of CMPS is touched first differs among processors (19h, model 11h: the second): one may fault.
    let isSafe = form.handler == .cmps && isFromWild
    var to = isWild && !isSafe && random.chance(50) ? pickTarget(form) : middle()
    if !isSafe && random.chance(25) { to = from &+ UInt64(bitPattern: Int64(random.below(40) - 20)) }
    if usesSource {
      var address = from
      let number = machine.mode.is64 ? SegmentNumber.gs : random.pick([1, 2, 3, 4, 5])
      let offset =
        machine.mode.is64 ? address &- machine.cpu.segmentBase(SegmentNumber.gs) : offset(of: address, in: number)
      if random.chance(12) && machine.cpu.isCanonical(offset) {
        made.noise = [[0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65][number]]
        address = offset
      }
      prepare(machine.setup.move(GPR.rsi, address))
    }
    if usesTarget {
      prepare(machine.setup.move(GPR.rdi, machine.mode.is64 || isWild ? to : offset(of: to, in: SegmentNumber.es)))
    }
    if form.prefix == 0xf2 || form.prefix == 0xf3 || random.chance(3) {
      let count = isWild ? 3000 : random.chance(10) ? 300 : 40
      prepare(machine.setup.move(GPR.rcx, UInt64(random.below(count))))
      // Equal operands make REPE go on.
      if form.handler == .scas && random.chance(50) { prepare(load(GPR.rax, from: middle())) }
    }
    if form.prefix == nil && random.chance(20) {
      made.noise.append(0xf3)
      // REP with any count would leave the memory, or go round in it.
      if (machine.mode.isKernel || machine.oracle == .qemu) && !isWild {
        prepare(machine.setup.move(GPR.rcx, UInt64(random.below(40))))
      }
    }
    let most: UInt64 = machine.mode.codeSize == Mode.code32 ? 0xffff : 0xffff_ffff
    if machine.cpu.rsi <= most && machine.cpu.rdi <= most && random.chance(10) { made.noise.append(0x67) }
    return made.bytes(at: codeEnd)
  }

  /// DX is a port that the emulator has nothing at.
  mutating func preparePort() {
    guard machine.mode.reachesPorts, machine.oracle == .qemu else { return }
    prepare(machine.setup.move(GPR.rdx, UInt64(0x5000 + 4 * random.below(0x40))))
  }

  // MARK: System family

  mutating func system(_ form: InstructionForm) -> [UInt8] {
    var made = Assembly(form: form)
    pickRegisters(&made)
    if form.immediateBytes > 0 {
      let isReturn = form.systemOperation == .retFar
      made.immediate = little(isReturn ? UInt64(random.below(64)) : random.next(), form.immediateBytes)
      if form.systemOperation == .jmpFar || form.systemOperation == .callFar { return farDirect(form, &made) }
    }
    var target = form.isMemory ? pickTarget(form) : nil
    switch form.systemOperation {
    case .pushf, .pushSegment: prepareStack()
    case .popSegment:
      prepareStack()
      if machine.mode.is64 { prepare(machine.setup.push(UInt64(selector()))) }
      if form.size <= 4 { prepare(machine.setup.push(UInt64(selector()), form.size)) }
    case .popf: preparePoppedFlags(form)
    case .movToSegment, .lar, .lsl, .verr, .verw: prepareSelector(form, made, target)
    case .loadFarPointer:
      if let at = target, !isWild {
        prepare(store(UInt64(selector(forStack: form.opcode == 0xb2)), at: at + UInt64(form.size), 2))
      }
    case .wrfsbase, .wrgsbase: prepareBase(made)
    case .jmpFarIndirect, .callFarIndirect: target = prepareFarTarget(form, target)
    case .retFar, .iret: prepareFarReturn(form, made)
    case .intN:
      // 80h is the way into Linux.
      if made.immediate == [0x80] { made.immediate = [3] }
      // What QEMU's guest ends programs with.
      if machine.mode == .kernel32 && made.immediate == [251] { made.immediate = [3] }
    default: if machine.mode.isKernel { preparePrivileged(form, &made, target) }
    }
    if let target { made.memory = memoryOperand(at: target, avoiding: 1 << UInt64(made.modRM >> 3 & 7)) }
    let bytes = made.bytes(at: codeEnd)
    return form.systemOperation == .jmpFarIndirect || form.systemOperation == .callFarIndirect
      ? farPadded(bytes) : bytes
  }

  /// Without the null selector in SS QEMU's stacks are 64 bits wide, as they always should be.
  private mutating func selector(forStack: Bool = false) -> UInt16 {
    let all = machine.mode.selectors
    return random.pick(
      forStack && machine.oracle == .qemu && machine.mode.is64 ? all.filter { $0 & 0xfffc != 0 } : all)
  }

  /// Selectors that a far transfer refuses. Those of 32-bit code would be taken. In real mode there are none.
  private mutating func wrongCode() -> UInt16 {
    if machine.mode.isKernel { return random.pick(KernelSegment.wrongCode(machine.mode)) }
    return machine.mode.isReal ? machine.mode.codeSelector : random.pick([0, 0x2b, 0x10, 0x38, 0xfff8, 0x0f])
  }

  /// JMP and CALL to an offset and a selector in the instruction.
  private mutating func farDirect(_ form: InstructionForm, _ made: inout Assembly) -> [UInt8] {
    if form.systemOperation == .callFar { prepareStack() }
    let skipped = (0..<random.below(6)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    let length = made.bytes(at: codeEnd).count + skipped.count
    let selector = random.chance(85) ? machine.mode.codeSelector : wrongCode()
    made.immediate = little(codeEnd + UInt64(length), form.immediateBytes - 2) + little(UInt64(selector), 2)
    return made.bytes(at: codeEnd) + skipped
  }

  /// TF would trap after each instruction, AC would make the host check alignment.
  private mutating func preparePoppedFlags(_ form: InstructionForm) {
    prepareStack()
    let image = random.next() & ~0x4_0100 & 0x7fff_ffff
    if machine.mode.is64 { prepare(machine.setup.push(image)) }
    if form.size <= 4 { prepare(machine.setup.push(image, form.size)) }
  }

  private mutating func prepareSelector(_ form: InstructionForm, _ made: Assembly, _ target: UInt64?) {
    let isStack = form.systemOperation == .movToSegment && form.modRM == .row(2)
    prepareOperand(UInt64(selector(forStack: isStack)), made, target)
  }

  /// A word in the register or the memory that the instruction names.
  mutating func prepareOperand(_ value: UInt64, _ made: Assembly, _ target: UInt64?) {
    if let target {
      if !isWild { prepare(store(value, at: target, 2)) }
    } else {
      prepare(machine.setup.move(Int(made.modRM & 7 | ((made.rex ?? 0) & 1) << 3), value | random.next() << 16))
    }
  }

  private mutating func prepareBase(_ made: Assembly) {
    let register = Int(made.modRM & 7 | ((made.rex ?? 0) & 1) << 3)
    let value = random.chance(50) ? middle() : random.chance(80) ? random.next() & 0x7fff_ffff_ffff : random.next()
    prepare(machine.setup.move(register, value))
  }

  private static var farDistance: Int { 60 }

  /// A far pointer in memory to a place behind the instruction.
  private mutating func prepareFarTarget(_ form: InstructionForm, _ target: UInt64?) -> UInt64? {
    guard let at = target, !isWild else { return target }
    if form.systemOperation == .callFarIndirect { prepareStack() }
    let goal = machine.code + UInt64(program.code.count + Self.farDistance + 20)
    farGoal = goal
    prepare(store(goal, at: at, form.size == 2 ? 2 : form.size))
    prepare(
      store(
        UInt64(random.chance(85) ? machine.mode.codeSelector : wrongCode()), at: at + UInt64(form.size), 2))
    return at
  }

  private func farPadded(_ bytes: [UInt8]) -> [UInt8] {
    guard farGoal > codeEnd + UInt64(bytes.count), farGoal - codeEnd < 200 else { return bytes }
    return bytes + [UInt8](repeating: 0xcc, count: Int(farGoal - codeEnd) - bytes.count)
  }

  /// Frames for RETF and IRET that lead behind them.
  private mutating func prepareFarReturn(_ form: InstructionForm, _ made: Assembly) {
    // Which word of a frame that cannot be read is read first differs among processors.
    isWild = false
    prepareStack()
    let size = UInt64(form.size)
    let top = middle()
    let isReturn = form.systemOperation == .retFar
    // The stores and the move behind them have known lengths: place them first, then the address.
    let selectorValue = UInt64(random.chance(90) ? machine.mode.codeSelector : wrongCode())
    prepare(store(selectorValue, at: top + size, min(Int(size), 8)))
    if !isReturn {
      prepare(store(random.next() & 0x204ed5, at: top + 2 * size, Int(size)))
      prepare(store(middle(), at: top + 3 * size, Int(size)))
      let usual = machine.mode.isKernel ? machine.mode.dataSelector(SegmentNumber.ss) : FuzzMachine.dataSelector
      let stack = UInt64(random.chance(90) ? usual : selector(forStack: true))
      prepare(store(stack, at: top + 4 * size, Int(size)))
    }
    prepare(machine.setup.move(GPR.rsp, stackOffset(top)))
    let preparation = store(0, at: top, Int(size))
    let length = made.bytes(at: codeEnd).count
    prepare(store(codeEnd + UInt64(preparation.count + length), at: top, Int(size)))
  }
}
