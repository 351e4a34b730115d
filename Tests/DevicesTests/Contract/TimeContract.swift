import Devices
import Testing

/// What every device promises about time.
@Suite struct TimeContract {
  @Test(arguments: Specimen.all, [41, 42, 43, 44, 45, 46] as [UInt64])
  func manySmallStepsComeToTheSameAsOne(_ specimen: Specimen, seed: UInt64) {
    let journal = Journal()
    let device = specimen.make(journal)
    var life = Life(seed: seed)
    for _ in 0..<20 {
      life.live(device, as: specimen, steps: 50, journal: journal)
      let (jumper, walker) = (specimen.make(journal), specimen.make(journal))
      #expect(jumper.restore(encoded: device.encodedState()) && walker.restore(encoded: device.encodedState()))
      let end = life.now + life.generator.next() % 40_000_000
      var now = life.now
      while now < end {
        now = min(end, now + 1 + life.generator.next() % 100_000)
        walker.advance(to: now)
      }
      jumper.advance(to: end)
      #expect(jumper.encodedState() == walker.encodedState())
    }
    _ = journal.drain()
  }

  @Test(arguments: Specimen.all, [51, 52, 53, 54, 55, 56] as [UInt64])
  func nothingRisesBeforeTheDeadline(_ specimen: Specimen, seed: UInt64) {
    let journal = Journal()
    let device = specimen.make(journal)
    var life = Life(seed: seed)
    for _ in 0..<60 {
      life.live(device, as: specimen, steps: 20, journal: journal)
      var now = life.now
      device.advance(to: now)
      _ = journal.drain()
      for _ in 0..<5 {
        guard let deadline = device.nextDeadline else { break }
        #expect(deadline > now, "a deadline that was just served must move on")
        guard deadline > now, deadline != .max else { break }
        device.advance(to: deadline - 1)
        #expect(!journal.drain().contains { $0.hasSuffix("high") })
        device.advance(to: deadline)
        _ = journal.drain()
        now = deadline
      }
      life.now = now
    }
  }

  @Test(arguments: Specimen.all, [61, 62, 63, 64] as [UInt64])
  func endOfTimeIsReachedAtOnce(_ specimen: Specimen, seed: UInt64) {
    let journal = Journal()
    let device = specimen.make(journal)
    var life = Life(seed: seed)
    life.live(device, as: specimen, steps: 500, journal: journal)
    for time in [life.now + 86_400_000_000_000, 1 << 62, .max] {
      device.advance(to: time)
      _ = device.nextDeadline
    }
    // A clock that goes back is not allowed, but must not hurt.
    device.advance(to: 0)
    _ = device.read(offset: 0, size: 1, now: 5)
  }
}
