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
}
