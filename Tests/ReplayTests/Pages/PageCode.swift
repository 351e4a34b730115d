import Support

/// Code in slots of 8 bytes, each whole in itself, so that any slot may take the place of any other while it runs: by
/// a store, a copy, or another page's coming into its place. It only goes forward, but for short loops, keeps what it
/// did in RBX, and ends with UD2 or a fault. The first slot of each page lets an instruction of the page before it end
/// in it; the last one may begin such an instruction.
struct PageCode {
  static let slotsPerPage = 512
  /// The byte of a slot that may hold anything.
  static let freeByte: UInt64 = 4

  /// How a page's last instruction ends: with the page, or in the next one.
  enum Crossing: CaseIterable {
    case none, oneByte, threeBytes, longImmediate, wholeImmediate, prefix
  }

  let kind: PagingKind

  func page(_ random: inout SeededRandom) -> [UInt8] {
    (0..<PageCode.slotsPerPage).flatMap { slot($0, &random) }
  }

  func slot(_ number: Int, _ random: inout SeededRandom) -> [UInt8] {
    if number == 0 { return firstSlot(&random) }
    if number == PageCode.slotsPerPage - 1 { return lastSlot(&random) }
    return inner(number, &random)
  }

  /// Four bytes over a page's end: the end of a last slot, which goes with the rest of any other, and the beginning of
  /// the next page's first one.
  func overTheEnd(_ random: inout SeededRandom) -> UInt32 {
    let last = random.pick([[0x90, 0x90], [0x90, 0xb8], [0x48, 0xb8], [0x90, 0x3e], [0xb0, byte(&random)]])
    let bytes = last + [0xb0, byte(&random)]
    return bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }

  private func byte(_ random: inout SeededRandom) -> UInt8 { UInt8(random.below(256)) }

  /// MOV to AL, BL, DL, AL: may be entered at each.
  private func firstSlot(_ random: inout SeededRandom) -> [UInt8] {
    [0xb0, byte(&random), 0xb3, byte(&random), 0xb2, byte(&random), 0xb0, byte(&random)]
  }

  private func lastSlot(_ random: inout SeededRandom) -> [UInt8] {
    let nops = [UInt8](repeating: 0x90, count: 8)
    switch random.oneIn(3) ? .none : random.pick(Crossing.allCases) {
    case .none: return [0x83, 0xc3, byte(&random)] + nops.prefix(5)
    case .oneByte: return nops.prefix(7) + [0xb8]
    case .threeBytes: return nops.prefix(5) + [0xb8, byte(&random), byte(&random)]
    case .longImmediate: return nops.prefix(4) + [0x48, 0xb8, byte(&random), byte(&random)]
    case .wholeImmediate: return nops.prefix(6) + [0x48, 0xb8]
    case .prefix: return nops.prefix(7) + [0x3e]
    }
  }

  private func inner(_ number: Int, _ random: inout SeededRandom) -> [UInt8] {
    let any = byte(&random)
    let rest = PageCode.slotsPerPage - 1 - number
    switch random.below(30) {
    case 0..<6: return (kind.is64Bit ? [0x48] : [0x3e]) + [0x8d, 0x5c, 0x1b, any, 0x0f, 0x1f, 0x00]
    case 6..<10: return [0x3e, 0x3e, 0x83, 0xc3, any, 0x0f, 0x1f, 0x00]
    case 10..<12: return [0x81, 0xf3, any, byte(&random), byte(&random), any, 0x66, 0x90]
    case 12..<14 where rest > 0:
      return [0xeb, UInt8(8 * random.below(min(rest, 8)) + 6), 0x90, 0x90, any, 0x90, 0x90, 0x90]
    case 14..<17 where rest > 0:
      return [0x3e, 0x3e, 0xf6, 0xc3, any, 0x74, UInt8(8 * random.below(min(rest, 8)) + 1), 0x90]
    case 17..<20: return relative(0xe9, &random)
    case 20..<22 where number > 6:
      return [0xff, 0xc9, 0x90, 0xb0, any, 0x7f, UInt8(truncatingIfNeeded: -8 * (1 + random.below(6)) - 7), 0x90]
    case 22..<25: return [0x3e, 0xc6, 0x46, UInt8(8 * random.below(4)), any, 0x90, 0x90, 0x90]
    case 25: return [0x8a, 0x56, UInt8(random.below(100)), 0xb0, any, 0x00, 0xd3, 0x90]
    case 26: return [0xf3, 0xac, 0x90, 0xb0, any, 0x90, 0x90, 0x90]
    case 27: return relative(0xe8, &random)
    case 28: return [0xc3, 0x90, 0x90, 0x90, any, 0x90, 0x90, 0x90]
    case 29 where random.oneIn(2): return [0x0f, 0x0b, 0x90, 0x90, any, 0x90, 0x90, 0x90]
    default: return [0x90, 0x90, 0x90, 0xb0, any, 0x90, 0x90, 0x90]
    }
  }

  /// JMP or CALL to a slot further on, in this page or one of the next two.
  private func relative(_ opcode: UInt8, _ random: inout SeededRandom) -> [UInt8] {
    let slots = random.oneIn(2) ? 1 + random.below(12) : 1 + random.below(1024)
    let distance = UInt32(8 * slots - 5)
    return [opcode] + (0..<4).map { UInt8(truncatingIfNeeded: distance >> (8 * UInt32($0))) } + [0x90, 0x90, 0x90]
  }
}
