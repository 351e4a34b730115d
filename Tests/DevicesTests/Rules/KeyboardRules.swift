import Devices
import Testing

/// 8042 keyboard controller and keyboard (IBM PS/2 hardware interface technical reference).
enum KeyboardRules {
  private typealias Rule = DeviceRule<KeyboardBench>

  static let controller: [DeviceRule<KeyboardBench>] = [
    Rule("status: unlocked, tested, nothing in the buffers", "status register", 0x14) { $0.status },
    Rule("status: output buffer full until it is read", "status register", [0x01, 0x00]) { bench in
      bench.command(0xaa)
      let full = bench.status & 1
      _ = bench.data
      return [full, bench.status & 1]
    },
    Rule("status: the last write was a command, or data", "status register", [0x08, 0x00]) { bench in
      bench.command(0x60)
      let command = bench.status & 0x08
      bench.data = 0x65
      return [command, bench.status & 0x08]
    },
    Rule("status: the system flag is bit 2 of the command byte", "command byte", [0x00, 0x04]) { bench in
      [0x61, 0x65].map { (byte: UInt8) in
        bench.command(0x60, byte)
        return bench.status & 0x04
      }
    },
    Rule("0x20 reads the command byte, 0x60 writes it", "commands", [0x65, 0x41]) { bench in
      bench.command(0x20)
      let first = bench.data
      bench.command(0x60, 0x41)
      bench.command(0x20)
      return [first, bench.data]
    },
    Rule("0xaa: 0x55, and the system flag is set", "commands", [0x55, 0x04]) { bench in
      bench.command(0x60, 0x61)
      bench.command(0xaa)
      return [bench.data, bench.status & 0x04]
    },
    Rule("0xab: the keyboard's lines are fine", "commands", 0x00) { bench in
      bench.command(0xab)
      return bench.data
    },
    Rule("0xa9: the mouse's are not: there is none", "commands", 0x02) { bench in
      bench.command(0xa9)
      return bench.data
    },
    Rule("0xad and 0xae: bit 4 of the command byte", "commands", [0x75, 0x65]) { bench in
      [0xad, 0xae].map { (command: UInt8) in
        bench.command(command)
        bench.command(0x20)
        return bench.data
      }
    },
    Rule("0xa7 and 0xa8: bit 5 of the command byte", "commands", [0x65, 0x45]) { bench in
      [0xa7, 0xa8].map { (command: UInt8) in
        bench.command(command)
        bench.command(0x20)
        return bench.data
      }
    },
    Rule("0xc0: the keyboard is not locked", "commands", 0x80) { bench in
      bench.command(0xc0)
      return bench.data
    },
    Rule("0xd0 and 0xd1: the output port, all but the interrupts", "output port", [0xcf, 0xcd, 0x01, 0xcf]) { bench in
      bench.command(0xd0)
      let first = bench.data
      return [first]
        + [0xfd, 0x01, 0xdf | 0x20].map { (value: UInt8) in
          bench.command(0xd1, value)
          bench.command(0xd0)
          return bench.data
        }
    },
    Rule("0xd0 shows a full output buffer", "output port", 0x10) { bench in
      bench.data = 0xee
      bench.command(0xd0)
      _ = bench.data
      return bench.data & 0x10
    },
    Rule("0xdd and 0xdf close and open A20", "HP Vectra technical reference, commands", [0x01, 0x03]) { bench in
      [0xdd, 0xdf].map { (command: UInt8) in
        bench.command(command)
        bench.command(0xd0)
        return bench.data & 0x03
      }
    },
    Rule("0xd1 with bit 0 clear resets", "output port", ["reset"]) { bench in
      bench.command(0xd1, 0xde)
      return bench.journal.drain()
    },
    Rule("0xd2: the byte comes back as the keyboard's, untranslated", "commands", [0x83, 1]) { bench in
      bench.command(0xd2, 0x83)
      let level: UInt8 = bench.probe.level ? 1 : 0
      return [bench.data, level]
    },
    Rule("0xe0: both clocks are low", "commands", 0x00) { bench in
      bench.command(0xe0)
      return bench.data
    },
    Rule("0xfe pulses the reset line", "commands", ["reset"]) { bench in
      bench.command(0xfe)
      return bench.journal.drain()
    },
    Rule("0xff pulses nothing", "commands", []) { bench in
      bench.command(0xff)
      return bench.journal.drain()
    },
    Rule("a command that waits for its data is forgotten at the next one", "commands", [0x65, 0xee]) { bench in
      bench.command(0x60)
      bench.command(0x20)
      let byte = bench.data
      bench.data = 0xee
      return [byte, bench.data]
    },
    Rule("commands without a meaning do nothing", "commands", 0x00) { bench in
      for command in [0x00, 0x10, 0x80, 0xb0, 0xc8] as [UInt8] { bench.command(command) }
      return bench.status & 0x01
    },
    Rule("an empty buffer gives its last byte again", "output buffer", [0x55, 0x55]) { bench in
      bench.command(0xaa)
      return [bench.data, bench.data]
    },
    Rule("IRQ 1 while the buffer is full and bit 0 of the command byte is set", "command byte", [0, 1, 0]) { bench in
      bench.command(0x60, 0x64)
      bench.command(0xaa)
      let closed = bench.probe.level ? 1 : 0
      bench.command(0x60, 0x65)
      let open = bench.probe.level ? 1 : 0
      _ = bench.data
      return [closed, open, bench.probe.level ? 1 : 0]
    },
    Rule("port 0x92: A20 and the fast reset", "PS/2: system control port A", ["0x0 0x2", "reset"]) { bench in
      bench.port92 = 0x00
      let closed = bench.port92
      bench.port92 = 0x02
      let both = "0x\(closed) 0x\(bench.port92)"
      bench.port92 = 0x03
      return [both] + bench.journal.drain()
    },
  ]

  /// The keyboard's answers to bytes, without translation.
  private static func answers(_ bench: KeyboardBench, _ bytes: [UInt8]) -> [UInt8] {
    bench.command(0x60, 0x25)
    return bytes.flatMap { byte in
      bench.data = byte
      return bench.all()
    }
  }

  static let keyboard: [DeviceRule<KeyboardBench>] = [
    Rule("reset: acknowledged, then passed", "keyboard: 0xff", [0xfa, 0xaa]) { answers($0, [0xff]) },
    Rule("echo", "keyboard: 0xee", [0xee]) { answers($0, [0xee]) },
    Rule("identify", "keyboard: 0xf2", [0xfa, 0xab, 0x83]) { answers($0, [0xf2]) },
    Rule("lights and rate take a byte", "keyboard: 0xed, 0xf3", [0xfa, 0xfa, 0xfa, 0xfa]) {
      answers($0, [0xed, 0x07, 0xf3, 0x20])
    },
    Rule("scan code set 0 asks for the set", "keyboard: 0xf0", [0xfa, 0xfa, 0xfa, 0xfa, 0x03]) {
      answers($0, [0xf0, 0x03, 0xf0, 0x00])
    },
    Rule("the default is set 2", "keyboard: 0xf0", [0xfa, 0xfa, 0x02]) { answers($0, [0xf0, 0x00]) },
    Rule("defaults bring set 2 back", "keyboard: 0xf6", [0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0x02]) {
      answers($0, [0xf0, 0x01, 0xf6, 0xf0, 0x00])
    },
    Rule("a command in place of the byte is a command", "keyboard: 0xed", [0xfa, 0xee]) { answers($0, [0xed, 0xee]) },
    Rule("resend", "keyboard: 0xfe", [0xee, 0xee]) { answers($0, [0xee, 0xfe]) },
    Rule("enable, disable, defaults", "keyboard: 0xf4 to 0xf6", [0xfa, 0xfa, 0xfa]) {
      answers($0, [0xf4, 0xf5, 0xf6])
    },
    Rule("all keys' types, for set 3", "keyboard: 0xf7 to 0xfa", [0xfa, 0xfa, 0xfa, 0xfa]) {
      answers($0, [0xf7, 0xf8, 0xf9, 0xfa])
    },
    Rule("some keys' types, for set 3: their codes follow", "keyboard: 0xfb to 0xfd", [0xfa, 0xfa, 0xfa, 0xee]) {
      answers($0, [0xfb, 0x1c, 0x32, 0xee])
    },
    Rule("what is no command", "keyboard: 0xfe", [0xfe, 0xfe]) { answers($0, [0x00, 0xec]) },
    Rule("translation to set 1 changes the identity", "command byte: translate", [0xfa, 0xab, 0x41]) { bench in
      bench.data = 0xf2
      return bench.all()
    },
    Rule("a byte for the keyboard switches it on", "controller: command byte", [0xfa, 0x65]) { bench in
      bench.command(0xad)
      bench.data = 0xf4
      let answer = bench.data
      bench.command(0x20)
      return [answer, bench.data]
    },
    Rule("a keyboard that is off keeps its answers", "controller: command byte", [0xfa, 0x00, 0xaa]) { bench in
      bench.data = 0xff
      bench.command(0xad)
      let first = bench.data
      let off = bench.status & 1
      bench.command(0xae)
      return [first, off, bench.data]
    },
  ]
}

/// A keyboard controller on a bench.
final class KeyboardBench {
  let probe = Probe()
  let journal = Journal()
  private let controller: KeyboardController

  init() { controller = KeyboardController(interrupt: probe.line, request: journal.requests) }

  var status: UInt8 { controller.readByte(offset: 1, now: 0) }
  var data: UInt8 {
    get { controller.readByte(offset: 0, now: 0) }
    set { controller.writeByte(offset: 0, value: newValue, now: 0) }
  }
  var port92: UInt8 {
    get { controller.readByte(offset: 2, now: 0) }
    set { controller.writeByte(offset: 2, value: newValue, now: 0) }
  }

  func command(_ command: UInt8, _ parameter: UInt8? = nil) {
    controller.writeByte(offset: 1, value: command, now: 0)
    if let parameter { data = parameter }
  }

  /// Everything that comes.
  func all() -> [UInt8] {
    var bytes: [UInt8] = []
    while status & 1 != 0, bytes.count < 100 { bytes.append(data) }
    return bytes
  }
}

@Suite struct KeyboardRuleTests {
  @Test(arguments: KeyboardRules.controller + KeyboardRules.keyboard)
  func holds(_ rule: DeviceRule<KeyboardBench>) { #expect(rule.fault(on: KeyboardBench()) == nil) }
}
