internal import Trace
internal import VMMCore

extension TraceEvent {
  /// The kind, as counts and JSON name it.
  var kindName: String {
    switch self {
    case .interaction(let exit, _): exit.kindName
    case .delivery(.interrupt, _): "interrupt"
    case .delivery(.nmi, _): "nmi"
    case .delivery(.memoryWrite, _): "device-write"
    case .digest: "digest"
    case .detail: "detail"
    case .mark: "mark"
    case .end: "end"
    }
  }

  /// One object of `dump --json`.
  func json(ordinal: UInt64) -> JSON {
    let place = position(ordinal: ordinal)
    var fields: [(String, JSON)] = [
      ("position", .string(place.description)), ("kind", .string(kindName)),
    ]
    switch self {
    case .interaction(let exit, let answer):
      fields += exit.jsonFields
      switch answer {
      case .none: break
      case .value(let value): fields.append(("answer", .string(hex(value))))
      case .fault: fields.append(("answer", .string("#GP(0)")))
      }
    case .delivery(let delivery, let place):
      fields += delivery.jsonFields
      if case .fingerprint(let print) = place { fields.append(("fingerprint", print.json)) }
    case .digest(let digest): fields += digest.jsonFields
    case .detail(let detail): fields += detail.jsonFields
    case .mark(let mark):
      fields.append(("instructions", .number(mark.instructions)))
      if case .fingerprint(let print) = mark.place { fields.append(("fingerprint", print.json)) }
    case .end(let reason): fields.append(("end", reason.json))
    }
    return .object(fields)
  }
}

extension VCPUExit {
  fileprivate var kindName: String {
    switch self {
    case .portRead: "in"
    case .portWrite: "out"
    case .mmioRead: "mmio-read"
    case .mmioWrite: "mmio-write"
    case .msrRead: "rdmsr"
    case .msrWrite: "wrmsr"
    case .timestampRead: "rdtsc"
    case .randomRead: "rdrand"
    case .halt: "hlt"
    default: "none"
    }
  }

  fileprivate var jsonFields: [(String, JSON)] {
    switch self {
    case .portRead(let port, let size): [("port", .string(hex(port))), ("size", .number(UInt64(size)))]
    case .portWrite(let port, let size, let value):
      [("port", .string(hex(port))), ("size", .number(UInt64(size))), ("value", .string(hex(value)))]
    case .mmioRead(let address, let size):
      [("address", .string(address.description)), ("size", .number(UInt64(size)))]
    case .mmioWrite(let address, let size, let value):
      [
        ("address", .string(address.description)), ("size", .number(UInt64(size))), ("value", .string(hex(value))),
      ]
    case .msrRead(let index): [("msr", .string(hex(index)))]
    case .msrWrite(let index, let value): [("msr", .string(hex(index))), ("value", .string(hex(value)))]
    default: []
    }
  }
}

extension Delivery {
  fileprivate var jsonFields: [(String, JSON)] {
    switch self {
    case .interrupt(let vector): [("vector", .number(UInt64(vector)))]
    case .nmi: []
    case .memoryWrite(let address, let bytes):
      [
        ("address", .string(address.description)), ("size", .number(UInt64(bytes.count))),
        ("bytes", .string(bytes.map { String(hex($0, digits: 2).dropFirst(2)) }.joined())),
      ]
    }
  }
}

extension Fingerprint {
  fileprivate var json: JSON {
    var fields: [(String, JSON)] = [
      ("rip", .string(hex(rip))), ("cpu", .string(hex(cpu))), ("memory", .string(hex(memory))),
    ]
    if let time { fields.append(("time", .number(time))) }
    if let word {
      let content: [(String, JSON)] = [
        ("address", .string(word.address.description)), ("value", .string(hex(word.value))),
      ]
      fields.append(("word", .object(content)))
    }
    return .object(fields)
  }
}

extension StateDigest {
  fileprivate var jsonFields: [(String, JSON)] {
    [
      ("cpu", .string(hex(cpu))), ("memory", .string(hex(memory))), ("output", .string(hex(output))),
      ("instructions", .number(instructions)),
    ]
  }
}

extension StateDetail {
  fileprivate var jsonFields: [(String, JSON)] {
    let registers = zip(CPUState.fields, words).filter { $0.1 != 0 }.map { ($0.0.name, JSON.string(hex($0.1))) }
    let checks = ranges.map { range in
      JSON.object([("range", .number(UInt64(range.number))), ("check", .string(hex(range.check)))])
    }
    return [
      ("registers", .object(registers)), ("pagesInRange", .number(1 << UInt64(pageShift))), ("ranges", .array(checks)),
    ]
  }
}

extension EndReason {
  var json: JSON {
    switch self {
    case .powerOff: .object([("reason", .string("power-off"))])
    case .reset: .object([("reason", .string("reset"))])
    case .haltedForGood: .object([("reason", .string("halted"))])
    case .shutdown: .object([("reason", .string("triple-fault"))])
    case .debugExit(let value): .object([("reason", .string("debug-exit")), ("value", .number(UInt64(value)))])
    case .timeout: .object([("reason", .string("timeout"))])
    case .interrupted: .object([("reason", .string("interrupted"))])
    case .engineStopped(let text): .object([("reason", .string("engine-stopped")), ("text", .string(text))])
    }
  }
}
