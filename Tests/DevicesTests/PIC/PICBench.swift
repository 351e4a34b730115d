import Devices

/// Both controllers on a bench, with the ports of a PC.
final class PICBench {
  let pic = DualPIC()
  private let bus = PortBus()

  init() {
    do { try bus.attach(pic, at: DualPIC.standardPorts) } catch { fatalError("\(error)") }
  }

  func out(_ port: UInt16, _ value: UInt8) { bus.write(port: port, size: 1, value: UInt32(value), now: 0) }
  func `in`(_ port: UInt16) -> UInt8 { UInt8(truncatingIfNeeded: bus.read(port: port, size: 1, now: 0)) }

  /// As every PC does it: vectors from 0x20 and 0x28, cascade on IRQ 2.
  func initialize(icw1: UInt8 = 0x11, icw4: UInt8 = 0x01) {
    for (port, base, cascade) in [(UInt16(0x20), UInt8(0x20), UInt8(4)), (0xa0, 0x28, 2)] {
      out(port, icw1)
      out(port + 1, base)
      out(port + 1, cascade)
      out(port + 1, icw4)
    }
  }

  func raise(_ line: UInt8) { pic.setLine(line, true) }
  func lower(_ line: UInt8) { pic.setLine(line, false) }
  func pulse(_ line: UInt8) {
    raise(line)
    lower(line)
  }

  /// Every vector that comes, each acknowledged but not ended.
  func takeAll() -> [UInt8] {
    var vectors: [UInt8] = []
    while pic.hasInterrupt, vectors.count < 20 { vectors.append(pic.acknowledge()) }
    return vectors
  }
}
