internal import Glibc
internal import KVM
internal import Machine
internal import Replay
internal import VMMCore

/// `chronovisor doctor`.
enum DoctorCommand: Command {
  static let name = "doctor"
  static let synopsis = "[--json] [--self-test]"
  static let summary = "what this host's KVM can do, each line probed by a small guest, and what it means for recording"
  static let options = [
    Option("--json", help: "one JSON object"),
    Option("--self-test", help: "record and replay the built-in guests too: a report to send in from another host"),
  ]

  static func run(_ arguments: Arguments) throws -> Int32 {
    guard arguments.operands.isEmpty else { throw UsageError("doctor takes no operands") }
    probe(arguments)
    return arguments.has("--self-test") ? try selfTest() : ExitStatus.success
  }

  private static func probe(_ arguments: Arguments) {
    do {
      let report = try HostProbe.run()
      say(arguments.has("--json") ? json(report).text : "\(report.text)\n\(softwareText)")
    } catch {
      // No KVM is a finding too: the software engine needs none.
      let text = "\(error)"
      say(
        arguments.has("--json")
          ? JSON.object([("kvm", .bool(false)), ("reason", .string(text)), undefinedMember, translationMember]).text
          : "\(without(text))\n\(softwareText)")
    }
  }

  /// What the software engine finds here.
  private static var softwareText: String {
    let translation =
      TranslationChoice.isAvailable
      ? "The software engine makes host code of what is executed often."
      : "The software engine interprets: this process may have no executable memory."
    return "\(undefinedText)\n\(translation)"
  }

  private static var translationMember: (String, JSON) {
    ("translation", .bool(TranslationChoice.isAvailable))
  }

  /// What the host's CPU does where the manuals leave it open.
  private static var undefinedText: String {
    let host = UndefinedProfile.host
    let lines = ["Undefined behaviour of this CPU: \(host.name)."]
    guard !host.inimitable.isEmpty else { return lines[0] }
    return lines[0] + " No other engine imitates: \(host.inimitable.joined(separator: ", "))."
  }

  private static var undefinedMember: (String, JSON) {
    ("undefined", .undefined(.host))
  }

  /// Records and replays the built-in guests on every engine that this host has.
  private static func selfTest() throws -> Int32 {
    let folder = try temporaryFolder()
    defer { removeFolder(folder) }
    let host = HostDescription.current()
    say("")
    say("self-test   chronovisor \(version) on \(host.text), CPUID digest \(hex(host.cpuidDigest))")
    let hasKVM = (try? System()) != nil
    var isExact = true
    for engine in EngineKind.allCases where engine.isOffered {
      for result in SelfTest.run(engine: engine, folder: folder, replays: 5) {
        isExact = isExact && result.isExact
        say(
          "  " + HelpCommand.pad(engine.rawValue, to: 14) + HelpCommand.pad(result.guest.rawValue, to: 10)
            + (result.isExact ? "exact  " : "FAILED ") + result.summary)
      }
    }
    if !hasKVM { say("  kvm       skipped: this host offers no /dev/kvm") }
    say(isExact ? "  every replay was exact" : "  please send this report in")
    return isExact ? ExitStatus.success : ExitStatus.dataError
  }

  private static func temporaryFolder() throws -> String {
    var template = Array("/tmp/chronovisor-XXXXXX".utf8CString)
    guard unsafe template.withUnsafeMutableBufferPointer({ unsafe mkdtemp($0.baseAddress!) }) != nil else {
      throw UsageError("cannot make a folder in /tmp: \(errorText(errno))")
    }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private static func removeFolder(_ path: String) {
    for engine in EngineKind.allCases {
      for guest in SelfTestGuest.allCases { unsafe _ = unlink("\(path)/\(engine.rawValue)-\(guest.rawValue).trace") }
    }
    unsafe _ = rmdir(path)
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
      ("conclusions", .array(report.conclusions.map { .string($0) })), undefinedMember, translationMember,
    ])
  }
}
