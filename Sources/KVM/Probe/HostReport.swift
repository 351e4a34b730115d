/// One property of this host's KVM, as a small guest found it.
public struct HostFinding: Equatable, Sendable {
  public enum Verdict: String, Sendable {
    /// As the KVM documentation and the CPU's manuals say.
    case good
    /// Not so here, and chronovisor has a way around.
    case repaired
    /// Not so here, and guests or recordings notice.
    case limited
    /// A figure or a name, neither good nor bad.
    case figure
    /// The probe itself did not come to an end.
    case unknown
  }
  /// A word or two, the key of the JSON form: `single-step.user`.
  public var name: String
  public var value: String
  public var verdict: Verdict
  /// What it means for recording; empty when there is nothing to say.
  public var meaning: String

  public init(_ name: String, _ value: String, _ verdict: Verdict, _ meaning: String = "") {
    self.name = name
    self.value = value
    self.verdict = verdict
    self.meaning = meaning
  }
}

/// Everything that `chronovisor doctor` finds out, in the order in which it is printed.
public struct HostReport: Equatable, Sendable {
  public var findings: [HostFinding]
  /// What follows from the findings, in sentences.
  public var conclusions: [String]

  public init(findings: [HostFinding], conclusions: [String]) {
    self.findings = findings
    self.conclusions = conclusions
  }

  public subscript(name: String) -> HostFinding? { findings.first { $0.name == name } }

  /// For people: a line for each finding, then the conclusions.
  public var text: String {
    let width = findings.map(\.name.count).max() ?? 0
    var lines: [String] = []
    for finding in findings {
      let mark = finding.verdict == .figure ? "" : "[\(finding.verdict.rawValue)]"
      let name = finding.name + String(repeating: " ", count: width - finding.name.count)
      lines.append("\(name)  \(finding.value)" + (mark.isEmpty ? "" : "  " + mark))
      if !finding.meaning.isEmpty { lines.append(String(repeating: " ", count: width + 2) + finding.meaning) }
    }
    return (lines + [""] + conclusions).joined(separator: "\n")
  }
}
