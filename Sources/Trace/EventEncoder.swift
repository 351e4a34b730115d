internal import VMMCore

/// The first byte of a record that is not an interaction of a known shape (FORMAT.md, "Events"). Bytes from 0x80 on
/// name a slot of the shape table.
enum Opcode {
  static let define: UInt8 = 0x01
  static let interrupt: UInt8 = 0x10
  static let nmi: UInt8 = 0x14
  static let memoryWrite: UInt8 = 0x18
  static let mark: UInt8 = 0x1c
  static let digest: UInt8 = 0x20
  static let end: UInt8 = 0x21
  static let detail: UInt8 = 0x22
  static let firstSlot: UInt8 = 0x80

  // Added to the opcode of a delivery or a mark.
  static let here: UInt8 = 0
  static let atInstruction: UInt8 = 1
  static let atIteration: UInt8 = 2
  static let atFingerprint: UInt8 = 3
  /// A fingerprint with the general registers.
  static let atRegisters: UInt8 = 0x30
  /// The same with a time and, maybe, a word of memory.
  static let atTime: UInt8 = 0x40
}

/// The table of the shapes that a chunk's records name by one byte: 32 sets of four slots. Sets keep the search short,
/// and the least recently used slot of a full set makes room, so a guest that walks over device memory pushes out what
/// it will not use again and not the ports that it polls.
struct ShapeTable {
  static let setCount = 32
  static let ways = 4
  static let slotCount = setCount * ways

  private var shapes = [Shape](repeating: .none, count: slotCount)
  private var lastUse = [UInt32](repeating: 0, count: slotCount)
  private var clock: UInt32 = 0

  mutating func removeAll() {
    for slot in 0..<ShapeTable.slotCount {
      shapes[slot] = .none
      lastUse[slot] = 0
    }
    clock = 0
  }

  /// The shape's slot, and whether it is new there and has to be defined.
  mutating func slot(for shape: Shape) -> (slot: Int, isNew: Bool) {
    clock &+= 1
    let mixed = (shape.address ^ UInt64(shape.code) &<< 32) &* 0x9e37_79b9_7f4a_7c15
    let first = Int(truncatingIfNeeded: mixed &>> 59) &* ShapeTable.ways
    var oldest = first
    for slot in first..<(first &+ ShapeTable.ways) {
      if shapes[slot] == shape {
        lastUse[slot] = clock
        return (slot, false)
      }
      if lastUse[slot] < lastUse[oldest] { oldest = slot }
    }
    shapes[oldest] = shape
    lastUse[oldest] = clock
    return (oldest, true)
  }
}

/// Turns events into the records of one chunk after another.
struct EventEncoder {
  private(set) var out = ByteWriter()
  private var table = ShapeTable()
  private var lastTimestamp: UInt64 = 0
  private var details = DetailCoding()

  init() { out.reserve(TraceFormat.eventChunkSize + 4096) }

  /// Begins the next chunk: nothing in a chunk leans on an earlier one.
  mutating func reset() {
    out.removeAll()
    table.removeAll()
    lastTimestamp = 0
    details = DetailCoding()
  }

  /// Adds a record; false when the event is none that the format can hold.
  mutating func append(_ event: TraceEvent) -> Bool {
    switch event {
    case .interaction(let exit, let answer): return append(exit, answer)
    case .delivery(let delivery, let place): return append(delivery, at: place)
    case .digest(let digest): append(digest)
    case .detail(let detail):
      out.append(Opcode.detail)
      return details.append(detail, to: &out)
    case .mark(let mark):
      append(Opcode.mark, mark.place)
      out.append(varint: mark.instructions)
    case .end(let reason): append(reason)
    }
    return true
  }

  mutating func append(_ exit: VCPUExit, _ answer: Answer) -> Bool {
    guard let (shape, value) = Shape.split(exit, answer) else { return false }
    let (slot, isNew) = table.slot(for: shape)
    if isNew {
      define(shape, slot: UInt8(truncatingIfNeeded: slot))
    } else {
      out.append(Opcode.firstSlot | UInt8(truncatingIfNeeded: slot))
    }
    if let size = shape.valueSize {
      out.append(value, size: size)
    } else {
      out.append(varint: zigzag(value &- lastTimestamp))
      lastTimestamp = value
    }
    return true
  }

  private mutating func define(_ shape: Shape, slot: UInt8) {
    out.append(Opcode.define)
    out.append(slot)
    out.append(shape.code)
    if shape.hasAddress { out.append(varint: shape.address) }
  }

  private mutating func append(_ delivery: Delivery, at place: Place) -> Bool {
    switch delivery {
    case .interrupt(let vector):
      append(Opcode.interrupt, place)
      out.append(vector)
    case .nmi:
      append(Opcode.nmi, place)
    case .memoryWrite(let address, let bytes):
      guard bytes.count <= TraceFormat.maximumMemoryWrite else { return false }
      append(Opcode.memoryWrite, place)
      out.append(varint: address.rawValue)
      out.append(counted: bytes)
    }
    return true
  }

  private mutating func append(_ opcode: UInt8, _ place: Place) {
    switch place {
    case .instructions(0, iterations: 0):
      out.append(opcode + Opcode.here)
    case .instructions(let count, iterations: 0):
      out.append(opcode + Opcode.atInstruction)
      out.append(varint: count)
    case .instructions(let count, let iterations):
      out.append(opcode + Opcode.atIteration)
      out.append(varint: count)
      out.append(varint: iterations)
    case .fingerprint(let fingerprint):
      append(opcode, fingerprint)
    }
  }

  private mutating func append(_ opcode: UInt8, _ fingerprint: Fingerprint) {
    let kind =
      switch (fingerprint.registers, fingerprint.time) {
      case (nil, _): Opcode.atFingerprint
      case (_, nil): Opcode.atRegisters
      default: Opcode.atTime
      }
    out.append(opcode + kind)
    out.append64(fingerprint.rip)
    out.append64(fingerprint.cpu)
    out.append64(fingerprint.memory)
    guard let registers = fingerprint.registers else { return }
    for number in 0..<16 { out.append64(registers[number]) }
    guard let time = fingerprint.time else { return }
    out.append(varint: time)
    out.append(fingerprint.word == nil ? 0 : 1)
    guard let word = fingerprint.word else { return }
    out.append(varint: word.address.rawValue)
    out.append64(word.value)
  }

  private mutating func append(_ digest: StateDigest) {
    out.append(Opcode.digest)
    out.append64(digest.cpu)
    out.append64(digest.memory)
    out.append64(digest.output)
    out.append(varint: digest.instructions)
  }

  private mutating func append(_ reason: EndReason) {
    out.append(Opcode.end)
    out.append(reason.code)
    switch reason {
    case .debugExit(let value): out.append32(value)
    case .engineStopped(let text): out.append(counted: [UInt8](text.utf8.prefix(TraceFormat.maximumText)))
    default: break
    }
  }
}

extension EndReason {
  var code: UInt8 {
    switch self {
    case .powerOff: 0
    case .reset: 1
    case .haltedForGood: 2
    case .shutdown: 3
    case .debugExit: 4
    case .timeout: 5
    case .interrupted: 6
    case .engineStopped: 7
    }
  }
}

/// Small numbers for small differences of either sign.
func zigzag(_ difference: UInt64) -> UInt64 {
  difference &<< 1 ^ (Int64(bitPattern: difference) < 0 ? .max : 0)
}

/// What `zigzag` was given.
func unzigzag(_ number: UInt64) -> UInt64 {
  number &>> 1 ^ (number & 1 == 0 ? 0 : .max)
}
