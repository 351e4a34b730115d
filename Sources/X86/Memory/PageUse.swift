/// The halves of the linear addresses, by bit 63. Only 64-bit code has an upper one; it is mapped by the upper half of
/// the root of the page tables, which all address spaces of a kernel have alike.
enum AddressHalf {
  static var lower: Int { 0 }
  static var upper: Int { 1 }

  @inline(__always) static func of(_ linear: UInt64) -> Int { Int(truncatingIfNeeded: linear &>> 63) }
}

/// What the engine knows of a page of guest memory, one byte each.
enum PageUse {
  /// Decoded blocks come from it.
  static var code: UInt8 { 1 }
  /// A cached translation of an address in the lower half, or the upper one, was read from it: from anywhere in it, or,
  /// of the root of 4-level tables, from the half of it that is for that half of the addresses.
  static func table(_ half: Int) -> UInt8 { 2 &<< UInt8(truncatingIfNeeded: half) }
  static func root(_ half: Int) -> UInt8 { 8 &<< UInt8(truncatingIfNeeded: half) }
  static var tables: UInt8 { 0x1e }
  /// All that `table` says, of either half.
  static var plainTables: UInt8 { 0x06 }

  /// Some of these bytes of a root are for that half of the addresses.
  static func isRoot(of half: Int, _ offset: Int, _ count: Int) -> Bool {
    half == AddressHalf.lower ? offset < 0x800 : offset + count > 0x800
  }
}

extension CPU {
  @inline(__always) var pageUse: UnsafeMutablePointer<UInt8> {
    UnsafeMutablePointer(bitPattern: UInt(s[Slot.pageUse])).unsafelyUnwrapped
  }

  /// The page of the root of 4-level tables.
  var rootPage: Int? { isLongMode ? ram(cr3 & PageEntry.address)?.page : nil }

  /// The entry at a physical address has been read for a cached translation of `linear`.
  func watchTable(_ physical: UInt64, for linear: UInt64, isRoot: Bool) {
    guard let (_, page) = ram(physical) else { return }
    let half = AddressHalf.of(linear)
    let use = isRoot && isLongMode ? PageUse.root(half) : PageUse.table(half)
    watch(page: page, physical: physical, as: use)
  }

  /// A store goes to an entry of a table that is not present, so that no cached translation was read from it: nothing
  /// needs to be forgotten. Both halves of the eight bytes are looked at, because an entry of 32-bit paging has four
  /// (Intel SDM vol. 3, 4.10.2.3: entries that are not present are not cached). Roots are compared whole.
  func fillsTable(_ page: Int, _ host: UInt64, _ count: Int) -> Bool {
    guard pageUse[page] & ~PageUse.plainTables == 0, count == 8 || count == 4, host & UInt64(count &- 1) == 0 else {
      return false
    }
    return pointer(host & ~7).load(as: UInt64.self) & 0x1_0000_0001 == 0
  }
}
