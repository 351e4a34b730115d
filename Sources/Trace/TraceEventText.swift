public import VMMCore

/// The texts in which events are shown: one line each, in the words of the processor manuals.
extension TraceEvent: CustomStringConvertible {
  public var description: String {
    switch self {
    case .interaction(let exit, .none): "\(exit)\(character(exit))"
    case .interaction(let exit, .value(let value)): "\(exit) -> \(hex(value))\(character(exit, value))"
    case .interaction(let exit, .fault): "\(exit) -> #GP(0)"
    case .delivery(let delivery, .fingerprint(let place)): "\(delivery) \(place)"
    case .delivery(let delivery, _): "\(delivery)"
    case .digest(let digest): "\(digest)"
    case .detail(let detail): "detail of \(detail.words.count) registers and \(detail.ranges.count) memory ranges"
    case .mark(let mark): "\(mark)"
    case .end(let reason): "end: \(reason)"
    }
  }

  /// The character that goes through the data register of a console, when it is one that can be shown.
  private func character(_ exit: VCPUExit, _ read: UInt64 = 0) -> String {
    switch exit {
    case .portWrite(0x3f8, size: 1, let value), .portWrite(0xe9, size: 1, let value): quoted(UInt64(value))
    case .portRead(0x3f8, size: 1): quoted(read)
    default: ""
    }
  }

  private func quoted(_ value: UInt64) -> String {
    value > 0x20 && value < 0x7f ? " '\(Character(UnicodeScalar(UInt8(value))))'" : ""
  }
}

extension Delivery: CustomStringConvertible {
  public var description: String {
    switch self {
    case .interrupt(let vector): return "interrupt \(hex(vector))"
    case .nmi: return "nmi"
    case .memoryWrite(let address, let bytes):
      let shown = bytes.prefix(16).map { String(hex($0, digits: 2).dropFirst(2)) }.joined(separator: " ")
      return "device write \(bytes.count) at \(address): \(shown)\(bytes.count > 16 ? " ..." : "")"
    }
  }
}

extension Fingerprint: CustomStringConvertible {
  public var description: String { "at rip \(hex(rip)) cpu \(hex(cpu)) memory \(hex(memory))" }
}

extension StateDigest: CustomStringConvertible {
  public var description: String {
    "digest cpu \(hex(cpu)) memory \(hex(memory)) output \(hex(output)) instructions \(instructions)"
  }
}

extension Mark: CustomStringConvertible {
  public var description: String {
    let count = instructions > 0 ? " after \(instructions) instructions" : ""
    guard case .fingerprint(let fingerprint) = place else { return "mark" + count }
    return "mark\(count) \(fingerprint)"
  }
}

extension EndReason: CustomStringConvertible {
  public var description: String {
    switch self {
    case .powerOff: "powered off"
    case .reset: "reset"
    case .haltedForGood: "halted for good"
    case .shutdown: "triple fault"
    case .debugExit(let value): "debug exit with \(hex(value))"
    case .timeout: "time limit"
    case .interrupted: "stopped by the user"
    case .engineStopped(let text): "engine stopped: \(text)"
    }
  }
}

extension TraceEvent {
  /// Where it stands when `ordinal` events are complete before it.
  public func position(ordinal: UInt64) -> Position {
    switch self {
    case .delivery(_, let place): place.position(ordinal: ordinal)
    case .mark(let mark): mark.place.position(ordinal: ordinal)
    case .interaction, .digest, .detail, .end: Position(ordinal: ordinal)
    }
  }
}

extension Place {
  /// Its position when `ordinal` events are complete before it. A fingerprint lies after that event, nobody has counted
  /// how far.
  public func position(ordinal: UInt64) -> Position {
    guard case .instructions(let count, let iterations) = self else { return Position(ordinal: ordinal) }
    return Position(ordinal: ordinal, instructions: count, iterations: iterations)
  }
}
