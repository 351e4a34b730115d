internal import VMMCore

extension CPU {
  /// The escapes D8 … DF, and FWAIT (9B): `op.opcode` and `op.modRM` say which.
  @inline(never)
  func executeX87(_ op: Op) -> Bool {
    if op.opcode == 0x9b {
      if cr0 & (CR0.mp | CR0.ts) == CR0.mp | CR0.ts { return raise(ExceptionVector.deviceNotAvailable) }
      return checkX87Pending()
    }
    if cr0 & (CR0.em | CR0.ts) != 0 {
      return UndefinedX87.contains(op) ? raiseUndefined() : raise(ExceptionVector.deviceNotAvailable)
    }
    return X87Unit(self).execute(op)
  }

  /// Where an unmasked x87 exception waits: #MF, or with CR0.NE clear the signal FERR#, of which the board makes an
  /// interrupt (Intel SDM vol. 1, 8.7.2).
  @inline(__always)
  func checkX87Pending() -> Bool {
    if s[Slot.fsw] & UInt64(X87Status.summary) == 0 { return true }
    return cr0 & CR0.ne != 0 ? raise(ExceptionVector.floatingPoint) : signalX87Error()
  }

  /// Leaves the run, once for each error, before the instruction that finds it, so that the interrupt comes there. When
  /// it does not come, the instruction is executed (a CPU would wait).
  @inline(never)
  private func signalX87Error() -> Bool {
    guard s[SystemSlot.reportsX87Errors] != 0, s[SystemSlot.hasX87Error] == 0 else { return true }
    s[SystemSlot.hasX87Error] = 1
    s[SystemSlot.x87Errors] &+= 1
    core.kick()
    s[Slot.exitKind] = ExitKind.pause
    return false
  }
}

extension X87Unit {
  /// How an instruction leaves its marks: those that compute note where they were.
  private enum Kind {
    case computing, administrative
  }

  func execute(_ op: Op) -> Bool {
    if isControl(op) { return executeControl(op) }
    if cpu.s[Slot.fsw] & UInt64(X87Status.summary) != 0 {
      guard !UndefinedX87.contains(op) else { return cpu.raiseUndefined() }
      guard cpu.checkX87Pending() else { return false }
    }
    let done = op.isMemory ? executeMemory(op) : executeRegister(op)
    if done { notePlace(op) }
    return done
  }

  /// FOP, FIP and FDP.
  private func notePlace(_ op: Op) {
    cpu.s[Slot.fip] = op.rip
    let isError = cpu.s[Slot.fsw] & UInt64(X87Status.summary) != 0
    guard isError || !cpu.does(.notesX87OperandsOfErrors) else { return }
    cpu.s[Slot.fop] = UInt64(op.opcode & 7) << 8 | UInt64(op.modRM)
    if op.isMemory { cpu.s[Slot.fdp] = cpu.effectiveOffset(op) }
  }

  private func executeMemory(_ op: Op) -> Bool {
    let row = op.modRMReg
    switch op.opcode {
    case 0xd8: return arithmetic(row, loadSingle(op))
    case 0xdc: return arithmetic(row, loadDouble(op))
    case 0xda: return arithmetic(row, loadInteger(op, UInt32.self))
    case 0xde: return arithmetic(row, loadInteger(op, UInt16.self))
    case 0xd9:
      switch row {
      case 0: return load(loadSingle(op))
      case 2: return store(op, .single, pops: false)
      case 3: return store(op, .single, pops: true)
      default: return cpu.raiseUndefined()
      }
    case 0xdb:
      switch row {
      case 0: return load(loadInteger(op, UInt32.self))
      case 1: return storeInteger(op, UInt32.self, pops: true, truncating: true)
      case 2: return storeInteger(op, UInt32.self, pops: false)
      case 3: return storeInteger(op, UInt32.self, pops: true)
      case 5: return loadExtended(op)
      case 7: return storeExtended(op)
      default: return cpu.raiseUndefined()
      }
    case 0xdd:
      switch row {
      case 0: return load(loadDouble(op))
      case 1: return storeInteger(op, UInt64.self, pops: true, truncating: true)
      case 2: return store(op, .double, pops: false)
      case 3: return store(op, .double, pops: true)
      default: return cpu.raiseUndefined()
      }
    default:
      switch row {
      case 0: return load(loadInteger(op, UInt16.self))
      case 1: return storeInteger(op, UInt16.self, pops: true, truncating: true)
      case 2: return storeInteger(op, UInt16.self, pops: false)
      case 3: return storeInteger(op, UInt16.self, pops: true)
      case 4: return loadDecimal(op)
      case 5: return load(loadInteger(op, UInt64.self))
      case 6: return storeDecimal(op)
      default: return storeInteger(op, UInt64.self, pops: true)
      }
    }
  }

  private func executeRegister(_ op: Op) -> Bool {
    let row = op.modRMReg
    let position = Int(op.modRMRM)
    switch op.opcode {
    case 0xd8: return row & 6 == 2 ? compareStack(position, pops: row == 3 ? 1 : 0) : binary(row, position, toTop: true)
    case 0xd9: return executeD9(row, position)
    case 0xda:
      if op.modRM == 0xe9 { return compareStack(1, quiet: true, pops: 2) }
      return row < 4 ? conditionalMove(row, position, negated: false) : cpu.raiseUndefined()
    case 0xdb:
      if row == 5 || row == 6 { return compareToFlags(position, quiet: row == 5, pops: false) }
      return row < 4 ? conditionalMove(row, position, negated: true) : cpu.raiseUndefined()
    case 0xdc:
      if row & 6 == 2 { return compareStack(position, pops: row == 3 ? 1 : 0) }
      return binary(row, position, toTop: false)
    case 0xdd: return executeDD(row, position)
    case 0xde:
      if row == 2 { return compareStack(position, pops: 1) }
      if row == 3 { return op.modRM == 0xd9 ? compareStack(1, pops: 2) : cpu.raiseUndefined() }
      return binary(row, position, toTop: false, pops: true)
    default: return executeDF(row, position)
    }
  }

  private func executeDD(_ row: UInt8, _ position: Int) -> Bool {
    switch row {
    case 0: return release(position, pops: false)
    case 1: return exchange(position)
    case 2: return copy(to: position, pops: false)
    case 3: return copy(to: position, pops: true)
    case 4: return compareStack(position, quiet: true, pops: 0)
    case 5: return compareStack(position, quiet: true, pops: 1)
    default: return cpu.raiseUndefined()
    }
  }

  private func executeDF(_ row: UInt8, _ position: Int) -> Bool {
    switch row {
    case 0: return release(position, pops: true)
    case 1: return exchange(position)
    case 2, 3: return copy(to: position, pops: true)
    case 5: return compareToFlags(position, quiet: true, pops: true)
    case 6: return compareToFlags(position, quiet: false, pops: true)
    default: return cpu.raiseUndefined()
    }
  }

  private func executeD9(_ row: UInt8, _ position: Int) -> Bool {
    switch row {
    case 0: return loadRegister(position)
    case 1: return exchange(position)
    case 2: return position == 0 ? true : cpu.raiseUndefined()
    case 3: return copyUnchecked(to: position)
    case 4: return executeUnary(position)
    case 5: return position < 7 ? loadConstant(position) : cpu.raiseUndefined()
    case 6: return executeFunctions0(position)
    default: return executeFunctions1(position)
    }
  }

  /// D9 E0 … E7.
  private func executeUnary(_ position: Int) -> Bool {
    switch position {
    case 0: return changeSign { $0.negated }
    case 1: return changeSign { $0.magnitude }
    case 4: return test()
    case 5:
      examine()
      return true
    default: return cpu.raiseUndefined()
    }
  }

  /// D9 F0 … F7.
  private func executeFunctions0(_ position: Int) -> Bool {
    if position < 4 { cpu.note(.result(.transcendentals)) }
    switch position {
    case 0: return unary { $1.powerMinusOne($0) }
    case 1: return binaryPopping { $2.logarithm($0, times: $1) }
    case 2: return partialTangent()
    case 3: return binaryPopping { $2.arctangent($1, over: $0) }
    case 4: return extract()
    case 5: return remainder(ieee: true)
    case 6:
      step(-1)
      return true
    default:
      step(1)
      return true
    }
  }

  /// D9 F8 … FF.
  private func executeFunctions1(_ position: Int) -> Bool {
    if [1, 3, 6, 7].contains(position) { cpu.note(.result(.transcendentals)) }
    switch position {
    case 0: return remainder(ieee: false)
    case 1: return binaryPopping { $2.logarithmPlusOne($0, times: $1) }
    case 2: return unary { $1.squareRoot($0) }
    case 3: return sineAndCosine()
    case 4: return unary { $1.roundToInteger($0) }
    case 5: return scale()
    case 6: return trigonometric { $1.sine($0) }
    default: return trigonometric { $1.cosine($0) }
    }
  }

  /// FFREE and FFREEP.
  private func release(_ position: Int, pops: Bool) -> Bool {
    free(position)
    cpu.s[Slot.fsw] &= ~UInt64(X87Status.c1)
    if pops { pop() }
    return true
  }

  /// FINCSTP and FDECSTP.
  private func step(_ by: Int) {
    top = top &+ by
    cpu.s[Slot.fsw] &= ~UInt64(X87Status.c1)
  }
}
