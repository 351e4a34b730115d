internal import Support

@testable internal import X86

// Memory operands of 16- and 32-bit code: every form of address of both sizes, with every segment.
extension ProgramMaker {
  /// A memory operand at `target`, an offset in DS.
  mutating func segmentedOperand(at target: UInt64, avoiding avoid: UInt64) -> MemoryOperand {
    var operand = MemoryOperand()
    var segment: Int?
    // What lies around the code is not the same everywhere: CS leads to the operands, or nowhere.
    if random.chance(25) && !(isWild && machine.mode.codeSize == Mode.code16) {
      let chosen = random.pick([
        SegmentNumber.es, SegmentNumber.cs, SegmentNumber.ss, SegmentNumber.ds, SegmentNumber.fs, SegmentNumber.gs,
      ])
      segment = chosen
      operand.segment = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65][chosen]
    }
    let is16 = machine.mode.codeSize == Mode.code16
    let offset = self.offset(of: target, in: segment ?? SegmentNumber.ds)
    // Some of the 16-bit addresses are in SS.
    let isNearInStack = is16 || segment != nil || self.offset(of: target, in: SegmentNumber.ss) <= 0xffff
    let isNear = offset <= 0xffff && isNearInStack
    operand.hasOtherSize = is16 ? !isNear && random.chance(70) || random.chance(20) : isNear && random.chance(40)
    if is16 != operand.hasOtherSize {
      return shortAddress(operand, target, segment)
    }
    return longAddress(operand, target, segment, avoid)
  }

  /// The offset in a segment of what lies at an offset in DS.
  func offset(of target: UInt64, in segment: Int) -> UInt64 {
    let cpu = machine.cpu
    return (target &+ machine.mode.areaLinear &- machine.area &- cpu.segmentBase(segment)) & 0xffff_ffff
  }

  /// The sixteen-bit forms: BX, BP, SI, DI and their sums, with displacements of 0, 8 and 16 bits.
  private mutating func shortAddress(_ start: MemoryOperand, _ target: UInt64, _ segment: Int?) -> MemoryOperand {
    var operand = start
    let row = random.below(8)
    let cpu = machine.cpu
    let sums = [
      cpu.rbx &+ cpu.rsi, cpu.rbx &+ cpu.rdi, cpu.rbp &+ cpu.rsi, cpu.rbp &+ cpu.rdi, cpu.rsi, cpu.rdi, cpu.rbp,
      cpu.rbx,
    ]
    let isAbsolute = row == 6 && random.chance(60)
    let usesStack = row == 2 || row == 3 || row == 6 && !isAbsolute
    let offset = offset(of: target, in: segment ?? (usesStack ? SegmentNumber.ss : SegmentNumber.ds))
    let rest = (isAbsolute ? offset : offset &- sums[row]) & 0xffff
    let fitsByte = rest < 0x80 || rest >= 0xff80
    if isAbsolute || rest == 0 && row != 6 {
      operand.modRM = UInt8(row)
      operand.displacement = isAbsolute ? little(rest, 2) : []
    } else {
      operand.modRM = (fitsByte ? 0x40 : 0x80) | UInt8(row)
      operand.displacement = little(rest, fitsByte ? 1 : 2)
    }
    return operand
  }

  /// The 32-bit forms.
  private mutating func longAddress(
    _ start: MemoryOperand, _ target: UInt64, _ segment: Int?, _ avoid: UInt64
  ) -> MemoryOperand {
    var operand = start
    let choice = random.below(10)
    if choice < 2 {
      operand.modRM = choice == 0 ? 5 : 4
      operand.sib = choice == 0 ? nil : 0x25
      operand.displacement = little(offset(of: target, in: segment ?? SegmentNumber.ds), 4)
      return operand
    }
    let base = random.below(8)
    let offset = offset(of: target, in: segment ?? (base == 4 || base == 5 ? SegmentNumber.ss : SegmentNumber.ds))
    var rest = offset &- machine.cpu.gpr(base)
    let chosen = random.below(8)
    let index = choice < 6 && chosen != 4 ? chosen : nil
    let scale = random.below(4)
    if let index { rest = rest &- machine.cpu.gpr(index) << UInt64(scale) }
    place(&operand, base, index, scale, UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: rest))))
    return operand
  }
}
