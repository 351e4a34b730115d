import Devices
import Testing

/// 82093AA data sheet.
@Suite struct IOAPICTests {
  private final class Receiver {
    var messages: [InterruptMessage] = []
    var accepts = true
  }
  private let receiver = Receiver()
  private let ioapic: IOAPIC

  init() {
    let receiver = receiver
    ioapic = IOAPIC(send: { message in
      receiver.messages.append(message)
      return receiver.accepts
    })
  }

  private func read(_ register: UInt64) -> UInt32 {
    ioapic.write(offset: 0, size: 4, value: register, now: 0)
    return UInt32(truncatingIfNeeded: ioapic.read(offset: 0x10, size: 4, now: 0))
  }
  private func write(_ register: UInt64, _ value: UInt64) {
    ioapic.write(offset: 0, size: 4, value: register, now: 0)
    ioapic.write(offset: 0x10, size: 4, value: value, now: 0)
  }
  private var vectors: [UInt8] { receiver.messages.map(\.vector) }

  @Test func identification() {
    #expect(read(1) == 0x0017_0011)
    write(0, 0x0500_0000)
    #expect(read(0) == 0x0500_0000)
    #expect(read(2) == 0x0500_0000)
    write(1, 0)
    #expect(read(1) == 0x0017_0011)
  }

  @Test func entriesStartMaskedAndHoldWhatCanBeWritten() {
    for pin in UInt64(0)..<24 {
      #expect(read(0x10 + 2 * pin) == 0x1_0000)
      write(0x10 + 2 * pin, 0xffff_ffff)
      write(0x11 + 2 * pin, 0xffff_ffff)
      #expect(read(0x10 + 2 * pin) == 0x1_afff, "delivery status and remote IRR are for reading only")
      #expect(read(0x11 + 2 * pin) == 0xff00_0000)
    }
    #expect(read(0x40) == 0)
  }

  @Test func edgesAreSentOnce() {
    write(0x14, 0x0030)
    write(0x15, 0x0100_0000)
    ioapic.setPin(2, true)
    ioapic.setPin(2, true)
    #expect(vectors == [0x30])
    #expect(receiver.messages[0].destination == 1)
    #expect(!receiver.messages[0].isLevelTriggered)
    ioapic.setPin(2, false)
    ioapic.setPin(2, true)
    #expect(vectors == [0x30, 0x30])
  }

  @Test func edgesAtMaskedPinsAreLost() {
    ioapic.setPin(4, true)
    write(0x18, 0x0034)
    #expect(vectors.isEmpty)
  }

  @Test func levelsAreSentAgainAfterTheEnd() {
    write(0x22, 0x8039)
    ioapic.setPin(9, true)
    #expect(vectors == [0x39])
    #expect(receiver.messages[0].isLevelTriggered)
    #expect(read(0x22) & 0x4000 != 0, "remote IRR")
    ioapic.setPin(9, false)
    ioapic.setPin(9, true)
    #expect(vectors == [0x39], "not before the end")
    ioapic.endOfInterrupt(0x39)
    #expect(vectors == [0x39, 0x39])
    ioapic.setPin(9, false)
    ioapic.endOfInterrupt(0x39)
    #expect(vectors == [0x39, 0x39])
    #expect(read(0x22) & 0x4000 == 0)
  }

  @Test func levelsWaitForTheMask() {
    write(0x22, 0x1_8039)
    ioapic.setPin(9, true)
    #expect(vectors.isEmpty)
    write(0x22, 0x8039)
    #expect(vectors == [0x39])
  }

  @Test func otherVectorsEndNothing() {
    write(0x22, 0x8039)
    ioapic.setPin(9, true)
    ioapic.endOfInterrupt(0x38)
    #expect(vectors == [0x39])
  }

  @Test func whatIsNotAcceptedHasNoRemoteIRR() {
    receiver.accepts = false
    write(0x22, 0x8039)
    ioapic.setPin(9, true)
    #expect(read(0x22) & 0x4000 == 0)
  }

  @Test func goingToEdgeClearsAStuckRemoteIRR() {
    write(0x22, 0x8039)
    ioapic.setPin(9, true)
    write(0x22, 0x1_0039)
    write(0x22, 0x1_8039)
    #expect(read(0x22) & 0x4000 == 0)
  }

  @Test func pinsThatDoNotExistAreIgnored() {
    ioapic.setPin(24, true)
    ioapic.setPin(-1, true)
    #expect(vectors.isEmpty)
  }
}
