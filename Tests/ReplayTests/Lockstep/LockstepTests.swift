import Replay
import Support
import Testing
import Trace
import VMMCore

/// KVM and the software engine agree at every exit of every guest: on the exit, the whole CPU state, and memory; with
/// interrupts at exits and between single steps.
@Suite(.enabled(if: kvmAvailable, "needs /dev/kvm")) struct LockstepTests {
  static let setups: [String: LockstepSetup] = [
    "compute": LockstepSetup(commandLine: "300"), "usercompute": LockstepSetup(commandLine: "20000"),
    "portio": LockstepSetup(commandLine: "200"), "faults": LockstepSetup(commandLine: "40"),
    "ticker": LockstepSetup(commandLine: "5"),
    "echo": LockstepSetup(input: "one line\rquit\r"), "nmi": LockstepSetup(nmiAt: 200),
    "microloop": LockstepSetup(commandLine: "200"), "micromemory": LockstepSetup(commandLine: "200"),
    "microfloat": LockstepSetup(commandLine: "200"), "growth": LockstepSetup(commandLine: "1"),
    "microcalls": LockstepSetup(commandLine: "20"), "microx87": LockstepSetup(commandLine: "200"),
    "microlanes": LockstepSetup(commandLine: "200"),
    "race": LockstepSetup(alwaysSteps: true), "rep": LockstepSetup(commandLine: "6", alwaysSteps: true, stepTime: 200),
    "spin": LockstepSetup(commandLine: "4", alwaysSteps: true),
    "spinwait": LockstepSetup(commandLine: "4", alwaysSteps: true),
  ]

  /// What some KVM cannot run to the end: compared up to there.
  static let mayEndEarly: Set = [
    "freshpages", "memoryspin", "notemulated", "twospin", "userspin", "wildjump", "wildtables",
  ]

  /// RDRAND gives each engine numbers of its own: KVM cannot trap it. Undefined flags are compared on CPUs whose rules
  /// the software engine imitates.
  static let guests = TestGuests.names.filter {
    $0 != "random" && ($0 != "undefined" || UndefinedProfile.hostFlagsAreImitated)
  }

  @Test(arguments: guests, LongTests.areOn ? [UInt64](1...20) : [LongTests.seed])
  func noDifference(guest: String, seed: UInt64) throws {
    var setup = LockstepTests.setups[guest] ?? LockstepSetup()
    if LockstepTests.mayEndEarly.contains(guest) { setup.patience = 3 }
    let pair = try LockstepPair(guest: guest, setup: setup, seed: seed)
    let end = try pair.run()
    if case .kvm(let why) = end {
      print("lockstep: \(guest) was compared up to exit \(pair.exits): this KVM goes no further: \(why)")
      #expect(LockstepTests.mayEndEarly.contains(guest), "\(why)")
    } else {
      #expect(pair.states > 0 || guest == "triplefault" || guest == "wildjump" || guest == "wildtables")
    }
    if setup.alwaysSteps { #expect(pair.interrupts > 0 && pair.steps > 100) }
  }
}
