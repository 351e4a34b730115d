internal import Glibc

/// `CHRONOVISOR_LONG=1` makes tests that try a sample try everything; `CHRONOVISOR_SEED=N` gives their seed.
public enum LongTests {
  public static let areOn = unsafe getenv("CHRONOVISOR_LONG") != nil

  /// Printed by the tests that use it, and 1 unless the environment says otherwise.
  public static let seed: UInt64 = {
    guard let text = unsafe getenv("CHRONOVISOR_SEED") else { return 1 }
    return UInt64(unsafe String(cString: text)) ?? 1
  }()
}

/// SplitMix64: the same numbers from the same seed everywhere.
public struct SeededRandom: Sendable {
  private var state: UInt64
  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }

  public mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
