import Support
import VMMCore

@testable import Trace

/// Makes traces that lie from a sound one: one thing is changed, and all checksums are right again. The same seed and
/// number give the same trace.
struct Mutator {
  private let original: TraceSurgery
  private let maps: [PayloadMap]
  /// Each trace has its own.
  private let salt: UInt64

  struct Mutation {
    /// What was changed.
    var name: String
    var bytes: [UInt8]
  }

  init(_ bytes: [UInt8], name: String) {
    salt = Digest.of([UInt8](name.utf8))
    original = TraceSurgery(bytes)
    maps = original.chunks.map { PayloadMap($0.header.kind, $0.raw) }
  }

  func mutation(seed: UInt64, number: Int) -> Mutation {
    var random = SeededRandom(seed: (seed ^ salt) &* 0x9e37_79b9_7f4a_7c15 &+ UInt64(number))
    var trace = original
    var keeps = false
    let name: String
    switch random.below(100) {
    case 0..<55: name = changeField(&trace, &random)
    case 55..<67: name = changeHeader(&trace, &random, &keeps)
    case 67..<87: name = changeRecords(&trace, &random)
    case 87..<95: name = changeChunks(&trace, &random)
    default: return changeFile(&random)
    }
    let repairs = trace.repair(&random)
    return Mutation(name: "\(name); \(repairs)", bytes: trace.assembled(keepSizes: keeps))
  }

  // MARK: fields

  private func changeField(_ trace: inout TraceSurgery, _ random: inout SeededRandom) -> String {
    let index = chunk(&random)
    let field = random.pick(maps[index].fields)
    var raw = trace.chunks[index].raw
    let old = Array(raw[field.range])
    let new = random.changed(old, field.coding)
    raw.replaceSubrange(field.range, with: new)
    trace.chunks[index].raw = raw
    return "chunk \(index), \(field.name) at \(field.range.lowerBound): \(old.prefix(16)) to \(new.prefix(16))"
  }

  /// Events in half of all cases.
  private func chunk(_ random: inout SeededRandom) -> Int {
    let events = original.chunks.indices.filter { original.chunks[$0].header.kind == .events }
    return random.oneIn(2) ? random.pick(events) : random.below(original.chunks.count)
  }

  private func changeHeader(
    _ trace: inout TraceSurgery, _ random: inout SeededRandom, _ keepsSizes: inout Bool
  ) -> String {
    let index = random.below(trace.chunks.count)
    var header = trace.chunks[index].header
    let name: String
    switch random.below(8) {
    case 0: (name, header.kind) = ("kind", ChunkKind(rawValue: random.changed(header.kind.rawValue)))
    case 1: (name, header.flags) = ("flags", ChunkFlags(rawValue: random.changed(header.flags.rawValue)))
    case 2: (name, header.vcpu) = ("vCPU", random.changed(header.vcpu))
    case 3: (name, header.storedSize, keepsSizes) = ("stored size", random.changed(header.storedSize), true)
    case 4: (name, header.rawSize, keepsSizes) = ("raw size", random.changed(header.rawSize), true)
    case 5: (name, header.firstOrdinal) = ("first ordinal", random.changed(header.firstOrdinal))
    case 6: (name, header.sequence) = ("number", random.changed(header.sequence))
    default: (name, header.elapsed) = ("time", random.changed(header.elapsed))
    }
    trace.chunks[index].header = header
    trace.keepsOrdinals = name == "first ordinal"
    trace.keepsNumbers = name == "number"
    return "header of chunk \(index), \(name)"
  }

  // MARK: records

  private func changeRecords(_ trace: inout TraceSurgery, _ random: inout SeededRandom) -> String {
    let index = chunk(&random)
    var raw = trace.chunks[index].raw
    let records = maps[index].records
    let (first, second) = (random.below(records.count), random.below(records.count))
    let record = Array(raw[records[first]])
    let other = Array(raw[records[second]])
    let name: String
    switch random.below(5) {
    case 0:
      name = "record \(first) dropped"
      raw.removeSubrange(records[first])
    case 1:
      name = "record \(first) doubled"
      raw.insert(contentsOf: record, at: records[first].upperBound)
    case 2:
      name = "record \(first) doubled at \(second)"
      raw.insert(contentsOf: record, at: records[second].lowerBound)
    case 3:
      let (low, high) = (min(first, second), max(first, second))
      name = "records \(low) and \(high) exchanged"
      raw.replaceSubrange(records[high], with: low == first ? record : other)
      raw.replaceSubrange(records[low], with: low == first ? other : record)
    default: return move(record, records[first], from: index, &trace, &random)
    }
    trace.chunks[index].raw = raw
    return "chunk \(index), \(name)"
  }

  private func move(
    _ record: [UInt8], _ range: Range<Int>, from index: Int, _ trace: inout TraceSurgery,
    _ random: inout SeededRandom
  ) -> String {
    let kind = trace.chunks[index].header.kind
    let target = random.pick(trace.chunks.indices.filter { trace.chunks[$0].header.kind == kind })
    trace.chunks[index].raw.removeSubrange(range)
    let atEnd = random.oneIn(2)
    let place = atEnd ? trace.chunks[target].raw.count : 0
    trace.chunks[target].raw.insert(contentsOf: record, at: place)
    return "chunk \(index), record at \(range.lowerBound) moved to the \(atEnd ? "end" : "begin") of chunk \(target)"
  }

  // MARK: chunks and the file

  private func changeChunks(_ trace: inout TraceSurgery, _ random: inout SeededRandom) -> String {
    let (first, second) = (random.below(trace.chunks.count), random.below(trace.chunks.count))
    switch random.below(4) {
    case 0:
      trace.chunks.remove(at: first)
      return "chunk \(first) dropped"
    case 1:
      trace.chunks.insert(trace.chunks[first], at: first)
      return "chunk \(first) doubled"
    case 2:
      trace.chunks.insert(trace.chunks[first], at: second)
      return "chunk \(first) doubled at \(second)"
    default:
      trace.chunks.swapAt(first, second)
      return "chunks \(first) and \(second) exchanged"
    }
  }

  /// Nothing that a checksum covers.
  private func changeFile(_ random: inout SeededRandom) -> Mutation {
    let bytes = original.assembled()
    switch random.below(3) {
    case 0:
      let more = random.bytes(1 + random.below(100))
      return Mutation(name: "\(more.count) bytes more", bytes: bytes + more)
    case 1:
      let count = random.below(bytes.count)
      return Mutation(name: "cut to \(count) bytes", bytes: Array(bytes[..<count]))
    default:
      let offset = random.below(TraceFormat.fileHeaderSize)
      var changed = bytes
      changed[offset] = random.changed(changed[offset])
      return Mutation(name: "file header at \(offset)", bytes: changed)
    }
  }
}

extension SeededRandom {
  /// Another number: 0, 1, all bits, one more, one less, one bit flipped, any.
  mutating func changed<Number: FixedWidthInteger & UnsignedInteger>(_ value: Number) -> Number {
    while true {
      let new: Number =
        switch below(8) {
        case 0: 0
        case 1: 1
        case 2: .max
        case 3: value &+ 1
        case 4: value &- 1
        case 5, 6: value ^ 1 << Number(below(Number.bitWidth))
        default: Number(truncatingIfNeeded: number())
        }
      if new != value { return new }
    }
  }

  /// A field with another value.
  mutating func changed(_ field: [UInt8], _ coding: PayloadMap.Coding) -> [UInt8] {
    var value: UInt64 = 0
    switch coding {
    case .fixed:
      for byte in field.reversed() { value = value << 8 | UInt64(byte) }
      let new = changed(value)
      let bytes = field.indices.map { UInt8(truncatingIfNeeded: new >> UInt64(8 * $0)) }
      return bytes == field ? changed(field, coding) : bytes
    case .varint:
      for (index, byte) in field.enumerated() { value |= UInt64(byte & 0x7f) << UInt64(7 * index) }
      var out = ByteWriter()
      out.append(varint: changed(value))
      return out.bytes
    case .bytes:
      var bytes = field
      let at = below(bytes.count)
      bytes[at] = changed(bytes[at])
      return bytes
    }
  }
}
