import Devices
import Testing

/// IBM PS/2 hardware reference: keyboard controller, as guests use it.
@Suite struct KeyboardControllerTests {
  private let probe = Probe()
  private let journal = Journal()
  private let controller: KeyboardController

  init() {
    controller = KeyboardController(interrupt: probe.line, request: journal.requests)
  }

  private func command(_ value: UInt8) { controller.writeByte(offset: 1, value: value, now: 0) }
  private func data(_ value: UInt8) { controller.writeByte(offset: 0, value: value, now: 0) }
  private var status: UInt8 { controller.readByte(offset: 1, now: 0) }
  /// Everything in the output buffer, one after the other.
  private func answers() -> [UInt8] {
    var bytes: [UInt8] = []
    while status & 1 != 0, bytes.count < 100 { bytes.append(controller.readByte(offset: 0, now: 0)) }
    return bytes
  }

  @Test func selfTestAndInterfaceTest() {
    command(0xaa)
    #expect(answers() == [0x55])
    command(0xab)
    #expect(answers() == [0x00])
    #expect(status & 0x04 != 0)
  }

  @Test func commandByte() {
    command(0x60)
    data(0x40)
    command(0x20)
    #expect(answers() == [0x40])
    command(0xad)
    command(0x20)
    #expect(answers() == [0x50])
    command(0xae)
    command(0xa7)
    command(0x20)
    #expect(answers() == [0x60])
  }

  @Test func statusTellsCommandsFromData() {
    command(0x60)
    #expect(status & 0x08 != 0)
    data(0x65)
    #expect(status & 0x08 == 0)
    #expect(status & 0x10 != 0, "not locked")
    #expect(status & 0x02 == 0, "always ready for input")
  }

  @Test func emptyBufferRepeatsTheLastByte() {
    command(0xaa)
    _ = answers()
    #expect(controller.readByte(offset: 0, now: 0) == 0x55)
    #expect(status & 1 == 0)
  }

  @Test(arguments: [UInt8(0xfe), 0xf0, 0xfc])
  func pulsingTheResetLine(value: UInt8) {
    command(value)
    #expect(journal.drain() == ["reset"])
  }

  @Test func otherPulsesDoNothing() {
    command(0xff)
    command(0xfd)
    #expect(journal.entries.isEmpty)
  }

  @Test func outputPort() {
    command(0xd0)
    #expect(answers() == [0xcf])
    command(0xd1)
    data(0x01)
    command(0xd0)
    #expect(answers() == [0x01])
    #expect(controller.readByte(offset: 2, now: 0) == 0x00, "port 0x92 shows the same A20")
    command(0xd1)
    data(0x02)
    #expect(journal.drain() == ["reset"])
  }

  @Test func port92() {
    #expect(controller.readByte(offset: 2, now: 0) == 0x02)
    controller.writeByte(offset: 2, value: 0x00, now: 0)
    #expect(controller.readByte(offset: 2, now: 0) == 0x00)
    controller.writeByte(offset: 2, value: 0x02, now: 0)
    #expect(journal.entries.isEmpty)
    controller.writeByte(offset: 2, value: 0x03, now: 0)
    #expect(journal.drain() == ["reset"])
  }

  @Test func keyboardAnswers() {
    command(0x60)
    data(0x00)
    data(0xff)
    #expect(answers() == [0xfa, 0xaa])
    data(0xf2)
    #expect(answers() == [0xfa, 0xab, 0x83])
    data(0xed)
    data(0x07)
    #expect(answers() == [0xfa, 0xfa])
    data(0xee)
    #expect(answers() == [0xee])
    data(0x05)
    #expect(answers() == [0xfe])
    data(0xf0)
    data(0x00)
    #expect(answers() == [0xfa, 0xfa, 0x02])
  }

  @Test func translationToSetOne() {
    data(0xf2)
    #expect(answers() == [0xfa, 0xab, 0x41])
  }

  @Test func aDisabledKeyboardWaits() {
    command(0x60)
    data(0x05)
    data(0xf2)
    command(0xad)
    #expect(answers() == [0xfa], "what was in the buffer already")
    command(0xae)
    #expect(answers() == [0xab, 0x83])
  }

  @Test func everyByteInterrupts() {
    #expect(probe.rises == 0)
    data(0xff)
    #expect(probe.level)
    _ = controller.readByte(offset: 0, now: 0)
    #expect(probe.rises == 2)
    _ = controller.readByte(offset: 0, now: 0)
    #expect(!probe.level)
    #expect(probe.rises == 2)
  }

  @Test func interruptsCanBeOff() {
    command(0x60)
    data(0x44)
    data(0xff)
    #expect(probe.rises == 0)
  }

  @Test func thereIsNoMouse() {
    command(0xa9)
    #expect(answers() == [0x02])
    command(0xd3)
    data(0x5a)
    #expect(status & 0x21 == 0x01, "the byte does not come from a mouse")
  }

  @Test func nobodyReadingCannotOverflowIt() {
    for _ in 0..<1000 {
      command(0xaa)
      data(0xff)
    }
    #expect(answers().count <= 33)
  }
}
