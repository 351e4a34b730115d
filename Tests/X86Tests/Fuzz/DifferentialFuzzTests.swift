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

  private static let againstQEMU = ProcessInfo.processInfo.environment["CHRONOVISOR_FUZZ_AGAINST"] == "qemu"

  /// The modes of a run that names none. The suite leaves CPL 0 to QEMU: not every KVM runs it on what it has itself.
  private static let usual = FuzzMode.allCases.filter { !$0.isKernel || number("CHRONOVISOR_FUZZ_COUNT") != nil }

  private static func chosen(_ modes: [FuzzMode]) -> [FuzzMode] {
    guard let name = ProcessInfo.processInfo.environment["CHRONOVISOR_FUZZ_MODE"] else { return modes }
    return (againstQEMU ? QEMUOracle.modes : FuzzMode.allCases).filter { $0.rawValue == name }
  }

  @Test(.enabled(if: !againstQEMU, "only QEMU is asked"), arguments: chosen(usual))
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

extension FuzzRun {
  /// The run executes forms of this index.
  func isWanted(_ form: Int) -> Bool { forms[form].exclusion(in: machine.mode, machine.oracle) == nil }

  /// Forms that the run should have executed and did not.
  var uncovered: [String] {
    forms.indices.filter { counts[$0] == 0 && isWanted($0) }.map { forms[$0].name }
  }

  /// What was executed, a line for each family.
  func report(seed: UInt64) -> String {
    var lines = ["", pad("family", 32) + pad("instructions", 14, left: true) + pad("forms", 8, left: true)]
    for family in FormFamily.allCases {
      let members = forms.indices.filter { forms[$0].family == family && isWanted($0) }
      let executed = members.reduce(0) { $0 + counts[$1] }
      let seen = members.filter { counts[$0] > 0 }.count
      lines.append(
        pad(family.rawValue, 32) + pad("\(executed)", 14, left: true) + pad("\(seen)/\(members.count)", 12, left: true))
    }
    let mode = machine.mode
    let oracle = machine.oracle
    let excluded = forms.filter { $0.exclusion(in: mode, oracle) != nil }
    let faults = exceptions.indices.filter { exceptions[$0] > 0 }.map { "\($0): \(exceptions[$0])" }
    lines.append("profile of the undefined: \(oracle.profile.name)")
    if maskedPrograms > 0 || !learned.isEmpty {
      lines.append(
        "compared but for what no profile expresses: \(maskedPrograms) programs, which end in forms of these")
      lines += maskLines
    }
    if let qemu {
      let reasons = notRaised.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
      lines.append("programs that QEMU ended or hung at: \(qemu.restarts)")
      lines.append("programs that it ends in another way for a known reason: " + reasons.joined(separator: "; "))
    }
    lines.append(
      "left out: " + excluded.map { "\($0.name) (\($0.exclusion(in: mode, oracle) ?? ""))" }.joined(separator: "; "))
    lines.append("programs ended by exceptions, by vector: \(faults.joined(separator: ", "))")
    lines.append(
      "approximate results: \(approximations), of which the host's to the bit: \(exactApproximations)")
    if !mode.isNative && oracle == .host {
      lines.append(kvm?.report ?? "without an oracle: compared step by step and in blocks only")
    }
    lines += kinds.sorted { $0.key < $1.key }.map { "\($0.value) differences of \($0.key)" }
    let wanted = forms.count - excluded.count
    let whom = oracle == .qemu ? " against QEMU" : ""
    lines.append(
      "\(mode)\(whom), seed \(seed): \(instructions) instructions (and \(preparations) that prepare for them) in "
        + "\(programs) programs, \(wanted - uncovered.count) of \(wanted) forms, \(kinds.values.reduce(0, +)) differences"
    )
    return lines.joined(separator: "\n")
  }

  /// What was masked: the forms with each mask. Under `Emulator.isMeasured` the table of `QEMUMasks`.
  private var maskLines: [String] {
    let table = Emulator.isMeasured ? measured : masked
    let kinds = Set(table.values.map(\.rawValue)).sorted().filter { $0 != 0 }
    return kinds.flatMap { kind in
      let keys = table.keys.filter { table[$0]?.rawValue == kind }.sorted()
      let what = OracleMask(rawValue: kind).text
      return Emulator.isMeasured ? filled(keys, what + ": ") : ["  \(what): \(keys.count) forms"]
    }
  }

  /// The table, and what this run has added to it.
  private var measured: [String: OracleMask] {
    (machine.oracle == .qemu ? FuzzOracle.machineMasks : [:]).merging(learned) { $0.union($1) }
  }

  /// As many keys a line as fit in 120 columns.
  private func filled(_ keys: [String], _ lead: String) -> [String] {
    keys.reduce(into: []) { lines, key in
      if let last = lines.last, last.count + key.count < 118 {
        lines[lines.count - 1] += ", " + key
      } else {
        lines.append(lead + key)
      }
    }
  }

  private func pad(_ text: String, _ width: Int, left: Bool = false) -> String {
    let space = String(repeating: " ", count: max(0, width - text.count))
    return left ? space + text : text + space
  }
}

extension FuzzRun {
  /// The command that shows it again.
  func command(_ difference: Difference) -> String {
    "Tools/fuzz --mode \(machine.mode)\(machine.oracle == .qemu ? " --against qemu" : "") --case \(difference.seed)"
      + (difference.first.map { " --form \($0)" } ?? "")
  }
}
