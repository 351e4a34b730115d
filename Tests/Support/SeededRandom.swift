/// Random numbers that are the same from the same seed everywhere: SplitMix64.
public struct SeededRandom: RandomNumberGenerator, Sendable {
  @usableFromInline var state: UInt64

  @inlinable public init(seed: UInt64) { state = seed }

  @inlinable public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
    return word ^ word >> 31
  }

  @inlinable public mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
  @inlinable public mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
  @inlinable public mutating func oneIn(_ count: Int) -> Bool { below(count) == 0 }
  @inlinable public mutating func pick<Value>(_ values: [Value]) -> Value { values[below(values.count)] }
}
