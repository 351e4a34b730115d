internal import Foundation
internal import NativeOracle
internal import Support
import Testing
internal import VMMCore

@testable internal import X86

/// Random programs of every instruction form, in every mode that has it, executed by the software CPU step by step and
/// in blocks, where a process can by the host's CPU, and where none can by KVM and by a machine of QEMU.
///
/// Tools/fuzz runs it longer: CHRONOVISOR_FUZZ_COUNT is the number of instructions, CHRONOVISOR_FUZZ_SEED the seed,
/// CHRONOVISOR_FUZZ_MODE the one mode to run, CHRONOVISOR_FUZZ_CASE (and CHRONOVISOR_FUZZ_FORM) repeat one program.
@Suite("Random programs against the host's CPU", .enabled(if: native_available() != 0, "needs an x86-64 host"))
struct DifferentialFuzzTests {
  private static func number(_ name: String) -> UInt64? {
    ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
  }

  private static let against = ProcessInfo.processInfo.environment["CHRONOVISOR_FUZZ_AGAINST"]
  private static let againstQEMU = against == "qemu"
  private static let againstSteps = against == "steps"

  /// The modes of a run that names none. The suite leaves CPL 0 to QEMU: not every KVM runs it on what it has itself.
  private static let usual = FuzzMode.allCases.filter { !$0.isKernel || number("CHRONOVISOR_FUZZ_COUNT") != nil }

  private static func chosen(_ modes: [FuzzMode]) -> [FuzzMode] {
    guard let name = ProcessInfo.processInfo.environment["CHRONOVISOR_FUZZ_MODE"] else { return modes }
    return (againstQEMU ? QEMUOracle.modes : FuzzMode.allCases).filter { $0.rawValue == name }
  }

  @Test(.enabled(if: against == nil, "the host is not asked"), arguments: chosen(usual))
  func `programs of every form end alike`(_ mode: FuzzMode) throws {
    guard !mode.isNative || mode == .long || LocalSegment.areInstalled else {
      print("\(mode): skipped, the oracle's kernel has no modify_ldt")
      return
    }
    try compare(FuzzRun(mode), 60_000)
  }

  @Test(
    .enabled(if: QEMUGuest.isInstalled, "needs qemu-system-x86_64 (Tools/setup --tests)"),
    .enabled(if: againstQEMU || number("CHRONOVISOR_FUZZ_COUNT") == nil, "QEMU is not asked"),
    arguments: chosen(QEMUOracle.modes))
  func `QEMU's machine ends alike`(_ mode: FuzzMode) throws {
    try compare(FuzzRun(mode, .qemu), 12_000)
  }

  /// On hosts whose profile is another one nothing else runs what is translated under the reference.
  @Test(
    .enabled(if: againstSteps || number("CHRONOVISOR_FUZZ_COUNT") == nil, "the steps are not asked"),
    arguments: chosen([.long, .compat32, .protected16]))
  func `blocks end as steps do under the reference profile`(_ mode: FuzzMode) throws {
    try compare(FuzzRun(mode, .steps), 40_000)
  }

  private func compare(_ start: FuzzRun, _ sample: Int) throws {
    var run = start
    let seed = Self.number("CHRONOVISOR_FUZZ_SEED") ?? 1
    let count = Int(Self.number("CHRONOVISOR_FUZZ_COUNT") ?? UInt64(sample))
    if let program = Self.number("CHRONOVISOR_FUZZ_CASE") {
      run.runProgram(seed: program, first: Self.number("CHRONOVISOR_FUZZ_FORM").map { Int($0) })
    } else {
      execute(&run, count, seed)
      #expect(run.uncovered.isEmpty, "forms never executed: \(run.uncovered)")
    }
    for difference in run.differences { Issue.record("\(difference.text)\n  \(run.command(difference))") }
    print(run.report(seed: seed))
  }

  /// A program for each form, then random ones.
  private func execute(_ run: inout FuzzRun, _ count: Int, _ seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for form in run.forms.indices where run.isWanted(form) {
      var attempts = 0
      while run.counts[form] < 2 && attempts < 60 {
        run.runProgram(seed: random.next(), first: form)
        attempts += 1
      }
    }
    let most = Self.number("CHRONOVISOR_FUZZ_KINDS") ?? 40
    while run.instructions < count && run.kinds.count < most { run.runProgram(seed: random.next()) }
  }
}
