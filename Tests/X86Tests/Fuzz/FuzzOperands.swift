import Support

@testable internal import X86

// Where memory operands lie, and how their addresses are formed.
extension ProgramMaker {
  /// The address of an operand: in the operand area, or where access fails.
  mutating func pickTarget(_ form: InstructionForm) -> UInt64 {
    if isWild { return form.handler == .vector && random.chance(50) ? wildTarget() & ~15 : wildTarget() }
    if form.isStateTransfer { return middle(alignment: random.chance(95) ? 64 : 1) }
    // QEMU's user mode does not notice.
    if form.handler == .vector { return middle(alignment: random.chance(85) || machine.oracle.isEmulator ? 16 : 1) }
    if form.handler == .cmpxchg8b { return middle(alignment: random.chance(90) ? 16 : 1) }
    // The border of the two pages is a place of its own.
    return random.chance(5) ? machine.area + 4096 - UInt64(random.below(16)) : middle()
  }

  /// Holes around the area and across its end, addresses that are not canonical, the kernel's half.
  private mutating func wildTarget() -> UInt64 {
    let end = machine.area + UInt64(FuzzMachine.areaSize)
    if machine.mode.codeSize == Mode.code16 && random.chance(40) {
      // The end of 64 KiB, and what 16 bits do not reach.
      return random.chance(70) ? 0x1_0000 &- UInt64(random.below(32)) : random.interesting() & 0xffff_ffff
    }
    switch random.below(machine.mode.is64 ? 6 : 4) {
    case 0, 1: return end &- UInt64(random.below(64))
    case 2: return machine.area &- UInt64(random.below(64))
    case 3 where !machine.mode.is64: return 0 &- UInt64(random.below(64)) & 0xffff_ffff
    case 3: return 0x8000_0000_0000 &- UInt64(random.below(32))
    case 4: return 0x8000_0000_0000 &+ random.next() & 0x3fff_ffff_ffff_ffff
    default: return UInt64(random.below(4096))
    }
  }

  /// A memory operand at `target`, an offset in DS. `avoid` has a bit for each register that must keep its value.
  mutating func memoryOperand(at target: UInt64, avoiding avoid: UInt64 = 0) -> MemoryOperand {
    lastTarget = target
    if !machine.mode.is64 { return segmentedOperand(at: target, avoiding: avoid) }
    var operand = MemoryOperand()
    var address = target
    if random.chance(12) {
      let segment = random.chance(50) ? SegmentNumber.fs : SegmentNumber.gs
      let offset = address &- machine.cpu.segmentBase(segment)
      // AMD's processors want the offset canonical, too.
      if machine.cpu.isCanonical(offset) {
        operand.segment = segment == SegmentNumber.fs ? 0x64 : 0x65
        address = offset
      }
    }
    operand.hasOtherSize = address <= 0xffff_ffff && random.chance(8)
    let form = random.below(10)
    if form < 2 && address == UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: address))) {
      operand.sib = 0x25
      operand.displacement = little(address, 4)
      return operand
    }
    let distance = Int64(bitPattern: address &- codeEnd)
    if form < 4 && !avoidsRelative && distance.magnitude < 0x7fff_0000 {
      operand.modRM = 5
      operand.relativeTo = address
      return operand
    }
    return based(operand, address, avoid, hasIndex: form < 7)
  }

  private mutating func based(
    _ start: MemoryOperand, _ address: UInt64, _ avoid: UInt64, hasIndex: Bool
  ) -> MemoryOperand {
    var operand = start
    let base = random.below(16)
    var rest = address &- machine.cpu.gpr(base)
    let chosen = random.below(16)
    var index = hasIndex && chosen != 4 ? chosen : nil
    let scale = random.below(4)
    if let index { rest = rest &- machine.cpu.gpr(index) << UInt64(scale) }
    if !operand.hasOtherSize && Int64(bitPattern: rest) != Int64(Int32(truncatingIfNeeded: rest)) {
      index = nil
      rest = small()
      let value = address &- rest
      guard base != 4, avoid & 1 << UInt64(base) == 0 else { return fallback(operand, address, avoid) }
      prepare(machine.setup.move(base, value))
    }
    place(&operand, base, index, scale, rest)
    return operand
  }

  /// An address in a register that nothing else needs.
  private mutating func fallback(_ start: MemoryOperand, _ address: UInt64, _ avoid: UInt64) -> MemoryOperand {
    var operand = start
    let base: Int = (8..<16).first { avoid & 1 << UInt64($0) == 0 } ?? 11
    prepare(machine.setup.move(base, address))
    place(&operand, base, nil, 0, 0)
    return operand
  }

  private mutating func small() -> UInt64 {
    random.chance(60) ? UInt64(bitPattern: Int64(random.below(256) - 128)) : UInt64(random.below(0x10000))
  }

  func place(_ operand: inout MemoryOperand, _ base: Int, _ index: Int?, _ scale: Int, _ rest: UInt64) {
    let fitsByte = Int64(bitPattern: rest) == Int64(Int8(truncatingIfNeeded: rest))
    let isZero = rest == 0 && base & 7 != 5
    let mod: UInt8 = isZero ? 0 : fitsByte ? 1 : 2
    operand.displacement = isZero ? [] : fitsByte ? little(rest, 1) : little(rest, 4)
    operand.rex = UInt8(base >> 3)
    if index != nil || base & 7 == 4 {
      let number = index ?? 4
      operand.rex |= UInt8(number >> 3) << 1
      operand.modRM = mod << 6 | 4
      operand.sib = UInt8(scale) << 6 | UInt8(number & 7) << 3 | UInt8(base & 7)
    } else {
      operand.modRM = mod << 6 | UInt8(base & 7)
    }
  }
}
