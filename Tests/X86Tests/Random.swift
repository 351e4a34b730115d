/// A small seeded generator of random numbers.
struct Random {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }

  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
  mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
  mutating func pick<T>(_ list: [T]) -> T { list[below(list.count)] }

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
