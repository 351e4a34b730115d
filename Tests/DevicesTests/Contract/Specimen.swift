import Support
import Testing

@testable import Devices

/// A device for the contract suite, and how to make a new one of it.
struct Specimen: Sendable, CustomTestStringConvertible {
  var name: String
  /// Offsets that the device's registers take up.
  var offsets: UInt16
  var make: @Sendable (Journal) -> any PortDevice
  /// Something from outside other than an access and the passing of time.
  var poke: @Sendable (any PortDevice, UInt64, UInt64) -> Void = { _, _, _ in }
  /// The device remembers nothing.
  var isStateless = false

  var testDescription: String { name }
}

extension Specimen {
  static let all: [Specimen] = [
    uart, bareUART, pic, pit, rtc, powerManagement, keyboardController, debugExit, debugConsole, post, coprocessor, pci,
    apic, ioapic,
  ]

  static let uart = Specimen(
    name: "uart", offsets: 8, make: { UART(interrupt: $0.line(), output: $0.bytes()) },
    poke: { device, random, now in
      (device as? UART)?.receive([UInt8](repeating: UInt8(random & 0xff), count: Int(random >> 8 & 31)), now: now)
    })

  static let bareUART = Specimen(
    name: "uart, bare", offsets: 8, make: { UART(interrupt: $0.line(), isPatient: false, output: $0.bytes()) },
    poke: uart.poke)

  static let pic = Specimen(
    name: "pic", offsets: 6, make: { _ in DualPIC() },
    poke: { device, random, _ in
      guard let pic = device as? DualPIC else { return }
      if random & 1 == 0 { return pic.setLine(UInt8(random >> 8 & 31), random & 2 != 0) }
      if pic.hasInterrupt || random & 0xf0 == 0 { _ = pic.acknowledge() }
    })

  static let pit = Specimen(name: "pit", offsets: 5, make: { PIT(interrupt: $0.line()) })

  static let rtc = Specimen(
    name: "rtc", offsets: 2, make: { RTC(epoch: 1_700_000_000, memorySize: 1 << 28, interrupt: $0.line()) })

  static let powerManagement = Specimen(
    name: "pm", offsets: 12, make: { PowerManagement(interrupt: $0.line(), request: $0.requests) },
    poke: { device, random, now in
      if random % 8 == 0 { (device as? PowerManagement)?.pressPowerButton(now: now) }
    })

  static let keyboardController = Specimen(
    name: "i8042", offsets: 3, make: { KeyboardController(interrupt: $0.line(), request: $0.requests) })

  static let debugExit = Specimen(
    name: "debug-exit", offsets: 4, make: { DebugExitPort(request: $0.requests) }, isStateless: true)

  static let debugConsole = Specimen(
    name: "debug-console", offsets: 1, make: { DebugConsole(output: $0.bytes()) }, isStateless: true)

  static let post = Specimen(name: "post", offsets: 1, make: { _ in POSTPort() })

  static let coprocessor = Specimen(
    name: "fpu", offsets: 2, make: { CoprocessorError(interrupt: $0.line()) },
    poke: { device, random, _ in if random & 3 == 0 { (device as? CoprocessorError)?.signal() } })

  static let pci = Specimen(name: "pci", offsets: 8, make: { PCIConfigPorts(request: $0.requests) })

  static let apic = Specimen(
    name: "apic", offsets: 64,
    make: { journal in
      PortFace(
        LocalAPIC(
          nmi: { journal.entries.append("nmi") },
          endOfInterrupt: { vector in journal.entries.append("eoi \(vector)") }), count: 64)
    },
    poke: { device, random, now in
      guard let apic = (device as? PortFace<LocalAPIC>)?.device else { return }
      switch random & 7 {
      case 0: apic.setPin(Int(random >> 8 & 1), random & 0x1000 != 0)
      case 1, 2: _ = apic.acknowledge()
      case 3: apic.taskPriorityClass = UInt8(random >> 8 & 15)
      // Switch it on, or a random life leaves it off.
      case 4: apic.write(offset: 0xf0, size: 4, value: 0x1ff, now: now)
      default: apic.accept(vector: UInt8(random >> 8 & 0xff), isLevelTriggered: random & 0x10000 != 0)
      }
    })

  static let ioapic = Specimen(
    name: "ioapic", offsets: 2,
    make: { journal in
      PortFace(
        IOAPIC(send: { message in
          journal.entries.append("\(message)")
          return message.vector & 1 == 0
        }), count: 2)
    },
    poke: { device, random, now in
      guard let ioapic = (device as? PortFace<IOAPIC>)?.device else { return }
      switch random & 3 {
      case 0: ioapic.endOfInterrupt(UInt8(random >> 8 & 0xff))
      case 1: ioapic.write(offset: 0, size: 4, value: random >> 8 & 63, now: now)
      default: ioapic.setPin(Int(random >> 8 & 31), random & 0x10000 != 0)
      }
    })
}

/// A random but reproducible life of a device.
struct Life {
  var generator: SeededRandom
  var now: UInt64 = 0
  /// What was read, and what the device did.
  var transcript: [String] = []

  init(seed: UInt64) { generator = SeededRandom(seed: seed) }

  mutating func live(_ device: any PortDevice, as specimen: Specimen, steps: Int, journal: Journal) {
    for _ in 0..<steps {
      now += generator.next() % [1, 1000, 1_000_000, 3_000_000_000][Int(generator.next() % 4)]
      let offset = UInt16(generator.next() % UInt64(specimen.offsets + 3))
      let size = [UInt8(1), 1, 1, 2, 4][Int(generator.next() % 5)]
      let random = generator.next()
      switch generator.next() % 8 {
      case 0: device.advance(to: now)
      case 1: specimen.poke(device, random, now)
      case 2, 3, 4: transcript.append("read \(device.read(offset: offset, size: size, now: now))")
      default: device.write(offset: offset, size: size, value: UInt32(truncatingIfNeeded: random), now: now)
      }
      transcript += journal.drain()
      transcript.append("deadline \(device.nextDeadline ?? 0)")
    }
  }
}
