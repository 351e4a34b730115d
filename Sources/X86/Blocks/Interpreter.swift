// The block interpreter: a dense switch over plain-data operations. It leaves the state exactly as the stepper would,
// instruction for instruction; whatever it has no fast form for it hands to `execute`.
extension CPU {
  /// Runs blocks from the beginning of one until the budget (`Slot.remaining`) does not cover the next, or something is
  /// to be looked at between instructions. Returns how the run ends, or `nil` when it goes on.
  @inline(never)
  func interpret(_ first: OperationPointer) -> RunEnd? {
    var op = first
    guard enter(op) != nil else { return nil }
    while true {
      switch op.handler {
      // Moves.
      case .mov64: setRegister(op.reg, word(op.rm))
      case .mov32: setRegister(op.reg, register(op.rm, UInt32.self))
      case .movImm: setRegister(op.rm, op.immediate)
      case .load64: guard fastLoad(op, UInt64.self, UInt64.self) else { return stop(op) }
      case .load32: guard fastLoad(op, UInt32.self, UInt32.self) else { return stop(op) }
      case .load16: guard fastLoad(op, UInt16.self, UInt16.self) else { return stop(op) }
      case .load8: guard fastLoad(op, UInt8.self, UInt8.self) else { return stop(op) }
      case .loadZero16: guard fastLoad(op, UInt16.self, UInt64.self) else { return stop(op) }
      case .loadZero8: guard fastLoad(op, UInt8.self, UInt64.self) else { return stop(op) }
      case .loadSign32:
        guard let value = load(UInt32.self, plainAddress(op)) else { return stop(op) }
        setRegister(op.reg, signExtended(value))
      case .store64: guard store(word(op.reg), plainAddress(op)) else { return stop(op) }
      case .store32: guard store(register(op.reg, UInt32.self), plainAddress(op)) else { return stop(op) }
      case .store16: guard store(register(op.reg, UInt16.self), plainAddress(op)) else { return stop(op) }
      case .store8: guard store(register(op.reg, UInt8.self), plainAddress(op)) else { return stop(op) }
      case .storeImm64: guard store(op.immediate, plainAddress(op)) else { return stop(op) }
      case .storeImm32: guard store(narrow(op, UInt32.self), plainAddress(op)) else { return stop(op) }
      case .storeImm16: guard store(narrow(op, UInt16.self), plainAddress(op)) else { return stop(op) }
      case .storeImm8: guard store(narrow(op, UInt8.self), plainAddress(op)) else { return stop(op) }
      case .zero8: setRegister(op.reg, UInt64(register(op.rm, UInt8.self)))
      case .zero16: setRegister(op.reg, UInt64(register(op.rm, UInt16.self)))
      case .sign32: setRegister(op.reg, signExtended(register(op.rm, UInt32.self)))
      case .lea64: setRegister(op.reg, leaOffset(op))
      case .lea32: setRegister(op.reg, UInt32(truncatingIfNeeded: leaOffset(op)))

      // Arithmetic on registers.
      case .add64: assign(op, add(word(op.reg), word(op.rm)))
      case .add32: assign(op, add(register(op.reg, UInt32.self), register(op.rm, UInt32.self)))
      case .or64: assign(op, logic(word(op.reg) | word(op.rm)))
      case .or32: assign(op, logic(register(op.reg, UInt32.self) | register(op.rm, UInt32.self)))
      case .and64: assign(op, logic(word(op.reg) & word(op.rm)))
      case .and32: assign(op, logic(register(op.reg, UInt32.self) & register(op.rm, UInt32.self)))
      case .sub64: assign(op, subtract(word(op.reg), word(op.rm)))
      case .sub32: assign(op, subtract(register(op.reg, UInt32.self), register(op.rm, UInt32.self)))
      case .xor64: assign(op, logic(word(op.reg) ^ word(op.rm)))
      case .xor32: assign(op, logic(register(op.reg, UInt32.self) ^ register(op.rm, UInt32.self)))
      case .cmp64: setFlags(subtract(word(op.reg), word(op.rm)))
      case .cmp32: setFlags(subtract(register(op.reg, UInt32.self), register(op.rm, UInt32.self)))

      // With an immediate: the destination is `rm`.
      case .addImm64: assignRM(op, add(word(op.rm), op.immediate))
      case .addImm32: assignRM(op, add(register(op.rm, UInt32.self), narrow(op, UInt32.self)))
      case .orImm64: assignRM(op, logic(word(op.rm) | op.immediate))
      case .orImm32: assignRM(op, logic(register(op.rm, UInt32.self) | narrow(op, UInt32.self)))
      case .andImm64: assignRM(op, logic(word(op.rm) & op.immediate))
      case .andImm32: assignRM(op, logic(register(op.rm, UInt32.self) & narrow(op, UInt32.self)))
      case .subImm64: assignRM(op, subtract(word(op.rm), op.immediate))
      case .subImm32: assignRM(op, subtract(register(op.rm, UInt32.self), narrow(op, UInt32.self)))
      case .xorImm64: assignRM(op, logic(word(op.rm) ^ op.immediate))
      case .xorImm32: assignRM(op, logic(register(op.rm, UInt32.self) ^ narrow(op, UInt32.self)))
      case .cmpImm64: setFlags(subtract(word(op.rm), op.immediate))
      case .cmpImm32: setFlags(subtract(register(op.rm, UInt32.self), narrow(op, UInt32.self)))
      case .cmpImm8: setFlags(subtract(register(op.rm, UInt8.self), narrow(op, UInt8.self)))

      // With memory.
      case .addLoad64:
        guard let value = load(UInt64.self, plainAddress(op)) else { return stop(op) }
        assign(op, add(word(op.reg), value))
      case .addLoad32:
        guard let value = load(UInt32.self, plainAddress(op)) else { return stop(op) }
        assign(op, add(register(op.reg, UInt32.self), value))
      case .orLoad64:
        guard let value = load(UInt64.self, plainAddress(op)) else { return stop(op) }
        assign(op, logic(word(op.reg) | value))
      case .orLoad32:
        guard let value = load(UInt32.self, plainAddress(op)) else { return stop(op) }
        assign(op, logic(register(op.reg, UInt32.self) | value))
      case .andLoad64:
        guard let value = load(UInt64.self, plainAddress(op)) else { return stop(op) }
        assign(op, logic(word(op.reg) & value))
      case .andLoad32:
        guard let value = load(UInt32.self, plainAddress(op)) else { return stop(op) }
        assign(op, logic(register(op.reg, UInt32.self) & value))
      case .subLoad64:
        guard let value = load(UInt64.self, plainAddress(op)) else { return stop(op) }
        assign(op, subtract(word(op.reg), value))
      case .subLoad32:
        guard let value = load(UInt32.self, plainAddress(op)) else { return stop(op) }
        assign(op, subtract(register(op.reg, UInt32.self), value))
      case .xorLoad64:
        guard let value = load(UInt64.self, plainAddress(op)) else { return stop(op) }
        assign(op, logic(word(op.reg) ^ value))
      case .xorLoad32:
        guard let value = load(UInt32.self, plainAddress(op)) else { return stop(op) }
        assign(op, logic(register(op.reg, UInt32.self) ^ value))
      case .cmpLoad64:
        guard let value = load(UInt64.self, plainAddress(op)) else { return stop(op) }
        setFlags(subtract(word(op.reg), value))
      case .cmpLoad32:
        guard let value = load(UInt32.self, plainAddress(op)) else { return stop(op) }
        setFlags(subtract(register(op.reg, UInt32.self), value))
      case .cmpMemImm64:
        guard let value = load(UInt64.self, plainAddress(op)) else { return stop(op) }
        setFlags(subtract(value, op.immediate))
      case .cmpMemImm32:
        guard let value = load(UInt32.self, plainAddress(op)) else { return stop(op) }
        setFlags(subtract(value, narrow(op, UInt32.self)))
      case .cmpMemImm8:
        guard let value = load(UInt8.self, plainAddress(op)) else { return stop(op) }
        setFlags(subtract(value, narrow(op, UInt8.self)))
      case .cmpMemReg64:
        guard let value = load(UInt64.self, plainAddress(op)) else { return stop(op) }
        setFlags(subtract(value, word(op.reg)))
      case .cmpMemReg32:
        guard let value = load(UInt32.self, plainAddress(op)) else { return stop(op) }
        setFlags(subtract(value, register(op.reg, UInt32.self)))
      case .aluMemImm64: guard modify(op, op.immediate) else { return stop(op) }
      case .aluMemImm32: guard modify(op, narrow(op, UInt32.self)) else { return stop(op) }
      case .aluMemReg64: guard modify(op, word(op.reg)) else { return stop(op) }
      case .aluMemReg32: guard modify(op, register(op.reg, UInt32.self)) else { return stop(op) }

      case .test64: setFlags(logic(word(op.reg) & word(op.rm)))
      case .test32: setFlags(logic(register(op.reg, UInt32.self) & register(op.rm, UInt32.self)))
      case .test8: setFlags(logic(register(op.reg, UInt8.self) & register(op.rm, UInt8.self)))
      case .testImm64: setFlags(logic(word(op.rm) & op.immediate))
      case .testImm32: setFlags(logic(register(op.rm, UInt32.self) & narrow(op, UInt32.self)))
      case .testImm8: setFlags(logic(register(op.rm, UInt8.self) & narrow(op, UInt8.self)))
      case .testMemImm8:
        guard let value = load(UInt8.self, plainAddress(op)) else { return stop(op) }
        setFlags(logic(value & narrow(op, UInt8.self)))

      case .inc64: assignKeepingCarry(op, add(word(op.rm), 1))
      case .inc32: assignKeepingCarry(op, add(register(op.rm, UInt32.self), 1))
      case .dec64: assignKeepingCarry(op, subtract(word(op.rm), 1))
      case .dec32: assignKeepingCarry(op, subtract(register(op.rm, UInt32.self), 1))
      case .shl64: shiftLeft(op, UInt64.self)
      case .shl32: shiftLeft(op, UInt32.self)
      case .shr64: shiftRight(op, UInt64.self)
      case .shr32: shiftRight(op, UInt32.self)
      case .sar64: shiftSigned(op, UInt64.self, Int64.self)
      case .sar32: shiftSigned(op, UInt32.self, Int32.self)
      case .imul64: multiply(op, UInt64.self, Int64.self)
      case .imul32: multiply(op, UInt32.self, Int32.self)
      case .setccRegister: setRegister(op.rm, condition(op.kind) ? 1 : 0 as UInt8)
      case .cmov64: setRegister(op.reg, condition(op.kind) ? word(op.rm) : word(op.reg))
      case .cmov32:
        setRegister(op.reg, condition(op.kind) ? register(op.rm, UInt32.self) : register(op.reg, UInt32.self))

      // Without flags.
      case .addQuiet64: setRegister(op.reg, word(op.reg) &+ word(op.rm))
      case .addQuiet32: setRegister(op.reg, register(op.reg, UInt32.self) &+ register(op.rm, UInt32.self))
      case .orQuiet64: setRegister(op.reg, word(op.reg) | word(op.rm))
      case .orQuiet32: setRegister(op.reg, register(op.reg, UInt32.self) | register(op.rm, UInt32.self))
      case .andQuiet64: setRegister(op.reg, word(op.reg) & word(op.rm))
      case .andQuiet32: setRegister(op.reg, register(op.reg, UInt32.self) & register(op.rm, UInt32.self))
      case .subQuiet64: setRegister(op.reg, word(op.reg) &- word(op.rm))
      case .subQuiet32: setRegister(op.reg, register(op.reg, UInt32.self) &- register(op.rm, UInt32.self))
      case .xorQuiet64: setRegister(op.reg, word(op.reg) ^ word(op.rm))
      case .xorQuiet32: setRegister(op.reg, register(op.reg, UInt32.self) ^ register(op.rm, UInt32.self))
      case .addImmQuiet64: setRegister(op.rm, word(op.rm) &+ op.immediate)
      case .addImmQuiet32: setRegister(op.rm, register(op.rm, UInt32.self) &+ narrow(op, UInt32.self))
      case .andImmQuiet64: setRegister(op.rm, word(op.rm) & op.immediate)
      case .andImmQuiet32: setRegister(op.rm, register(op.rm, UInt32.self) & narrow(op, UInt32.self))
      case .subImmQuiet64: setRegister(op.rm, word(op.rm) &- op.immediate)
      case .subImmQuiet32: setRegister(op.rm, register(op.rm, UInt32.self) &- narrow(op, UInt32.self))
      case .shlQuiet64: setRegister(op.rm, word(op.rm) &<< op.immediate)
      case .shlQuiet32: setRegister(op.rm, register(op.rm, UInt32.self) &<< narrow(op, UInt32.self))
      case .shrQuiet64: setRegister(op.rm, word(op.rm) &>> op.immediate)
      case .shrQuiet32: setRegister(op.rm, register(op.rm, UInt32.self) &>> narrow(op, UInt32.self))
      case .sarQuiet64:
        setRegister(op.rm, UInt64(bitPattern: Int64(bitPattern: word(op.rm)) &>> Int64(bitPattern: op.immediate)))
      case .sarQuiet32:
        let value = Int32(bitPattern: register(op.rm, UInt32.self)) &>> Int32(bitPattern: narrow(op, UInt32.self))
        setRegister(op.rm, UInt32(bitPattern: value))

      // Stack.
      case .push64:
        guard store(word(op.rm), rsp &- 8) else { return stopAtStack(op) }
        rsp &-= 8
      case .pop64:
        guard let value = load(UInt64.self, rsp) else { return stopAtStack(op) }
        rsp &+= 8
        setRegister(op.rm, value)

      // Branches. They go on with the switch at the operation that comes next.
      case .jmpDirect:
        guard let next = follow(op) else { return nil }
        op = next
        continue
      case .call64:
        guard store(op.next, rsp &- 8) else { return stopAtStack(op) }
        rsp &-= 8
        guard let next = follow(op) else { return nil }
        op = next
        continue
      case .ret64:
        guard let target = load(UInt64.self, rsp) else { return stopAtStack(op) }
        guard isCanonical(target) else { return refuse(op) }
        rsp &+= 8
        guard let next = go(target) else { return nil }
        op = next
        continue
      case .jmpIndirect64:
        guard let target = indirectTarget(op) else { return stop(op) }
        guard let next = go(target) else { return nil }
        op = next
        continue
      case .callIndirect64:
        guard let target = indirectTarget(op) else { return stop(op) }
        guard store(op.next, rsp &- 8) else { return stopAtStack(op) }
        rsp &-= 8
        guard let next = go(target) else { return nil }
        op = next
        continue
      case .jccO:
        guard let next = branch(op, of) else { return nil }
        op = next
        continue
      case .jccNO:
        guard let next = branch(op, !of) else { return nil }
        op = next
        continue
      case .jccB:
        guard let next = branch(op, cf) else { return nil }
        op = next
        continue
      case .jccAE:
        guard let next = branch(op, !cf) else { return nil }
        op = next
        continue
      case .jccE:
        guard let next = branch(op, zf) else { return nil }
        op = next
        continue
      case .jccNE:
        guard let next = branch(op, !zf) else { return nil }
        op = next
        continue
      case .jccBE:
        guard let next = branch(op, cf || zf) else { return nil }
        op = next
        continue
      case .jccA:
        guard let next = branch(op, !(cf || zf)) else { return nil }
        op = next
        continue
      case .jccS:
        guard let next = branch(op, sf) else { return nil }
        op = next
        continue
      case .jccNS:
        guard let next = branch(op, !sf) else { return nil }
        op = next
        continue
      case .jccP:
        guard let next = branch(op, pf) else { return nil }
        op = next
        continue
      case .jccNP:
        guard let next = branch(op, !pf) else { return nil }
        op = next
        continue
      case .jccL:
        guard let next = branch(op, sf != of) else { return nil }
        op = next
        continue
      case .jccGE:
        guard let next = branch(op, sf == of) else { return nil }
        op = next
        continue
      case .jccLE:
        guard let next = branch(op, zf || sf != of) else { return nil }
        op = next
        continue
      case .jccG:
        guard let next = branch(op, !(zf || sf != of)) else { return nil }
        op = next
        continue

      case .cmpBranch64:
        guard let next = compareAndBranch(op, word(op.reg), word(op.rm)) else { return nil }
        op = next
        continue
      case .cmpBranch32:
        guard let next = compareAndBranch(op, register(op.reg, UInt32.self), register(op.rm, UInt32.self)) else {
          return nil
        }
        op = next
        continue
      case .cmpImmBranch64:
        guard let next = compareAndBranch(op, word(op.rm), op.immediate) else { return nil }
        op = next
        continue
      case .cmpImmBranch32:
        guard let next = compareAndBranch(op, register(op.rm, UInt32.self), narrow(op, UInt32.self)) else {
          return nil
        }
        op = next
        continue
      case .cmpImmBranch8:
        guard let next = compareAndBranch(op, register(op.rm, UInt8.self), narrow(op, UInt8.self)) else { return nil };
        op = next
        continue
      case .testBranch64:
        guard let next = testAndBranch(op, word(op.reg) & word(op.rm)) else { return nil }
        op = next
        continue
      case .testBranch32:
        guard let next = testAndBranch(op, register(op.reg, UInt32.self) & register(op.rm, UInt32.self)) else {
          return nil
        }
        op = next
        continue
      case .testBranch8:
        guard let next = testAndBranch(op, register(op.reg, UInt8.self) & register(op.rm, UInt8.self)) else {
          return nil
        }
        op = next
        continue
      case .testImmBranch64:
        guard let next = testAndBranch(op, word(op.rm) & op.immediate) else { return nil }
        op = next
        continue
      case .testImmBranch32:
        guard let next = testAndBranch(op, register(op.rm, UInt32.self) & narrow(op, UInt32.self)) else { return nil };
        op = next
        continue
      case .testImmBranch8:
        guard let next = testAndBranch(op, register(op.rm, UInt8.self) & narrow(op, UInt8.self)) else { return nil };
        op = next
        continue

      // Between blocks.
      case .blockEnd:
        guard let next = follow(op) else { return nil }
        op = next
        continue
      case .dispatch:
        // The instruction before may have changed anything.
        if s[Slot.eventKind] | s[Slot.halted] | s[Slot.kick] != 0 || needsStepping { return nil }
        guard let next = go(rip) else { return nil }
        op = next
        continue
      case .stale:
        s[Slot.remaining] &+= op.left
        guard let next = go(op.rip) else { return nil }
        op = next
        continue
      case .stopHere:
        if goesBy(codeLinear(op.rip)) { break }
        s[Slot.remaining] &+= op.left
        rip = op.rip
        return .stopAddress
      case .entry: op.noteEntry()
      case .heat:
        op.noteEntry()
        op.block.pointee.heat &-= 1
        if op.block.pointee.heat == 0 {
          core.code.translate(op, self)
          continue
        }
      case .translated:
        let result = runTranslated(op)
        if result & Leaving.mask == Leaving.before.rawValue {
          op = operation(result)
          continue
        }
        if result & Leaving.mask == Leaving.tried.rawValue { return stop(operation(result)) }
        guard let next = goOn(result) else { return nil }
        op = next
        continue
      case .nop: break
      // By the families. All of them are named: the jump needs no check of its range then, and is made a copy of at the
      // end of each case (Package.swift).
      case .undefined, .aluRMReg, .aluRegRM, .aluRMImm, .testRMReg, .testRMImm, .unaryRM, .shiftRMImm, .shiftRMCL,
        .doubleShiftImm, .doubleShiftCL, .mulRM, .imulRM, .divRM, .idivRM, .imulRegRM, .imulRegRMImm, .movRMReg,
        .movRegRM, .movRMImm, .movzx, .movsx, .lea, .xchgRMReg, .cmov, .setcc, .bswap, .movbeLoad, .movbeStore,
        .convertA, .convertD, .xlat, .pushRM, .pushImm, .popRM, .pushAll, .popAll, .enter, .leave, .jmp, .jcc,
        .call, .jmpRM, .callRM, .ret, .loop, .jcxz, .bitReg, .bitImm, .bsf, .bsr, .tzcnt, .lzcnt, .popcnt,
        .crc32, .adcx, .adox, .andn, .bextr, .blsr, .blsmsk, .blsi, .bzhi, .pdep, .pext, .rorx, .sarx, .shlx,
        .shrx, .mulx, .xadd, .cmpxchg, .cmpxchg8b, .movs, .cmps, .stos, .lods, .scas, .ins, .outs, .inImm,
        .inDX, .outImm, .outDX, .flagOperation, .lahf, .sahf, .daa, .das, .aaa, .aas, .aam, .aad, .salc, .bound,
        .touch, .system, .x87, .vector:
        rip = nextRIP(op.instruction)
        guard execute(op.instruction) else { return stop(op) }
      }
      op += 1
    }
  }
}
