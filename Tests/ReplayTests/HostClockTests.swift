import KVM
import Testing
import VMMCore

/// The host's clock stands still where it is told to, whatever the host's own does meanwhile.
@Suite struct HostClockTests {
  private static func clock() -> HostClock {
    HostClock(stopping: ScriptedEngine([], handler: 0, .init(), clock: ScriptedClock()))
  }

  private static let pause: UInt64 = 2_000_000
  private let clock = HostClockTests.clock()
  private let host = HostClockTests.clock()

  /// Lets so much of the host's time pass.
  private func pass() {
    let before = host.now()
    while host.now() < before + HostClockTests.pause {}
  }

  @Test func nothingPassesWhileItStandsStill() {
    let (first, last) = clock.standStill {
      let first = clock.now()
      pass()
      // Also in one inside the other.
      clock.standStill { pass() }
      return (first, clock.now())
    }
    #expect(first == last && clock.now() >= last)
  }

  @Test func whatItStoodStillForIsNotMadeUpFor() {
    let hostBefore = host.now()
    let before = clock.now()
    clock.standStill { pass() }
    let after = clock.now()
    #expect(after - before + HostClockTests.pause <= host.now() - hostBefore)
  }
}
