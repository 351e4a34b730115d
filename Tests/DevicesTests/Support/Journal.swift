import Devices

/// What a device did to the outside, in order.
final class Journal {
  var entries: [String] = []

  func line(_ name: String = "irq") -> InterruptLine {
    InterruptLine { [unowned self] level in entries.append("\(name) \(level ? "high" : "low")") }
  }

  func bytes(_ name: String = "out") -> (UInt8) -> Void {
    { [unowned self] byte in entries.append("\(name) \(byte)") }
  }

  var requests: MachineRequestSink {
    { [unowned self] request in entries.append("\(request)") }
  }

  /// Takes out everything so far.
  func drain() -> [String] {
    defer { entries = [] }
    return entries
  }
}

/// The other end of an interrupt line.
final class Probe {
  private(set) var level = false
  private(set) var rises = 0

  var line: InterruptLine {
    InterruptLine { [unowned self] level in
      if level && !self.level { rises += 1 }
      self.level = level
    }
  }
}

/// Random numbers that are the same on every run: SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
