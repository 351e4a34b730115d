import Support
import Testing

/// Linux sessions are recorded and replayed by the program itself, as a user would.
@Suite(.enabled(if: LinuxGuests.areAvailable, "\(LinuxGuests.reason)")) struct LinuxTests {
  @Test func theShellDoesWhatIsTyped() {
    let result = LinuxGuests.session.result
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.errors.contains("the guest halted for good"), "\(result.errors)")
    LinuxTests.expectAnswers(in: result.output)
  }

  /// What the commands of the session print.
  private static func expectAnswers(in output: String) {
    let output = output.replacing("\r\n", with: "\n")
    for expected in [
      "\nline 1\nline 2\nline 3\n", "\nLINE 3\nLINE 2\n", "\nfirst done\n", "\nsecond done\n", "\nboth are done\n",
      "\ncaught USR1\ngoing on\n", "\nstatus 143\n", "\nstatus 139\n", "\nbye\n", "\npowering off\n",
    ] {
      #expect(output.contains(expected), "\(expected) is missing from:\n\(output)")
    }
  }

  /// On KVM, with whatever repairs this host's needs; then on both engines.
  @Test(.enabled(if: kvmAvailable, "needs /dev/kvm")) func runsOnKVM() {
    let folder = TemporaryFolder()
    let recording = LinuxGuests.record(
      LinuxGuests.kernel, engine: "kvm", commandLine: LinuxGuests.commandLine, input: LinuxGuests.sessionInput,
      to: folder.file("kvm.trace"))
    #expect(recording.result.status == 0, "\(recording.result.errors)")
    LinuxTests.expectAnswers(in: recording.result.output)
    for engine in ["kvm", "software"] {
      let result = CommandRunner.chronovisor("verify", "--engine", engine, recording.path)
      #expect(result.output.hasPrefix("exact: "), "on \(engine): \(result.output)\(result.errors)")
    }
  }

  /// The kernel measures its TSC with the PIT, quickly, and needs no millions of readings for it.
  @Test func aTimeStampCounterIsCalibrated() throws {
    let folder = TemporaryFolder()
    let input = folder.write(Array("exit\n".utf8), to: "input")
    let recording = LinuxGuests.record(
      LinuxGuests.kernel, commandLine: LinuxGuests.commandLine, input: input, to: folder.file("tsc.trace"),
      options: ["--cpu", "default,+tsc"])
    let text = recording.result.output
    #expect(text.contains("tsc: Fast TSC calibration using PIT"), "\(text)")
    #expect(text.contains("MHz processor") && !text.contains("Marking TSC unstable"), "\(text)")
    let megahertz = try #require(text.firstMatch(of: /Detected ([0-9]+)\.[0-9]+ MHz/)).output.1
    #expect((999...1000).contains(Int(megahertz) ?? 0), "1 GHz: \(megahertz)")
    let events = try #require(recording.result.errors.firstMatch(of: /([0-9]+) events/)).output.1
    #expect((Int(events) ?? .max) < 400_000, "\(events)")
    let verification = CommandRunner.chronovisor("verify", recording.path)
    #expect(verification.output.hasPrefix("exact: "), "\(verification.output)\(verification.errors)")
  }

  @Test func everyReplayIsExact() {
    let repeats = LongTests.areOn ? 20 : 2
    let result = CommandRunner.chronovisor(
      "verify", "--repeat", "\(repeats)", LinuxGuests.session.path, seconds: Double(300 * repeats))
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    #expect(result.output.hasPrefix("exact: "), "\(result.output)")
    #expect(result.output.contains("(\(repeats) times, all alike)"), "\(result.output)")
  }
}

/// Debian's stock cloud kernel, which insists on an APIC and looks for ACPI.
@Suite(.enabled(if: LinuxGuests.debianIsAvailable, "\(LinuxGuests.reason)")) struct DebianLinuxTests {
  private let folder = TemporaryFolder()

  @Test func bootsToTheShellAndReplays() {
    let input = folder.write(Array("cat /proc/interrupts\nmd5sum /bin/busybox | wc -c\nexit\n".utf8), to: "input")
    let recording = LinuxGuests.record(
      LinuxGuests.debianKernel, commandLine: "console=ttyS0 panic=-1", input: input, to: folder.file("debian.trace"),
      options: ["--memory", "256M"])
    #expect(recording.result.status == 0, "\(recording.result.errors)")
    #expect(recording.result.errors.contains("the guest powered off"), "\(recording.result.errors)")
    let output = recording.result.output.replacing("\r\n", with: "\n")
    for expected in [
      "ACPI: RSDP 0x00000000000E0000", "ACPI: Using ACPI (MADT)", "IOAPIC[0]: apic_id 1, version 17",
      "ACPI: PM: (supports S0 S5)", "clocksource: Switched to clocksource acpi_pm", "IO-APIC   4-edge      ttyS0",
      "Local timer interrupts", "\n47\n", "powering off", "reboot: Power down",
    ] {
      #expect(output.contains(expected), "\(expected) is missing from:\n\(output)")
    }
    for trouble in [
      "ACPI Error", "ACPI BIOS", "[Firmware Bug]", "WARNING:", "BUG:", "Oops", "timer doesn't work", "MTRRs disabled",
    ] {
      #expect(!output.contains(trouble), "\(trouble) in:\n\(output)")
    }
    let verification = CommandRunner.chronovisor("verify", recording.path)
    #expect(verification.status == 0, "\(verification.output)\(verification.errors)")
  }
}
