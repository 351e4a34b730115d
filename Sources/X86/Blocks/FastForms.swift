// What the cases of `interpret` are made of. All of it is inlined there, but for the ways out.
extension CPU {
  @inline(__always)
  func plainAddress(_ op: OperationPointer) -> UInt64 { leaOffset(op) &+ word(op.segmentSlot) }

  /// The immediate, cut to a width.
  @inline(__always)
  func narrow<T: FixedWidthInteger & UnsignedInteger>(_ op: OperationPointer, _ type: T.Type) -> T {
    T(truncatingIfNeeded: op.immediate)
  }

  @inline(__always)
  func leaOffset(_ op: OperationPointer) -> UInt64 {
    word(op.base) &+ word(op.index) &<< UInt64(truncatingIfNeeded: op.scale) &+ op.displacement
  }

  @inline(__always)
  func fastLoad<From: FixedWidthInteger & UnsignedInteger, To: FixedWidthInteger & UnsignedInteger>(
    _ op: OperationPointer, _ from: From.Type, _ to: To.Type
  ) -> Bool {
    guard let value = load(From.self, plainAddress(op)) else { return false }
    setRegister(op.reg, To(truncatingIfNeeded: value))
    return true
  }

  @inline(__always)
  func logic<T: FixedWidthInteger & UnsignedInteger>(_ value: T) -> ALUResult<T> {
    ALUResult(value: value, carries: 0)
  }

  @inline(__always)
  func assign<T: FixedWidthInteger & UnsignedInteger>(_ op: OperationPointer, _ result: ALUResult<T>) {
    setRegister(op.reg, result.value)
    setFlags(result)
  }

  @inline(__always)
  func assignRM<T: FixedWidthInteger & UnsignedInteger>(_ op: OperationPointer, _ result: ALUResult<T>) {
    setRegister(op.rm, result.value)
    setFlags(result)
  }

  @inline(__always)
  func assignKeepingCarry<T: FixedWidthInteger & UnsignedInteger>(_ op: OperationPointer, _ result: ALUResult<T>) {
    let carry = cf
    assignRM(op, result)
    cf = carry
  }

  /// A read-modify-write of memory.
  @inline(never)
  func modify<T: FixedWidthInteger & UnsignedInteger>(_ op: OperationPointer, _ source: T) -> Bool {
    let at = plainAddress(op)
    guard let old = loadForStore(T.self, at) else { return false }
    let result = alu(op.kind, old, source)
    guard store(result.value, at) else { return false }
    setFlags(result)
    return true
  }

  @inline(__always)
  func shiftLeft<T: FixedWidthInteger & UnsignedInteger>(_ op: OperationPointer, _ type: T.Type) {
    let value = register(op.rm, T.self)
    let by = narrow(op, T.self)
    let result = value &<< by
    setRegister(op.rm, result)
    setResultFlags(result)
    let carry = value &>> (T(truncatingIfNeeded: T.bitWidth) &- by) & 1 != 0
    setCarries(carry: carry, overflow: result.leadingZeroBitCount == 0 ? !carry : carry, adjust: true)
  }

  @inline(__always)
  func shiftRight<T: FixedWidthInteger & UnsignedInteger>(_ op: OperationPointer, _ type: T.Type) {
    let value = register(op.rm, T.self)
    let by = narrow(op, T.self)
    let result = value &>> by
    setRegister(op.rm, result)
    setResultFlags(result)
    let carry = value &>> (by &- 1) & 1 != 0
    setCarries(carry: carry, overflow: by == 1 && value.leadingZeroBitCount == 0, adjust: true)
  }

  @inline(__always)
  func shiftSigned<T: FixedWidthInteger & UnsignedInteger, S: FixedWidthInteger & SignedInteger>(
    _ op: OperationPointer, _ type: T.Type, _ signed: S.Type
  ) {
    let value = S(truncatingIfNeeded: register(op.rm, T.self))
    let by = S(truncatingIfNeeded: op.immediate)
    let result = T(truncatingIfNeeded: value &>> by)
    setRegister(op.rm, result)
    setResultFlags(result)
    setCarries(carry: value &>> (by &- 1) & 1 != 0, overflow: false, adjust: true)
  }

  @inline(__always)
  func multiply<T: FixedWidthInteger & UnsignedInteger, S: FixedWidthInteger & SignedInteger>(
    _ op: OperationPointer, _ type: T.Type, _ signed: S.Type
  ) {
    let (a, b) = (S(truncatingIfNeeded: register(op.reg, T.self)), S(truncatingIfNeeded: register(op.rm, T.self)))
    let (product, overflow) = a.multipliedReportingOverflow(by: b)
    setRegister(op.reg, T(truncatingIfNeeded: product))
    setCarries(carry: overflow, overflow: overflow, adjust: af)
  }

  @inline(__always)
  func indirectTarget(_ op: OperationPointer) -> UInt64? {
    guard let target = readRM(op.instruction, UInt64.self) else { return nil }
    guard isCanonical(target) else {
      raiseProtection()
      return nil
    }
    return target
  }
}

// From block to block.
extension CPU {
  /// Takes a block's instructions out of the budget; `nil`, with RIP at the block, when they exceed it.
  @inline(__always)
  func enter(_ op: OperationPointer) -> OperationPointer? {
    let rest = Int64(bitPattern: s[Slot.remaining]) &- Int64(op.pointee.left)
    if rest < 0 {
      rip = op.rip
      return nil
    }
    s[Slot.remaining] = UInt64(bitPattern: rest)
    return op
  }

  /// Goes to the target of a direct branch (or to what follows the block).
  @inline(__always)
  func follow(_ op: OperationPointer) -> OperationPointer? {
    guard let next = op.linked else { return resolve(op) }
    return enter(next)
  }

  /// A conditional branch; the end of its block follows it.
  @inline(__always)
  func branch(_ op: OperationPointer, _ taken: Bool) -> OperationPointer? { follow(op + (taken ? 0 : 1)) }

  /// CMP and the conditional branch behind it.
  @inline(__always)
  func compareAndBranch<T: FixedWidthInteger & UnsignedInteger>(_ op: OperationPointer, _ a: T, _ b: T)
    -> OperationPointer?
  {
    let less = signExtended(a) ^ 1 << 63 < signExtended(b) ^ 1 << 63
    let outcome: UInt8 = (a == b ? 1 : 0) | (a < b ? 2 : 0) | (less ? 4 : 0)
    let taken = op.kind &>> outcome & 1 != 0
    setFlags(subtract(a, b))
    return follow(op + (taken ? 1 : 2))
  }

  /// TEST and the conditional branch behind it.
  @inline(__always)
  func testAndBranch<T: FixedWidthInteger & UnsignedInteger>(_ op: OperationPointer, _ value: T) -> OperationPointer? {
    let outcome: UInt8 = (value == 0 ? 1 : 0) | (value.leadingZeroBitCount == 0 ? 4 : 0)
    let taken = op.kind &>> outcome & 1 != 0
    setFlags(logic(value))
    return follow(op + (taken ? 1 : 2))
  }

  /// Goes to any address.
  @inline(__always)
  func go(_ target: UInt64) -> OperationPointer? {
    let half = AddressHalf.of(target)
    let jumps = UnsafeMutablePointer<UInt64>(bitPattern: UInt(s[Slot.jumpCache &+ half])).unsafelyUnwrapped
    let entry = jumps + JumpCache.offset(target)
    if entry[JumpCache.rip] == target && entry[JumpCache.key] == s[Slot.translationKey &+ half] {
      return enter(OperationPointer(bitPattern: UInt(entry[JumpCache.head])).unsafelyUnwrapped)
    }
    return find(target)
  }

  /// Finds, or decodes, the block at an address and enters it.
  @inline(never)
  private func find(_ target: UInt64) -> OperationPointer? {
    rip = target
    return blockAtRIP().flatMap { enterFetched($0) }
  }

  /// The block at RIP, decoded if need be; `nil` where the run may end here. Fetching leaves its marks in the guest's
  /// page tables, so nothing is fetched that is not executed next. A fault in doing so is raised again when the run
  /// goes on.
  private func blockAtRIP() -> OperationPointer? {
    guard Int64(bitPattern: s[Slot.remaining]) > 0, s[Slot.kick] == 0, !isAtStop else { return nil }
    let address = cr2
    if let block = withCode({ $0.find(self) }) { return block }
    _ = takeFault()
    cr2 = address
    s[SystemSlot.hasFetched] = 1
    return nil
  }

  /// Enters a block that was found in the page tables just now.
  private func enterFetched(_ op: OperationPointer) -> OperationPointer? {
    if let entered = enter(op) { return entered }
    s[SystemSlot.hasFetched] = 1
    return nil
  }

  /// A direct branch, or the way over a block's end, that is not linked yet. It is, if its target lies in the page that
  /// the block was found in: then it is there as long as the block is. What another page holds is another question each
  /// time, which the jump cache answers.
  @inline(never)
  private func resolve(_ branch: OperationPointer) -> OperationPointer? {
    let target = branch.immediate
    guard codeLinear(target) & ~0xfff == codeLinear(branch.origin) & ~0xfff else { return go(target) }
    let generation = withCode { $0.generation }
    rip = target
    guard let next = blockAtRIP() else { return nil }
    withCode { code in
      if code.generation == generation && !code.lastCrossesPages { code.link(branch, to: next) }
    }
    return enterFetched(next)
  }

  /// The instruction at `op` does not complete: it and those behind it were counted too early.
  @inline(never)
  func stop(_ op: OperationPointer) -> RunEnd? {
    s[Slot.remaining] &+= op.left
    return abandon(op.instruction)
  }

  @inline(never)
  func stopAtStack(_ op: OperationPointer) -> RunEnd? {
    _ = stackFault()
    return stop(op)
  }

  /// A branch to an address that is not canonical.
  @inline(never)
  func refuse(_ op: OperationPointer) -> RunEnd? {
    raiseProtection()
    return stop(op)
  }
}
