/// Why bytes do not make an instruction.
enum DecodeResult: UInt8 {
  case decoded
  /// The bytes end before the instruction does.
  case truncated
  /// #UD.
  case undefined
  /// More than 15 bytes: #GP(0).
  case tooLong
}

/// Decodes one instruction (Intel SDM vol. 2, chapter 2) in any mode.
struct Decoder {
  private let bytes: UnsafePointer<UInt8>
  private let available: Int
  /// `Mode.code16`, `code32` or `code64`.
  private let codeSize: UInt64
  private let rip: UInt64
  private var position = 0
  private var failure = DecodeResult.decoded
  private var prefixes: UInt8 = 0
  private var rex: UInt8 = 0
  private var addressOverride = false
  /// Segment override, or -1.
  private var segmentOverride = -1
  private var modRM: UInt8 = 0
  private var map = 0
  /// VEX.vvvv, once a VEX prefix was seen.
  private var vex: (register: UInt8, prefix: UInt8)?
  private var ripRelative = false

  /// `available` bytes of code, of which no more than 15 are looked at.
  init(bytes: UnsafePointer<UInt8>, available: Int, codeSize: UInt64, rip: UInt64) {
    self.bytes = bytes
    self.available = available
    self.codeSize = codeSize
    self.rip = rip
  }

  private var is64: Bool { codeSize == Mode.code64 }

  mutating func decode(into op: inout Instruction) -> DecodeResult {
    op = Instruction()
    op.rip = rip
    let opcode = readPrefixes()
    guard failure == .decoded else { return failure }
    let encoding = lookUp(opcode, &op)
    guard failure == .decoded else { return failure }
    finish(encoding, opcode, &op)
    return failure
  }

  // MARK: Bytes

  private mutating func byte() -> UInt8 {
    guard failure == .decoded else { return 0 }
    guard position < 15 else {
      failure = .tooLong
      return 0
    }
    guard position < available else {
      failure = .truncated
      return 0
    }
    let value = bytes[position]
    position += 1
    return value
  }

  /// A little-endian value of 1, 2, 4 or 8 bytes, sign-extended.
  private mutating func signed(_ count: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<count { value |= UInt64(byte()) << UInt64(8 * index) }
    let shift = UInt64(64 - 8 * count)
    return UInt64(bitPattern: Int64(bitPattern: value << shift) >> Int64(shift))
  }

  private mutating func fail(_ reason: DecodeResult = .undefined) {
    if failure == .decoded { failure = reason }
  }

  // MARK: Prefixes and opcode

  /// Reads the prefixes and returns the byte after them.
  private mutating func readPrefixes() -> UInt8 {
    while failure == .decoded {
      let value = byte()
      switch value {
      case 0x26, 0x2e, 0x36, 0x3e:
        // ES, CS, SS, DS mean nothing in 64-bit code.
        if !is64 { segmentOverride = Int(value >> 3 & 3) }
      case 0x64, 0x65: segmentOverride = Int(value & 7)
      case 0x66: prefixes |= Prefix.operandSize
      case 0x67: addressOverride = true
      case 0xf0: prefixes |= Prefix.lock
      case 0xf2: prefixes = prefixes & ~Prefix.rep | Prefix.repne
      case 0xf3: prefixes = prefixes & ~Prefix.repne | Prefix.rep
      case 0x40...0x4f where is64:
        rex = value
        continue
      default: return value
      }
      // A REX prefix counts only right before the opcode.
      rex = 0
    }
    return 0
  }

  private mutating func lookUp(_ first: UInt8, _ op: inout Instruction) -> Encoding {
    op.opcode = first
    if first == 0xc4 || first == 0xc5 {
      if let encoding = lookUpVEX(first, &op) { return encoding }
    }
    guard first == 0x0f else {
      let encoding = OneByteMap.table[Int(first)]
      // MOVSXD is ARPL outside 64-bit code.
      return first == 0x63 && !is64 ? .system(.arpl, Form.modRM) : encoding
    }
    map = 1
    let second = byte()
    op.opcode = second
    switch second {
    case 0x38:
      map = 2
      op.opcode = byte()
      return ThreeByteMaps.map38(op.opcode, MandatoryPrefix(prefixes: prefixes), prefixes)
    case 0x3a:
      map = 3
      op.opcode = byte()
      return Encoding(.vector, Form.modRM | Form.imm8)
    case 0xb8, 0xbc, 0xbd: return bitScan(second)
    // MOVNTI.
    case 0xc3 where prefixes & (Prefix.operandSize | Prefix.rep | Prefix.repne) != 0: return Encoding()
    default: return TwoByteMap.table[Int(second)]
    }
  }

  /// POPCNT, TZCNT and LZCNT are BSF and BSR with F3.
  private func bitScan(_ opcode: UInt8) -> Encoding {
    guard prefixes & Prefix.rep != 0 else { return opcode == 0xb8 ? Encoding() : TwoByteMap.table[Int(opcode)] }
    switch opcode {
    case 0xb8: return Encoding(.popcnt, Form.modRM)
    case 0xbc: return Encoding(.tzcnt, Form.modRM)
    default: return Encoding(.lzcnt, Form.modRM)
    }
  }

  /// A VEX prefix: `nil` when the byte is LES or LDS. Only the general-register instructions exist.
  private mutating func lookUpVEX(_ first: UInt8, _ op: inout Instruction) -> Encoding? {
    guard is64 || position < available && bytes[position] >= 0xc0 else {
      if !is64 && position >= available { fail(.truncated) }
      return nil
    }
    guard prefixes & (Prefix.lock | Prefix.rep | Prefix.repne | Prefix.operandSize) == 0, rex == 0 else {
      fail()
      return Encoding()
    }
    let second = byte()
    var third = second
    var mapNumber: UInt8 = 1
    rex = (second & 0x80 == 0 ? 4 : 0)
    if first == 0xc4 {
      mapNumber = second & 0x1f
      rex |= (second & 0x40 == 0 ? 2 : 0) | (second & 0x20 == 0 ? 1 : 0)
      third = byte()
      if third & 0x80 != 0 { rex |= 8 }
    }
    if !is64 { rex = 0 }
    vex = (~third >> 3 & (is64 ? 15 : 7), third & 3)
    op.opcode = byte()
    map = Int(mapNumber & 3)
    // VEX.L must be 0.
    guard third & 4 == 0 else {
      fail()
      return Encoding()
    }
    let encoding = ThreeByteMaps.vex(map: mapNumber, op.opcode, prefix: third & 3)
    // RORX has no third register.
    if encoding.handler == .rorx && ~third >> 3 & 15 != 0 { fail() }
    return encoding
  }

  // MARK: Operands

  private mutating func finish(_ row: Encoding, _ opcode: UInt8, _ op: inout Instruction) {
    var encoding = row
    if encoding.flags & Form.modRM != 0 {
      modRM = byte()
      op.modRM = modRM
    }
    if encoding.flags & Form.group != 0 { encoding = expandGroup(encoding) }
    if encoding.handler == .vector { encoding = expandVector(encoding, &op) }
    guard failure == .decoded, encoding.handler != .undefined else { return fail() }
    if encoding.flags & Form.not64 != 0 && is64 { return fail() }

    op.handler = encoding.handler
    op.kind = vex.map { $0.register << 3 } ?? encoding.kind
    op.size = operandSize(encoding)
    let addressSize = self.addressSize
    readOperands(encoding, addressSize, &op)
    readImmediate(encoding, addressSize, &op)
    guard failure == .decoded else { return }
    complete(encoding, addressSize, &op)
  }

  private mutating func expandGroup(_ row: Encoding) -> Encoding {
    var entry = Group.table[Int(row.kind) * 8 + Int(modRM >> 3 & 7)]
    let isRegister = modRM >= 0xc0
    if row.kind == Group.g0f01 && isRegister { entry = registerForm0F01(entry) }
    if row.kind == Group.g0fAE { entry = form0FAE(entry, isRegister) }
    if row.kind == Group.g0fC7 && isRegister && modRM >> 3 & 7 == 7 && prefixes & Prefix.rep != 0 {
      entry = .system(.rdpid, Form.force64)
    }
    // The opcode's flags hold, but an immediate of the group's row wins (TEST in F6 and F7).
    var flags = row.flags & ~Form.group
    if entry.flags & Form.immMask != 0 {
      flags &= ~Form.immMask
      flags |= entry.flags & Form.immMask
      if flags & Form.byte != 0 { flags = flags & ~Form.immMask | Form.imm8 }
    }
    entry.flags = flags | entry.flags & ~Form.immMask
    return entry
  }

  private func registerForm0F01(_ entry: Encoding) -> Encoding {
    switch modRM {
    case 0xc8: .system(.monitor)
    case 0xc9: .system(.mwait)
    case 0xca: .system(.clac)
    case 0xcb: .system(.stac)
    case 0xd0, 0xd1:
      prefixes & (Prefix.operandSize | Prefix.rep | Prefix.repne) != 0
        ? Encoding() : .system(modRM == 0xd0 ? .xgetbv : .xsetbv)
    case 0xf8: is64 ? .system(.swapgs) : Encoding()
    case 0xf9: .system(.rdtscp)
    default: entry
    }
  }

  private func form0FAE(_ entry: Encoding, _ isRegister: Bool) -> Encoding {
    let row = modRM >> 3 & 7
    guard isRegister else {
      // 66 0F AE /6 is CLWB, /7 CLFLUSHOPT.
      if prefixes & (Prefix.rep | Prefix.repne) != 0 { return Encoding() }
      if prefixes & Prefix.operandSize != 0 { return row >= 6 ? Encoding(.touch, Form.byte) : Encoding() }
      return entry
    }
    if prefixes & Prefix.rep != 0 {
      guard is64 else { return Encoding() }
      switch row {
      case 0: return .system(.rdfsbase, Form.sizeW)
      case 1: return .system(.rdgsbase, Form.sizeW)
      case 2: return .system(.wrfsbase, Form.sizeW)
      case 3: return .system(.wrgsbase, Form.sizeW)
      default: return Encoding()
      }
    }
    // LFENCE, MFENCE, SFENCE.
    return row >= 5 && prefixes & (Prefix.operandSize | Prefix.repne) == 0 ? Encoding(.nop) : Encoding()
  }

  /// Asks the vector family whether it knows the instruction.
  private mutating func expandVector(_ row: Encoding, _ op: inout Instruction) -> Encoding {
    guard vex == nil else { return Encoding() }
    var encoding = row
    let hasModRM = row.flags & Form.modRM != 0
    let found = vectorEncoding(
      map: map, opcode: op.opcode, prefix: MandatoryPrefix(prefixes: prefixes), modRMReg: modRM >> 3 & 7,
      isMemory: hasModRM && modRM < 0xc0, rexW: rex & 8 != 0)
    encoding.flags &= ~Form.immMask
    switch found {
    case .none: return Encoding()
    case .plain: break
    case .immediate: encoding.flags |= Form.imm8
    }
    encoding.flags |= Form.sizeW
    return encoding
  }

  private func operandSize(_ encoding: Encoding) -> UInt8 {
    let flags = encoding.flags
    if flags & Form.byte != 0 { return 1 }
    let override = prefixes & Prefix.operandSize != 0
    if is64 {
      if flags & Form.force64 != 0 { return 8 }
      if rex & 8 != 0 { return 8 }
      if flags & Form.sizeW != 0 { return 4 }
      if override { return 2 }
      return flags & Form.default64 != 0 ? 8 : 4
    }
    if flags & (Form.sizeW | Form.ignoreMod) != 0 { return 4 }
    return (codeSize == Mode.code32) != override ? 4 : 2
  }

  private var addressSize: Int {
    switch codeSize {
    case Mode.code64: addressOverride ? 4 : 8
    case Mode.code32: addressOverride ? 2 : 4
    default: addressOverride ? 4 : 2
    }
  }

  /// The byte offset of a register; byte registers 4 … 7 are AH … BH when there is no REX prefix.
  private func register(_ number: UInt8, byte: Bool) -> UInt8 {
    byte && rex == 0 && number >= 4 && number < 8 ? (number - 4) << 3 + 1 : number << 3
  }

  private mutating func readOperands(_ encoding: Encoding, _ addressSize: Int, _ op: inout Instruction) {
    let flags = encoding.flags
    let bytes = flags & Form.byte != 0
    // Segment overrides count for string and other implied operands too.
    setSegment(SegmentNumber.ds, &op)
    if flags & Form.modRM != 0 {
      op.reg = register(modRM >> 3 & 7 | (rex & 4) << 1, byte: bytes)
      if modRM >= 0xc0 || flags & Form.ignoreMod != 0 {
        op.rm = register(modRM & 7 | (rex & 1) << 3, byte: bytes || flags & Form.rm8 != 0)
      } else {
        prefixes |= Prefix.memory
        if addressSize == 2 { readAddress16(&op) } else { readAddress(&op) }
      }
    } else if flags & Form.opcodeRegister != 0 {
      op.rm = register(op.opcode & 7 | (rex & 1) << 3, byte: bytes)
    }
    if flags & Form.memoryOnly != 0 && prefixes & Prefix.memory == 0 { fail() }
    if flags & Form.registerOnly != 0 && prefixes & Prefix.memory != 0 { fail() }
  }

  private func setSegment(_ standard: Int, _ op: inout Instruction) {
    let segment = segmentOverride >= 0 ? segmentOverride : standard
    op.place = op.place & ~7 | UInt8(segment)
    op.segmentSlot =
      is64 && segment < SegmentNumber.fs ? UInt8(Slot.zero * 8) : UInt8((Slot.segmentBase + segment) * 8)
  }

  private mutating func readAddress(_ op: inout Instruction) {
    let mod = modRM >> 6
    var base = modRM & 7
    if base == 4 {
      let sib = byte()
      base = sib & 7
      let index = sib >> 3 & 7 | (rex & 2) << 2
      if index != 4 {
        op.index = index << 3
        op.scale = sib >> 6
      }
      if base == 5 && mod == 0 {
        op.displacement = signed(4)
        return
      }
    } else if base == 5 && mod == 0 {
      ripRelative = is64
      op.displacement = signed(4)
      return
    }
    op.base = (base | (rex & 1) << 3) << 3
    if base == 4 || base == 5, rex & 1 == 0 { setSegment(SegmentNumber.ss, &op) }
    if mod == 1 { op.displacement = signed(1) }
    if mod == 2 { op.displacement = signed(4) }
  }

  private mutating func readAddress16(_ op: inout Instruction) {
    let mod = modRM >> 6
    let rm = Int(modRM & 7)
    if mod == 0 && rm == 6 {
      op.displacement = signed(2)
      return
    }
    let bases = [GPR.rbx, GPR.rbx, GPR.rbp, GPR.rbp, GPR.rsi, GPR.rdi, GPR.rbp, GPR.rbx]
    op.base = UInt8(bases[rm] << 3)
    if rm < 4 { op.index = UInt8((rm & 1 == 0 ? GPR.rsi : GPR.rdi) << 3) }
    if bases[rm] == GPR.rbp { setSegment(SegmentNumber.ss, &op) }
    if mod == 1 { op.displacement = signed(1) }
    if mod == 2 { op.displacement = signed(2) }
  }

  private mutating func readImmediate(_ encoding: Encoding, _ addressSize: Int, _ op: inout Instruction) {
    let size = Int(op.size)
    switch encoding.flags & Form.immMask {
    case Form.imm8: op.immediate = signed(1)
    case Form.imm16: op.immediate = signed(2) & 0xffff
    case Form.immZ: op.immediate = signed(size == 2 ? 2 : 4)
    case Form.immV: op.immediate = signed(size)
    case Form.far:
      op.immediate = signed(size == 2 ? 2 : 4) & (size == 2 ? 0xffff : 0xffff_ffff)
      op.displacement = signed(2) & 0xffff
    case Form.imm16imm8:
      op.immediate = signed(2) & 0xffff
      op.displacement = signed(1) & 0xff
    case Form.moffs:
      op.displacement = signed(addressSize)
      prefixes |= Prefix.memory
    default: break
    }
  }

  private mutating func complete(_ encoding: Encoding, _ addressSize: Int, _ op: inout Instruction) {
    let flags = encoding.flags
    op.length = UInt8(position)
    if ripRelative { op.displacement &+= op.next }
    if flags & Form.relative != 0 {
      let mask: UInt64 = op.size == 8 ? .max : op.size == 4 ? 0xffff_ffff : 0xffff
      op.immediate = (op.next &+ op.immediate) & mask
    }
    if prefixes & Prefix.lock != 0 && (flags & Form.lockable == 0 || prefixes & Prefix.memory == 0) { return fail() }
    if rex != 0 { prefixes |= Prefix.rex }
    if rex & 8 != 0 { prefixes |= Prefix.rexW }
    if is64 && addressSize == 8 { prefixes |= Prefix.plain }
    op.prefixes = prefixes
    op.place |= UInt8(addressSize.trailingZeroBitCount - 1) << 3 | UInt8(map) << 5 | (vex != nil ? 128 : 0)
    adjust(encoding, &op)
  }

  /// Details that the tables do not hold.
  private mutating func adjust(_ encoding: Encoding, _ op: inout Instruction) {
    switch op.handler {
    case .shiftRMImm:
      op.kind = modRM >> 3 & 7
      if op.opcode & 0xfe == 0xd0 { op.immediate = 1 }
    case .shiftRMCL: op.kind = modRM >> 3 & 7
    case .xchgRMReg where map == 0 && op.opcode >= 0x90 && op.opcode < 0x98:
      // 90 is NOP (or PAUSE) unless REX.B makes it R8.
      if op.opcode == 0x90 && rex & 1 == 0 { op.handler = .nop }
    case .system:
      switch SystemOperation(rawValue: op.kind) {
      case .pushSegment, .popSegment: op.immediate = UInt64(encoding.flags >> 24)
      case .loadFarPointer:
        op.immediate = UInt64(encoding.flags >> 24)
        narrowFarPointer(&op)
      case .jmpFarIndirect, .callFarIndirect: narrowFarPointer(&op)
      case .intN: op.immediate &= 0xff
      default: break
      }
    case .enter, .ret: break
    default: break
    }
  }

  /// On AMD's processors far pointers in memory have offsets of 16 or 32 bits: REX.W does not count.
  private func narrowFarPointer(_ op: inout Instruction) {
    if op.size == 8 { op.size = prefixes & Prefix.operandSize != 0 ? 2 : 4 }
  }
}
