// Many iterations of repeated string instructions at once, as far as they stay in pages whose translation is at hand.
extension CPU {
  /// Does at least one iteration, or returns false and has done nothing. Never does the one behind which a comparison
  /// ends the instruction.
  @inline(__always)
  func bulkIterations(_ op: Op) -> Bool {
    guard s[Slot.mode] & Mode.flat != 0, op.segment < SegmentNumber.fs, op.addressSize >= 4,
      s[Slot.systemFlags] & RFlags.df == 0, s[Slot.replyCount] | s[Slot.dataBreakpoints] & 1 == 0
    else { return false }
    switch op.handler {
    case .movs, .stos: return bulkStores(op)
    case .lods, .scas, .cmps: return bulkReads(op)
    default: return false
    }
  }

  private func finishBulk(_ op: Op, _ count: UInt64) -> Bool {
    let mask = addressMask(op.addressSize)
    setCounter((rcx &- count) & mask, op.addressSize)
    s[Slot.repeatIterations] &+= count
    return true
  }

  /// The host address of a byte whose page the TLB holds for loads or stores.
  private func openPage(_ linear: UInt64, write: Bool) -> UInt64? {
    let entry = s + (Int(truncatingIfNeeded: s[Slot.tlb]) &+ TLB.offset(linear))
    guard entry[write ? TLB.writeTag : TLB.readTag] == linear & ~0xfff else { return nil }
    return entry[TLB.addend] &+ linear
  }

  // MARK: MOVS, STOS

  private func bulkStores(_ op: Op) -> Bool {
    let size = UInt64(op.size)
    let mask = addressMask(op.addressSize)
    let to = rdi & mask
    guard let target = openPage(to, write: true) else { return false }
    // A bounded piece, so that a kick is soon noticed.
    var bytes = min(0x1000 - to & 0xfff, (rcx & mask).multipliedReportingOverflow(by: size).partialValue)
    if (rcx & mask) > 0x1000 { bytes = 0x1000 - to & 0xfff }
    if op.handler == .movs {
      let from = rsi & mask
      guard let origin = openPage(from, write: false) else { return false }
      bytes = min(bytes, 0x1000 - from & 0xfff)
      bytes -= bytes % size
      // Where the target overlaps what is still to be read, the pieces must be copied one by one.
      guard bytes > 0, target &- origin >= bytes else { return false }
      pointer(target).copyMemory(from: pointer(origin), byteCount: Int(bytes))
      advance(GPR.rsi, bytes, op)
    } else {
      bytes -= bytes % size
      guard bytes > 0 else { return false }
      fill(target, Int(bytes / size), op.size)
    }
    advance(GPR.rdi, bytes, op)
    return finishBulk(op, bytes / size)
  }

  private func fill(_ host: UInt64, _ count: Int, _ size: Int) {
    let value = rax
    switch size {
    case 1: pointer(host).initializeMemory(as: UInt8.self, repeating: UInt8(truncatingIfNeeded: value), count: count)
    default:
      let target = pointer(host)
      for index in 0..<count {
        switch size {
        case 2: target.storeBytes(of: UInt16(truncatingIfNeeded: value), toByteOffset: index * 2, as: UInt16.self)
        case 4: target.storeBytes(of: UInt32(truncatingIfNeeded: value), toByteOffset: index * 4, as: UInt32.self)
        default: target.storeBytes(of: value, toByteOffset: index * 8, as: UInt64.self)
        }
      }
    }
  }

  // MARK: LODS, SCAS, CMPS

  private func bulkReads(_ op: Op) -> Bool {
    switch op.size {
    case 1: bulkReads(op, UInt8.self)
    case 2: bulkReads(op, UInt16.self)
    case 4: bulkReads(op, UInt32.self)
    default: bulkReads(op, UInt64.self)
    }
  }

  @inline(__always)
  private func bulkReads<T: FixedWidthInteger & UnsignedInteger>(_ op: Op, _ type: T.Type) -> Bool {
    let size = UInt64(op.size)
    let mask = addressMask(op.addressSize)
    var count = min(rcx & mask, 0x1000)
    var (first, second) = (Elements<T>(), Elements<T>())
    if op.handler != .lods {
      guard let host = openPage(rdi & mask, write: false) else { return false }
      count = min(count, (0x1000 - rdi & 0xfff) / size)
      second = Elements(at: pointer(host))
    }
    if op.handler != .scas {
      guard let host = openPage(rsi & mask, write: false) else { return false }
      count = min(count, (0x1000 - rsi & 0xfff) / size)
      first = Elements(at: pointer(host))
    }
    let whileEqual = op.pointee.prefixes & Prefix.rep != 0
    let done: Int
    switch op.handler {
    case .lods: done = Int(count)
    case .scas: done = second.run(of: T(truncatingIfNeeded: rax), Int(count), equal: whileEqual)
    default: done = first.run(with: second, Int(count), equal: whileEqual)
    }
    guard done > 0 else { return false }
    let last = done - 1
    switch op.handler {
    case .lods: setRegisterWord(0, UInt64(first[last]), op.size)
    case .scas: setCompareFlags(rax, UInt64(second[last]), op.size)
    default: setCompareFlags(UInt64(first[last]), UInt64(second[last]), op.size)
    }
    if op.handler != .scas { advance(GPR.rsi, UInt64(done) &* size, op) }
    if op.handler != .lods { advance(GPR.rdi, UInt64(done) &* size, op) }
    return finishBulk(op, UInt64(done))
  }
}

/// The elements of a string in the host's memory.
private struct Elements<T: FixedWidthInteger & UnsignedInteger> {
  private let start: UnsafeRawPointer?

  init() { start = nil }
  init(at start: UnsafeMutableRawPointer) { self.start = UnsafeRawPointer(start) }

  @inline(__always) subscript(_ index: Int) -> T {
    start.unsafelyUnwrapped.loadUnaligned(fromByteOffset: index &* MemoryLayout<T>.size, as: T.self)
  }

  /// How many of so many elements, from the first one on, are equal to a value, or are not.
  @inline(__always) func run(of value: T, _ count: Int, equal: Bool) -> Int {
    var done = 0
    while done < count, (self[done] == value) == equal { done &+= 1 }
    return done
  }

  /// How many are equal to those of another string, or are not.
  @inline(__always) func run(with other: Elements, _ count: Int, equal: Bool) -> Int {
    var done = equal ? equalWords(with: other, count) : 0
    while done < count, (self[done] == other[done]) == equal { done &+= 1 }
    return done
  }

  /// Elements in so many first words of 64 bits that are equal to the other string's.
  @inline(__always) private func equalWords(with other: Elements, _ count: Int) -> Int {
    let perWord = 8 / MemoryLayout<T>.size
    var done = 0
    while done &+ perWord <= count {
      let offset = done &* MemoryLayout<T>.size
      let a = start.unsafelyUnwrapped.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      guard a == other.start.unsafelyUnwrapped.loadUnaligned(fromByteOffset: offset, as: UInt64.self) else { break }
      done &+= perWord
    }
    return done
  }
}
