internal import VMMCore

/// Reads the records of one chunk. A value type: a copy goes on from where the original stood.
struct EventDecoder {
  private var input: ByteReader
  private var shapes = [Shape](repeating: .none, count: ShapeTable.slotCount)
  private var lastTimestamp: UInt64 = 0
  private var details = DetailCoding()

  init(_ bytes: [UInt8]) { input = ByteReader(bytes) }

  var isAtEnd: Bool { input.isAtEnd }
  /// Where the next record begins.
  var position: Int { input.position }

  /// The next record. Not at the end.
  mutating func next() throws(DecodingError) -> TraceEvent {
    let opcode = try input.byte()
    if opcode >= Opcode.firstSlot { return try interaction(slot: Int(opcode & 0x7f)) }
    switch opcode {
    case Opcode.define:
      let slot = Int(try input.byte())
      guard slot < ShapeTable.slotCount else { throw input.fail("shape slot \(slot)") }
      shapes[slot] = try shape()
      return try interaction(slot: slot)
    case Opcode.interrupt...(Opcode.interrupt + 3), Opcode.interrupt + Opcode.atRegisters,
      Opcode.interrupt + Opcode.atTime:
      let place = try place(opcode - Opcode.interrupt)
      return .delivery(.interrupt(vector: try input.byte()), at: place)
    case Opcode.nmi...(Opcode.nmi + 3), Opcode.nmi + Opcode.atRegisters,
      Opcode.nmi + Opcode.atTime:
      return .delivery(.nmi, at: try place(opcode - Opcode.nmi))
    case Opcode.memoryWrite...(Opcode.memoryWrite + 3), Opcode.memoryWrite + Opcode.atRegisters,
      Opcode.memoryWrite + Opcode.atTime:
      return try memoryWrite(at: try place(opcode - Opcode.memoryWrite))
    case Opcode.mark...(Opcode.mark + 3), Opcode.mark + Opcode.atRegisters, Opcode.mark + Opcode.atTime:
      return .mark(Mark(at: try place(opcode - Opcode.mark), instructions: try input.varint()))
    case Opcode.digest:
      return .digest(
        StateDigest(
          cpu: try input.read64(), memory: try input.read64(), output: try input.read64(),
          instructions: try input.varint()))
    case Opcode.detail:
      return .detail(try details.read(from: &input))
    case Opcode.end:
      return .end(try endReason())
    default:
      throw input.fail("unknown record \(hex(opcode))")
    }
  }

  private mutating func interaction(slot: Int) throws(DecodingError) -> TraceEvent {
    let shape = shapes[slot]
    guard shape != .none else { throw input.fail("shape slot \(slot) is not defined") }
    if let size = shape.valueSize { return shape.event(value: try input.integer(size: size)) }
    lastTimestamp &+= unzigzag(try input.varint())
    return shape.event(value: lastTimestamp)
  }

  private mutating func shape() throws(DecodingError) -> Shape {
    let code = try input.byte()
    guard var shape = Shape(checking: code) else { throw input.fail("unknown shape \(hex(code))") }
    if shape.hasAddress {
      shape.address = try input.varint()
      guard shape.address <= shape.maximumAddress else { throw input.fail("address \(hex(shape.address))") }
    }
    return shape
  }

  private mutating func place(_ kind: UInt8) throws(DecodingError) -> Place {
    switch kind {
    case Opcode.here: return .here
    case Opcode.atInstruction: return .instructions(try input.varint(), iterations: 0)
    case Opcode.atIteration: return .instructions(try input.varint(), iterations: try input.varint())
    default: return .fingerprint(try fingerprint(kind))
    }
  }

  private mutating func fingerprint(_ kind: UInt8) throws(DecodingError) -> Fingerprint {
    var print = Fingerprint(rip: try input.read64(), cpu: try input.read64(), memory: try input.read64())
    guard kind != Opcode.atFingerprint else { return print }
    var registers = SIMD16<UInt64>()
    for number in 0..<16 { registers[number] = try input.read64() }
    print.registers = registers
    guard kind != Opcode.atRegisters else { return print }
    print.time = try input.varint()
    switch try input.byte() {
    case 0: break
    case 1: print.word = try word()
    case let count: throw input.fail("\(count) words of a place")
    }
    return print
  }

  private mutating func word() throws(DecodingError) -> MemoryWord {
    let address = try input.varint()
    guard address % 8 == 0 else { throw input.fail("a word at \(hex(address))") }
    return MemoryWord(address: GuestPhysicalAddress(address), value: try input.read64())
  }

  private mutating func memoryWrite(at place: Place) throws(DecodingError) -> TraceEvent {
    let address = GuestPhysicalAddress(try input.varint())
    let bytes = try input.counted(upTo: TraceFormat.maximumMemoryWrite, "a memory write")
    return .delivery(.memoryWrite(address: address, bytes: [UInt8](bytes)), at: place)
  }

  private mutating func endReason() throws(DecodingError) -> EndReason {
    let code = try input.byte()
    switch code {
    case 0: return .powerOff
    case 1: return .reset
    case 2: return .haltedForGood
    case 3: return .shutdown
    case 4: return .debugExit(value: try input.read32())
    case 5: return .timeout
    case 6: return .interrupted
    case 7: return .engineStopped(try input.text())
    default: throw input.fail("unknown end reason \(code)")
    }
  }
}
