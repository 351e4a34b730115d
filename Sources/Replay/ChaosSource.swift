/// Seeded random numbers that decide how long a deliverable interrupt is held back, to vary the place (xorshift64*).
struct ChaosSource {
  private var state: UInt64?

  /// No seed, no chaos.
  init(seed: UInt64?) { state = seed.map { $0 &* 0x9e37_79b9_7f4a_7c15 | 1 } }

  /// How many instructions to hold the next interrupt back: 0 half of the time, otherwise 1 to `most`, a power of two.
  mutating func instructionsToHold(atMost most: UInt64) -> UInt64 {
    guard var word = state else { return 0 }
    word ^= word >> 12
    word ^= word << 25
    word ^= word >> 27
    state = word
    let number = (word &* 0x2545_f491_4f6c_dd1d) >> 33
    return number & 1 == 0 ? 0 : number >> 1 & (most - 1) + 1
  }
}
