import Devices
import Support
import Testing

/// What every device on the port bus promises.
@Suite struct PortDeviceContract {
  @Test(arguments: Specimen.all, [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
  func sameCallsGiveSameResults(_ specimen: Specimen, seed: UInt64) {
    let journal = Journal()
    var first = Life(seed: seed)
    first.live(specimen.make(journal), as: specimen, steps: 2000, journal: journal)
    var second = Life(seed: seed)
    second.live(specimen.make(journal), as: specimen, steps: 2000, journal: journal)
    #expect(first.transcript == second.transcript)
    #expect(Set(first.transcript).count > 3, "the life was too dull to show anything")
  }

  @Test(arguments: Specimen.all, [11, 12, 13, 14, 15, 16, 17, 18] as [UInt64])
  func restoredDeviceIsEqualAndBehavesAlike(_ specimen: Specimen, seed: UInt64) {
    let journal = Journal()
    let original = specimen.make(journal)
    var life = Life(seed: seed)
    for _ in 0..<10 {
      life.live(original, as: specimen, steps: 200, journal: journal)
      expectTwin(of: original, as: specimen, life: life)
    }
  }

  private func expectTwin(of original: any PortDevice, as specimen: Specimen, life: Life) {
    let journal = Journal()
    let twin = specimen.make(journal)
    let before = original.encodedState()
    #expect(twin.restore(encoded: before))
    #expect(twin.encodedState() == before)
    #expect(journal.entries.isEmpty, "restoring drives nothing")
    let ahead = specimen.make(journal)
    #expect(ahead.restore(encoded: before))
    var (one, other) = (life, life)
    one.live(twin, as: specimen, steps: 200, journal: journal)
    other.live(ahead, as: specimen, steps: 200, journal: journal)
    #expect(one.transcript == other.transcript)
    #expect(twin.encodedState() == ahead.encodedState())
    #expect(original.encodedState() == before, "a copy shares nothing with its original")
  }

  @Test(arguments: Specimen.all)
  func snapshotValueRestoresExactly(_ specimen: Specimen) {
    func check<D: PortDevice>(_ device: D) {
      let journal = Journal()
      var life = Life(seed: 21)
      life.live(device, as: specimen, steps: 500, journal: journal)
      let state = device.snapshot()
      #expect(D.State(encoded: state.encoded()) == state)
      var hasChanged = false
      for _ in 0..<10 {
        life.live(device, as: specimen, steps: 50, journal: journal)
        if device.snapshot() != state { hasChanged = true }
      }
      #expect(specimen.isStateless || hasChanged, "500 steps changed nothing")
      device.restore(state)
      #expect(device.snapshot() == state)
    }
    let journal = Journal()
    check(specimen.make(journal))
  }

  @Test(arguments: Specimen.all)
  func accessesOfEverySizeAtEveryOffsetAreDefined(_ specimen: Specimen) {
    let journal = Journal()
    let device = specimen.make(journal)
    let offsets = Array(UInt16(0)..<300) + Array(UInt16(0xff00)...0xffff)
    for size in [UInt8(1), 2, 4] {
      for offset in offsets {
        let value = device.read(offset: offset, size: size, now: 0)
        #expect(UInt64(value) < 1 << (8 * UInt64(size)))
        if offset >= 300 { #expect(UInt64(value) == 1 << (8 * UInt64(size)) - 1 || offset > 0xfffc) }
        for pattern in [0, UInt32.max, 0x55aa_33cc] {
          device.write(offset: offset, size: size, value: pattern, now: 0)
        }
      }
    }
  }

  @Test(arguments: Specimen.all, [31, 32, 33, 34, 35, 36] as [UInt64])
  func damagedStatesAreRefusedOrHarmless(_ specimen: Specimen, seed: UInt64) {
    let journal = Journal()
    var life = Life(seed: seed)
    let device = specimen.make(journal)
    life.live(device, as: specimen, steps: 300, journal: journal)
    let good = device.encodedState()
    for round in 0..<200 {
      var bytes = good
      if round % 4 == 0 { bytes.removeLast(Int(life.generator.next() % UInt64(bytes.count + 1))) }
      for _ in 0..<(1 + round % 9) where !bytes.isEmpty {
        bytes[Int(life.generator.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: life.generator.next())
      }
      let victim = specimen.make(journal)
      guard victim.restore(encoded: bytes) else { continue }
      var rest = life
      rest.live(victim, as: specimen, steps: 40, journal: journal)
      victim.advance(to: .max)
    }
  }

  @Test(arguments: Specimen.all)
  func bytesThatAreTooFewOrTooManyAreRefused(_ specimen: Specimen) {
    let journal = Journal()
    let device = specimen.make(journal)
    let good = device.encodedState()
    #expect(!device.restore(encoded: good + [0]))
    #expect(good.isEmpty == specimen.isStateless)
    if !good.isEmpty {
      #expect(!device.restore(encoded: Array(good.dropLast())))
      #expect(!device.restore(encoded: []))
    }
    #expect(device.restore(encoded: good))
  }
}
