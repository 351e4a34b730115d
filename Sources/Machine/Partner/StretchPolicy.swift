/// When user mode is worth a trip to the host's CPU, which costs some hundred microseconds: when code has stayed in
/// user mode for whole slices of instructions. The first instructions of a program, which ask CPUID what there is,
/// are never among them.
///
/// Where the engines change places is not part of a run, so nothing depends on what this decides but speed.
struct StretchPolicy {
  /// Slices that user mode must have lasted.
  private var wanted: UInt64 = 1
  private var lasted: UInt64 = 0
  private var levelChanges: UInt64 = 0

  private let mostWanted: UInt64 = 32

  /// At the end of each slice in which the vCPU is in user mode.
  /// - Parameter levelChanges: a count that grows when CPL changes.
  mutating func shouldLeave(levelChanges: UInt64) -> Bool {
    guard levelChanges == self.levelChanges else {
      self.levelChanges = levelChanges
      lasted = 0
      return false
    }
    lasted += 1
    return lasted >= wanted
  }

  /// A stretch that a kick ended could have been longer; another one was perhaps not worth it.
  mutating func stretchEnded(byKick: Bool, levelChanges: UInt64) {
    wanted = byKick ? max(1, wanted / 2) : min(wanted * 2, mostWanted)
    lasted = 0
    self.levelChanges = levelChanges
  }
}
