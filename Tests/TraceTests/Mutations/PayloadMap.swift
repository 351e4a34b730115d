import VMMCore

@testable import Trace

/// Where the fields and records of a sound payload lie, by what FORMAT.md says and not by the reader's code.
struct PayloadMap {
  struct Field {
    var name: String
    var range: Range<Int>
    var coding: Coding
  }
  enum Coding {
    /// A little-endian integer of as many bytes.
    case fixed
    case varint
    /// Text, or bytes of the guest.
    case bytes
  }

  private(set) var fields: [Field] = []
  /// Records of events, fields of the machine, placements, words of the state, entries of the index.
  private(set) var records: [Range<Int>] = []
  private let bytes: [UInt8]
  private var at = 0

  init(_ kind: ChunkKind, _ bytes: [UInt8]) {
    self.bytes = bytes
    var shapes: [Int: (code: UInt8, address: UInt64)] = [:]
    while at < bytes.count {
      let start = at
      switch kind {
      case .machine: machineField()
      case .image: image()
      case .placements: placement()
      case .state: fixed("state \(at / 8)", 8)
      case .events: record(&shapes)
      case .index: for name in ["kind", "flags", "offset", "ordinal", "time"] { varint("index " + name) }
      case .closing: for name in ["index", "events"] { fixed("closing " + name, 8) }
      default: content("bytes of kind \(kind.rawValue)", bytes.count - at)
      }
      records.append(start..<at)
    }
  }

  @discardableResult
  private mutating func fixed(_ name: String, _ count: Int) -> UInt64 {
    fields.append(Field(name: name, range: at..<(at + count), coding: .fixed))
    defer { at += count }
    return (0..<count).reduce(0) { $0 | UInt64(bytes[at + $1]) << UInt64(8 * $1) }
  }

  @discardableResult
  private mutating func varint(_ name: String) -> UInt64 {
    let start = at
    var value: UInt64 = 0
    repeat {
      value |= UInt64(bytes[at] & 0x7f) << UInt64(7 * (at - start))
      at += 1
    } while bytes[at - 1] & 0x80 != 0
    fields.append(Field(name: name, range: start..<at, coding: .varint))
    return value
  }

  private mutating func content(_ name: String, _ count: Int) {
    guard count > 0 else { return }
    fields.append(Field(name: name, range: at..<(at + count), coding: .bytes))
    at += count
  }

  private mutating func counted(_ name: String) { content(name, Int(varint(name + " length"))) }

  // MARK: the guest

  private mutating func machineField() {
    let tag = fixed("machine tag", 1)
    let name = "machine \(tag)"
    let end = Int(varint(name + " length")) + at
    switch tag {
    case 4: for count in [4, 1, 4, 4, 4, 4, 4] { fixed(name, count) }
    case 5, 7, 8, 12, 128: fixed(name, 8)
    case 13: while at < end { for count in [1, 4] { fixed(name, count) } }
    default: content(name, end - at)
    }
  }

  private mutating func image() {
    fixed("image role", 1)
    counted("image name")
    fixed("image size", 8)
    fixed("image digest", 8)
  }

  private mutating func placement() {
    if fixed("placement kind", 1) == 0 {
      for name in ["address", "image", "offset", "count"] { varint("placement " + name) }
    } else {
      varint("placement address")
      counted("placement bytes")
    }
  }

  // MARK: events

  private mutating func record(_ shapes: inout [Int: (code: UInt8, address: UInt64)]) {
    let opcode = fixed("opcode", 1)
    switch opcode {
    case 0x01:
      let slot = Int(fixed("slot", 1))
      let code = UInt8(fixed("shape", 1))
      shapes[slot] = (code, [7, 8, 9].contains(code >> 4) ? 0 : varint("shape address"))
      value(code)
    case 0x10...0x13, 0x40, 0x50: place(opcode, "interrupt") { $0.fixed("vector", 1) }
    case 0x14...0x17, 0x44, 0x54: place(opcode, "nmi") { _ in }
    case 0x18...0x1b, 0x48, 0x58:
      place(opcode, "write") {
        $0.varint("write address")
        $0.counted("write bytes")
      }
    case 0x1c...0x1f, 0x4c, 0x5c: place(opcode, "mark") { $0.varint("mark count") }
    case 0x20:
      for name in ["cpu", "memory", "output"] { fixed("digest " + name, 8) }
      varint("digest instructions")
    case 0x21: end()
    case 0x22: detail()
    default: value(shapes[Int(opcode) - 0x80]!.code)
    }
  }

  private mutating func value(_ code: UInt8) {
    switch code >> 4 {
    case 1...4: fixed("value", Int(code & 15))
    case 5, 6, 8, 11: fixed("value", 8)
    case 7: varint("value")
    default: break
    }
  }

  private mutating func place(_ opcode: UInt64, _ name: String, _ rest: (inout PayloadMap) -> Void) {
    switch opcode < 0x40 ? opcode & 3 : 3 {
    case 1: varint("\(name) instructions")
    case 2: for part in ["instructions", "iterations"] { varint("\(name) \(part)") }
    case 3: for part in ["rip", "cpu", "memory"] { fixed("\(name) \(part)", 8) }
    default: break
    }
    if opcode >= 0x40 { for number in 0..<16 { fixed("\(name) register \(number)", 8) } }
    if opcode >= 0x50 { moreOfPlace(name) }
    rest(&self)
  }

  private mutating func moreOfPlace(_ name: String) {
    varint("\(name) time")
    for _ in 0..<varint("\(name) words") {
      varint("\(name) word address")
      fixed("\(name) word", 8)
    }
  }

  private mutating func end() {
    switch fixed("end reason", 1) {
    case 4: fixed("end value", 4)
    case 7: counted("end text")
    default: break
    }
  }

  private mutating func detail() {
    for _ in 0..<varint("detail fields") {
      varint("detail field")
      fixed("detail word", 8)
    }
    fixed("detail shift", 1)
    for _ in 0..<varint("detail ranges") {
      varint("detail range")
      fixed("detail check", 2)
    }
  }
}
