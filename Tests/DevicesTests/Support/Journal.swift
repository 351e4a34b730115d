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
