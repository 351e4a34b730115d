import KVM
import VMMCore

extension UndefinedProfile {
  /// The software engine imitates all undefined flags of this host's CPU. What else it does not imitate is results,
  /// which no guest of Tests/Guests has.
  static let hostFlagsAreImitated =
    host.inimitable.count == Result.allCases.count { host[$0] != 0 }
}
