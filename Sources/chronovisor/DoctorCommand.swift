internal import KVM
internal import VMMCore

/// `chronovisor doctor`.
enum DoctorCommand: Command {
  static let name = "doctor"
  static let synopsis = "[--json]"
  static let summary = "what this host's KVM can do, each line probed by a small guest, and what it means for recording"
  static let options = [Option("--json", help: "one JSON object")]

  static func run(_ arguments: Arguments) throws -> Int32 {
    guard arguments.operands.isEmpty else { throw UsageError("doctor takes no operands") }
    do {
      let report = try HostProbe.run()
      say(arguments.has("--json") ? json(report).text : report.text)
      return ExitStatus.success
    } catch {
      // No KVM is a finding too: the software engine needs none.
      let text = "\(error)"
      say(
        arguments.has("--json") ? JSON.object([("kvm", .bool(false)), ("reason", .string(text))]).text : without(text))
      return ExitStatus.success
    }
  }

  private static func without(_ reason: String) -> String {
    "kvm  no: \(reason)\n\nRecording uses the software engine here."
  }

  private static func json(_ report: HostReport) -> JSON {
    .object([
      ("kvm", .bool(true)),
      (
        "findings",
        .array(
          report.findings.map { finding in
            .object([
              ("name", .string(finding.name)), ("value", .string(finding.value)),
              ("verdict", .string(finding.verdict.rawValue)), ("meaning", .string(finding.meaning)),
            ])
          })
      ),
      ("conclusions", .array(report.conclusions.map { .string($0) })),
    ])
  }
}
