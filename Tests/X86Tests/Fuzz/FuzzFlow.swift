internal import NativeOracle
internal import Support

@testable internal import X86

// Branches, strings, and the instructions of the system family.
extension ProgramMaker {
  // MARK: Branches

  /// Comparisons for the branch to depend on; the block builder joins some of them with it.
  private static let comparisons: [[UInt8]] = [
    [0x39, 0xd8], [0x3b, 0xd1], [0x48, 0x39, 0xf7], [0x83, 0xf8, 0x80], [0x3c, 0x7f], [0x85, 0xc9], [0x48, 0x85, 0xff],
    [0xa8, 0x81], [0xf7, 0xc2, 0, 0, 0, 0x80], [0xff, 0xc9], [0x84, 0xdb], [0x48, 0x83, 0xf9, 1],
  ]

  mutating func branch(_ form: InstructionForm) -> [UInt8] {
    if form.handler == .call { prepareStack() }
    if form.handler == .jcc && random.chance(50) {
      prepare(Self.comparisons[random.below(Self.comparisons.count)])
    }
    if form.handler == .loop || form.handler == .jcxz {
      prepare(Setup.move(GPR.rcx, random.chance(80) ? UInt64(random.below(4)) : random.interesting()))
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
      prepare(Setup.store(value, at: at, 8))
      made.memory = memoryOperand(at: isWild ? pickTarget(form) : at)
      return padded(made.bytes(at: codeEnd), to: value, skipped)
    }
    if form.handler == .callRM && made.modRM & 7 == 4 { made.modRM ^= 1 }
    let register = Int(made.modRM & 7 | ((made.rex ?? 0) & 1) << 3)
    let value = codeEnd + UInt64(goal)
    prepare(Setup.move(register, isWild ? pickTarget(form) : value))
    return padded(made.bytes(at: codeEnd), to: value, skipped)
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
    // PUSH imm32 is 5 bytes long.
    if !isWild { prepare(Setup.push(codeEnd + UInt64(5 + length))) }
    return made.bytes(at: codeEnd)
  }

  // MARK: Strings

  mutating func string(_ form: InstructionForm) -> [UInt8] {
    var made = Assembly(form: form)
    let usesSource = [.movs, .cmps, .lods].contains(form.handler)
    let usesTarget = form.handler != .lods
    let isFromWild = isWild && random.chance(50)
    let from = isFromWild ? pickTarget(form) : middle()
    // Which operand of CMPS is touched first differs among processors (19h, model 11h: the second): one may fault.
    let isSafe = form.handler == .cmps && isFromWild
    var to = isWild && !isSafe && random.chance(50) ? pickTarget(form) : middle()
    if !isSafe && random.chance(25) { to = from &+ UInt64(bitPattern: Int64(random.below(40) - 20)) }
    if usesSource {
      var address = from
      let offset = address &- machine.cpu.segmentBase(SegmentNumber.gs)
      if random.chance(12) && machine.cpu.isCanonical(offset) {
        made.noise = [0x65]
        address = offset
      }
      prepare(Setup.move(GPR.rsi, address))
    }
    if usesTarget { prepare(Setup.move(GPR.rdi, to)) }
    if form.prefix == 0xf2 || form.prefix == 0xf3 || random.chance(3) {
      let most = isWild ? 3000 : random.chance(10) ? 300 : 40
      prepare(Setup.move(GPR.rcx, UInt64(random.below(most))))
      // Equal operands make REPE go on.
      if form.handler == .scas && random.chance(50) { prepare(Setup.load(GPR.rax, from: middle())) }
    }
    if form.prefix == nil && random.chance(20) { made.noise.append(0xf3) }
    if machine.cpu.rsi <= 0xffff_ffff && machine.cpu.rdi <= 0xffff_ffff && random.chance(10) { made.noise.append(0x67) }
    return made.bytes(at: codeEnd)
  }

  // MARK: System family

  mutating func system(_ form: InstructionForm) -> [UInt8] {
    var made = Assembly(form: form)
    pickRegisters(&made)
    if form.immediateBytes > 0 {
      let isReturn = form.systemOperation == .retFar
      made.immediate = little(isReturn ? UInt64(random.below(64)) : random.next(), form.immediateBytes)
    }
    var target = form.isMemory ? pickTarget(form) : nil
    switch form.systemOperation {
    case .pushf, .pushSegment: prepareStack()
    case .popSegment:
      prepareStack()
      prepare(Setup.push(UInt64(selector())))
      if form.size == 2 { prepare([0x66, 0x68] + little(UInt64(selector()), 2)) }
    case .popf: preparePoppedFlags(form)
    case .movToSegment, .lar, .lsl, .verr, .verw: prepareSelector(form, made, target)
    case .loadFarPointer:
      if let at = target, !isWild { prepare(Setup.store(UInt64(selector()), at: at + UInt64(form.size), 2)) }
    case .wrfsbase, .wrgsbase: prepareBase(made)
    case .jmpFarIndirect, .callFarIndirect: target = prepareFarTarget(form, target)
    case .retFar, .iret: prepareFarReturn(form, made)
    case .intN:
      // 80h is the way into Linux.
      if made.immediate == [0x80] { made.immediate = [3] }
    default: break
    }
    if let target { made.memory = memoryOperand(at: target, avoiding: 1 << UInt64(made.modRM >> 3 & 7)) }
    let bytes = made.bytes(at: codeEnd)
    return form.systemOperation == .jmpFarIndirect || form.systemOperation == .callFarIndirect
      ? farPadded(bytes) : bytes
  }

  /// The null selector, the user's own, and some that do not exist or are the kernel's. Null selectors with an RPL are
  /// left out: a register loses it when the host is interrupted.
  private mutating func selector() -> UInt16 {
    random.pick([0, 0, 0x2b, 0x2b, 0x28, 0x29, 0x23, 0x33, 0x30, 0x10, 0x08, 0x38, 0x53, 0x73, 0xfff8, 0x2f])
  }

  /// Selectors that a far transfer refuses. Those of 32-bit code would be taken.
  private mutating func wrongCode() -> UInt16 { random.pick([0, 0x2b, 0x10, 0x38, 0xfff8, 0x2f]) }

  /// TF would trap after each instruction, AC would make the host check alignment.
  private mutating func preparePoppedFlags(_ form: InstructionForm) {
    prepareStack()
    let image = random.next() & ~0x4_0100 & 0x7fff_ffff
    prepare(Setup.push(image))
    if form.size == 2 { prepare([0x66, 0x68] + little(image, 2)) }
  }

  private mutating func prepareSelector(_ form: InstructionForm, _ made: Assembly, _ target: UInt64?) {
    let value = UInt64(selector())
    if let target {
      if !isWild { prepare(Setup.store(value, at: target, 2)) }
    } else {
      prepare(Setup.move(Int(made.modRM & 7 | ((made.rex ?? 0) & 1) << 3), value | random.next() << 16))
    }
  }

  private mutating func prepareBase(_ made: Assembly) {
    let register = Int(made.modRM & 7 | ((made.rex ?? 0) & 1) << 3)
    let value = random.chance(50) ? middle() : random.chance(80) ? random.next() & 0x7fff_ffff_ffff : random.next()
    prepare(Setup.move(register, value))
  }

  private static var farDistance: Int { 60 }

  /// A far pointer in memory to a place behind the instruction.
  private mutating func prepareFarTarget(_ form: InstructionForm, _ target: UInt64?) -> UInt64? {
    guard let at = target, !isWild else { return target }
    if form.systemOperation == .callFarIndirect { prepareStack() }
    let goal = FuzzMachine.code + UInt64(program.code.count + Self.farDistance + 20)
    farGoal = goal
    prepare(Setup.store(goal, at: at, form.size == 2 ? 2 : form.size))
    prepare(
      Setup.store(UInt64(random.chance(85) ? FuzzMachine.codeSelector : wrongCode()), at: at + UInt64(form.size), 2))
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
    let selectorValue = UInt64(random.chance(90) ? FuzzMachine.codeSelector : wrongCode())
    prepare(Setup.store(selectorValue, at: top + size, min(Int(size), 8)))
    if !isReturn {
      prepare(Setup.store(random.next() & 0x204ed5, at: top + 2 * size, Int(size)))
      prepare(Setup.store(middle(), at: top + 3 * size, Int(size)))
      let stack = UInt64(random.chance(90) ? FuzzMachine.dataSelector : selector())
      prepare(Setup.store(stack, at: top + 4 * size, Int(size)))
    }
    prepare(Setup.move(GPR.rsp, top))
    let store = Setup.store(0, at: top, Int(size))
    let length = made.bytes(at: codeEnd).count
    prepare(Setup.store(codeEnd + UInt64(store.count + length), at: top, Int(size)))
  }
}
