import Support

extension SeededRandom {
  /// A value that is likely to be a corner of some width.
  mutating func interesting() -> UInt64 {
    switch below(8) {
    case 0: return UInt64(below(4))
    case 1: return 0 &- UInt64(below(4))
    case 2: return 1 << UInt64(below(64))
    case 3: return (1 << UInt64(below(64))) &- 1
    case 4: return pick([0x7f, 0x80, 0x7fff, 0x8000, 0x7fff_ffff, 0x8000_0000, 1 << 63, .max >> 1])
    case 5: return next() & 0xff
    default: return next()
    }
  }
}
