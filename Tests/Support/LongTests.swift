internal import Glibc

/// `CHRONOVISOR_LONG=1` makes tests that try a sample try everything; `CHRONOVISOR_SEED=N` gives their seed.
public enum LongTests {
  public static let areOn = unsafe getenv("CHRONOVISOR_LONG") != nil

  /// A number that the environment gives.
  public static func number(_ name: String) -> Int? {
    unsafe getenv(name).flatMap { unsafe Int(String(cString: $0)) }
  }

  /// Printed by the tests that use it, and 1 unless the environment says otherwise.
  public static let seed: UInt64 = {
    guard let text = unsafe getenv("CHRONOVISOR_SEED") else { return 1 }
    return UInt64(unsafe String(cString: text)) ?? 1
  }()
}
