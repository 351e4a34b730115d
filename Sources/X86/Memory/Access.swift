internal import VMMCore

// Loads and stores at linear addresses. The fast way is one compare with the TLB; all else is `@inline(never)`.
//
// `nil` or `false` means that the instruction cannot complete: it raised a fault, or asks for an exit (device memory);
// it returns `false` in turn, having changed no register.
extension CPU {
  /// Loads a little-endian integer of 1, 2, 4 or 8 bytes.
  @inline(__always)
  func load<T: FixedWidthInteger & UnsignedInteger>(_ type: T.Type, _ linear: UInt64) -> T? {
    let entry = s + (Int(truncatingIfNeeded: s[Slot.tlb]) &+ TLB.offset(linear))
    if entry[TLB.readTag] == (linear &+ UInt64(MemoryLayout<T>.size &- 1)) & ~0xfff {
      return pointer(entry[TLB.addend] &+ linear).loadUnaligned(as: T.self)
    }
    guard let value = loadSlow(linear, MemoryLayout<T>.size) else { return nil }
    return T(truncatingIfNeeded: value)
  }

  /// Stores a little-endian integer of 1, 2, 4 or 8 bytes. Nothing is stored when any of its bytes cannot be.
  @inline(__always)
  func store<T: FixedWidthInteger & UnsignedInteger>(_ value: T, _ linear: UInt64) -> Bool {
    let entry = s + (Int(truncatingIfNeeded: s[Slot.tlb]) &+ TLB.offset(linear))
    if entry[TLB.writeTag] == (linear &+ UInt64(MemoryLayout<T>.size &- 1)) & ~0xfff {
      pointer(entry[TLB.addend] &+ linear).storeBytes(of: value, as: T.self)
      return true
    }
    return storeSlow(linear, MemoryLayout<T>.size, UInt64(truncatingIfNeeded: value))
  }

  /// A little-endian integer of 1, 2, 4 or 8 bytes, if the translation cache holds its page. Nothing changes.
  @inline(__always)
  func peek(_ linear: UInt64, _ count: Int) -> UInt64? {
    let entry = s + (Int(truncatingIfNeeded: s[Slot.tlb]) &+ TLB.offset(linear))
    let last = linear &+ UInt64(truncatingIfNeeded: count &- 1)
    guard entry[TLB.readTag] == last & ~0xfff, (linear ^ last) & ~0xfff == 0 else { return nil }
    let source = pointer(entry[TLB.addend] &+ linear)
    switch count {
    case 1: return UInt64(source.load(as: UInt8.self))
    case 2: return UInt64(source.loadUnaligned(as: UInt16.self))
    case 4: return UInt64(source.loadUnaligned(as: UInt32.self))
    case 8: return source.loadUnaligned(as: UInt64.self)
    default: return nil
    }
  }

  /// 16 bytes, low word first.
  @inline(__always)
  func load128(_ linear: UInt64) -> (low: UInt64, high: UInt64)? {
    let entry = s + (Int(truncatingIfNeeded: s[Slot.tlb]) &+ TLB.offset(linear))
    if entry[TLB.readTag] == (linear &+ 15) & ~0xfff {
      let source = pointer(entry[TLB.addend] &+ linear)
      return (source.loadUnaligned(as: UInt64.self), source.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }
    return load128Slow(linear)
  }

  @inline(__always)
  func store128(_ low: UInt64, _ high: UInt64, _ linear: UInt64) -> Bool {
    let entry = s + (Int(truncatingIfNeeded: s[Slot.tlb]) &+ TLB.offset(linear))
    if entry[TLB.writeTag] == (linear &+ 15) & ~0xfff {
      let target = pointer(entry[TLB.addend] &+ linear)
      target.storeBytes(of: low, as: UInt64.self)
      target.storeBytes(of: high, toByteOffset: 8, as: UInt64.self)
      return true
    }
    return store128Slow(low, high, linear)
  }

  /// Checks that `count` bytes can be stored, so that several stores of one instruction take effect together. They are
  /// accessed by the stores, not by this: watches and data breakpoints do not see it. `unit` is what they are to be
  /// aligned to, where that is not as usual for `count` bytes.
  @inline(__always)
  func prepareStore(_ linear: UInt64, _ count: Int, unit: Int? = nil) -> Bool {
    let entry = s + (Int(truncatingIfNeeded: s[Slot.tlb]) &+ TLB.offset(linear))
    if entry[TLB.writeTag] == (linear &+ UInt64(truncatingIfNeeded: count &- 1)) & ~0xfff { return true }
    return prepareStoreSlow(linear, count, unit: unit ?? Alignment.natural(count))
  }

  /// The same for an instruction that reads what it stores to.
  @inline(__always)
  func prepareUpdate(_ linear: UInt64, _ count: Int) -> Bool {
    let entry = s + (Int(truncatingIfNeeded: s[Slot.tlb]) &+ TLB.offset(linear))
    if entry[TLB.writeTag] == (linear &+ UInt64(truncatingIfNeeded: count &- 1)) & ~0xfff { return true }
    return prepareUpdateSlow(linear, count)
  }

  /// `linear + offset`, wrapped at 4 GiB outside 64-bit code.
  @inline(__always)
  func nextLinear(_ linear: UInt64, _ offset: UInt64) -> UInt64 {
    let sum = linear &+ offset
    return s[Slot.mode] & Mode.codeSizeMask == Mode.code64 ? sum : sum & 0xffff_ffff
  }

  /// The TLB context that holds the translations of the current instruction's data accesses.
  @inline(__always) var tlbContext: Int {
    min((Int(truncatingIfNeeded: s[Slot.tlb]) &- Slot.tlbEntries) / TLB.wordsPerContext, TLB.user)
  }
}

// Accesses that the CPU makes for itself (descriptor tables, task-state segments, interrupt stacks), with supervisor
// rights whatever CPL is.
extension CPU {
  func loadSystem<T: FixedWidthInteger & UnsignedInteger>(_ type: T.Type, _ linear: UInt64) -> T? {
    let saved = s[Slot.tlb]
    s[Slot.tlb] = tlbStart(systemContext)
    defer { s[Slot.tlb] = saved }
    return load(T.self, linear)
  }

  func storeSystem<T: FixedWidthInteger & UnsignedInteger>(_ value: T, _ linear: UInt64) -> Bool {
    let saved = s[Slot.tlb]
    s[Slot.tlb] = tlbStart(systemContext)
    defer { s[Slot.tlb] = saved }
    return store(value, linear)
  }

  private var systemContext: Int { s[Slot.cr4] & CR4.smap != 0 ? TLB.supervisorStrict : TLB.supervisor }
}

// The slow ways.
extension CPU {
  /// Where a piece of an access that lies in one page goes: to RAM at `host`, or to a device at `physical`.
  private struct Piece {
    var linear: UInt64
    var count: Int
    var physical: UInt64
    /// 0 for device memory.
    var host: UInt64
    var page: Int
  }

  @inline(never)
  private func loadSlow(_ linear: UInt64, _ count: Int) -> UInt64? {
    let first = min(count, Int(0x1000 &- linear & 0xfff))
    guard endsCanonical(linear, count), isAligned(linear, count), let low = locate(linear, first, write: false) else {
      return nil
    }
    if first == count { return loadPiece(low) }
    guard let high = locate(nextPage(linear), count &- first, write: false),
      let lowValue = loadPiece(low), let highValue = loadPiece(high)
    else { return nil }
    return lowValue | highValue &<< UInt64(8 &* first)
  }

  @inline(never)
  private func storeSlow(_ linear: UInt64, _ count: Int, _ value: UInt64) -> Bool {
    let first = min(count, Int(0x1000 &- linear & 0xfff))
    guard endsCanonical(linear, count), isAligned(linear, count), let low = locate(linear, first, write: true) else {
      return false
    }
    if first == count {
      if low.host == 0 { return sendPiece(low, value) }
      storePiece(low, value)
      return true
    }
    guard let high = locate(nextPage(linear), count &- first, write: true) else { return false }
    let highValue = value &>> UInt64(8 &* first)
    // Devices first: when the instruction is started again for their sake, memory still holds what it held.
    if low.host == 0 && !sendPiece(low, value) { return false }
    if high.host == 0 && !sendPiece(high, highValue) { return false }
    if low.host != 0 { storePiece(low, value) }
    if high.host != 0 { storePiece(high, highValue) }
    return true
  }

  @inline(never)
  private func load128Slow(_ linear: UInt64) -> (low: UInt64, high: UInt64)? {
    guard isAligned(linear, 16), let low = load(UInt64.self, linear),
      let high = load(UInt64.self, nextLinear(linear, 8))
    else {
      if !isCanonical(nextLinear(linear, 15)) { _ = raiseNotCanonical() }
      return nil
    }
    return (low, high)
  }

  @inline(never)
  private func store128Slow(_ low: UInt64, _ high: UInt64, _ linear: UInt64) -> Bool {
    guard prepareStore(linear, 16), store(low, linear) else { return false }
    return store(high, nextLinear(linear, 8))
  }

  @inline(never)
  private func prepareStoreSlow(_ linear: UInt64, _ count: Int, unit: Int) -> Bool {
    guard endsCanonical(linear, count), isAligned(linear, unit) else { return false }
    return prepare(linear, count, write: true)
  }

  @inline(never)
  private func prepareUpdateSlow(_ linear: UInt64, _ count: Int) -> Bool {
    guard endsCanonical(linear, count), isAligned(linear, Alignment.natural(count)) else { return false }
    if does(.readsBeforeUpdates), !prepare(linear, count, write: false) { return false }
    return prepare(linear, count, write: true)
  }

  private func prepare(_ linear: UInt64, _ count: Int, write: Bool) -> Bool {
    var done = 0
    while done < count {
      let at = nextLinear(linear, UInt64(done))
      let piece = min(count &- done, Int(0x1000 &- at & 0xfff))
      guard locate(at, piece, write: write, isPreparing: true) != nil else { return false }
      done &+= piece
    }
    return true
  }

  private func nextPage(_ linear: UInt64) -> UInt64 { nextLinear(linear & ~0xfff, 0x1000) }

  /// Translates a piece of an access, and fills the TLB where the fast way may be used from now on. `isPreparing`: the
  /// access itself comes later.
  private func locate(_ linear: UInt64, _ count: Int, write: Bool, isPreparing: Bool = false) -> Piece? {
    let context = tlbContext
    let tlb = s + (Slot.tlbEntries &+ context &* TLB.wordsPerContext &+ TLB.offset(linear))
    if s[Slot.dataBreakpoints] != 0, !mayAccess(linear, count, write: write, isPreparing: isPreparing) { return nil }
    if tlb[TLB.readTag] & ~TLB.watched == linear & ~0xfff && (!write || tlb[TLB.info] & TLB.infoWritable != 0) {
      let physical = tlb[TLB.info] & ~0xfff | linear & 0xfff
      guard let (host, page) = ram(physical) else { return nil }
      if write {
        guard mayStoreInBlock(page, host &+ linear & 0xfff, count) else { return nil }
        noteData(linear, write: true)
        openForStores(tlb, page)
      }
      return Piece(linear: linear, count: count, physical: physical, host: host &+ linear & 0xfff, page: page)
    }
    noteData(linear, write: write)
    guard isCanonical(linear) else {
      _ = raiseNotCanonical()
      return nil
    }
    guard let walked = walk(linear, access: write ? Access.write : Access.read, context: context) else { return nil }
    let physical = walked.page | linear & 0xfff
    guard let (host, page) = ram(physical) else {
      return Piece(linear: linear, count: count, physical: physical, host: 0, page: 0)
    }
    if write && !mayStoreInBlock(page, host &+ linear & 0xfff, count) { return nil }
    if s[Slot.dataBreakpoints] & 1 == 0 {
      let info = walked.page | (walked.writable ? TLB.infoWritable : 0) | (walked.global ? TLB.infoGlobal : 0)
      let entry = fillTLB(context: context, linear: linear, host: host, info: info)
      if write { openForStores(entry, page) }
    } else if write {
      markDirty(page)
    }
    return Piece(linear: linear, count: count, physical: physical, host: host &+ linear & 0xfff, page: page)
  }

  /// The last byte of an access: its address is looked at before the pages of the first ones are.
  private func endsCanonical(_ linear: UInt64, _ count: Int) -> Bool {
    isCanonical(nextLinear(linear, UInt64(count &- 1))) || raiseNotCanonical()
  }

  @inline(never)
  private func raiseNotCanonical() -> Bool {
    raiseProtection()
    s[Slot.faultNotCanonical] = 1
    return false
  }

  /// A store to a table that translations were made from takes effect with the next fetch: the block is left, and the
  /// stepper executes the instruction.
  private func mayStoreInBlock(_ page: Int, _ host: UInt64, _ count: Int) -> Bool {
    guard pageUse[page] & PageUse.tables != 0, s[SystemSlot.runsBlocks] != 0 else { return true }
    if fillsTable(page, host, count) { return true }
    s[Slot.exitKind] = ExitKind.step
    return false
  }

  /// The page counts as dirty; stores may take the fast way unless the engine depends on what it holds.
  private func openForStores(_ entry: UnsafeMutablePointer<UInt64>, _ page: Int) {
    markDirty(page)
    if pageUse[page] == 0 { entry[TLB.writeTag] = entry[TLB.readTag] }
  }

  @inline(__always) func isCanonical(_ linear: UInt64) -> Bool {
    s[Slot.efer] & EFER.lma == 0 || Int64(bitPattern: linear &<< 16) &>> 16 == Int64(bitPattern: linear)
  }

  private func loadPiece(_ piece: Piece) -> UInt64? {
    if piece.host == 0 {
      guard let value = interact(ExitKind.mmioRead, address: piece.physical, size: UInt64(piece.count)) else {
        return nil
      }
      return piece.count == 8 ? value : value & (1 &<< UInt64(8 &* piece.count) &- 1)
    }
    let source = pointer(piece.host)
    switch piece.count {
    case 8: return source.loadUnaligned(as: UInt64.self)
    case 4: return UInt64(source.loadUnaligned(as: UInt32.self))
    case 2: return UInt64(source.loadUnaligned(as: UInt16.self))
    default:
      var value: UInt64 = 0
      for index in 0..<piece.count {
        value |= UInt64(source.load(fromByteOffset: index, as: UInt8.self)) &<< UInt64(8 &* index)
      }
      return value
    }
  }

  private func storePiece(_ piece: Piece, _ value: UInt64) {
    let target = pointer(piece.host)
    let isNoted = pageUse[piece.page] != 0 && !fillsTable(piece.page, piece.host, piece.count)
    switch piece.count {
    case 8: target.storeBytes(of: value, as: UInt64.self)
    case 4: target.storeBytes(of: UInt32(truncatingIfNeeded: value), as: UInt32.self)
    case 2: target.storeBytes(of: UInt16(truncatingIfNeeded: value), as: UInt16.self)
    default:
      for index in 0..<piece.count {
        target.storeBytes(
          of: UInt8(truncatingIfNeeded: value &>> UInt64(8 &* index)), toByteOffset: index, as: UInt8.self)
      }
    }
    if isNoted { noteStore(page: piece.page, offset: Int(piece.physical & 0xfff), count: piece.count) }
  }

  /// Sends a store to a device; `false` when that has not happened yet.
  private func sendPiece(_ piece: Piece, _ value: UInt64) -> Bool {
    let masked = piece.count == 8 ? value : value & (1 &<< UInt64(8 &* piece.count) &- 1)
    return interact(ExitKind.mmioWrite, address: piece.physical, size: UInt64(piece.count), value: masked) != nil
  }

  /// Something was stored in a page that blocks or translations were made from.
  @inline(never)
  func noteStore(page: Int, offset: Int, count: Int) {
    withCode { $0.noteStore(page: page, offset: offset, count: count) }
  }
}
