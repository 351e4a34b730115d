internal import VMMCore

@testable internal import X86

// What a run has executed, and what it found.
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
      lines.append("programs that QEMU ended or hung at: \(qemu.restarts), that damaged its tables: \(qemu.reloads)")
      lines.append("programs that end in a shutdown: \(shutdowns), compared: \(min(shutdowns, Self.mostShutdowns))")
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
    let whom = oracle == .host ? "" : " against \(oracle == .qemu ? "QEMU" : "steps")"
    lines.append(
      "\(mode)\(whom), seed \(seed): \(instructions) instructions (and \(preparations) that prepare for them) in "
        + "\(programs) programs, \(wanted - uncovered.count) of \(wanted) forms, "
        + "\(kinds.values.reduce(0, +)) differences")
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
    "Tools/fuzz --mode \(machine.mode)"
      + (machine.oracle == .host ? "" : " --against \(machine.oracle)") + " --case \(difference.seed)"
      + (difference.first.map { " --form \($0)" } ?? "")
  }
}
