// Guest RAM by physical address, through the region table in the state block.
extension CPU {
  /// The host address of a physical page, and its page index; `nil` where there is no RAM.
  @inline(__always) func ram(_ physical: UInt64) -> (host: UInt64, page: Int)? {
    let count = Int(truncatingIfNeeded: s[Slot.regionCount])
    var slot = Slot.regions
    for _ in 0..<count {
      let offset = physical &- s[slot]
      if offset < s[slot + 1] {
        return (s[slot + 2] &+ (offset & ~0xfff), Int(truncatingIfNeeded: s[slot + 3] &+ offset &>> 12))
      }
      slot += 4
    }
    return nil
  }

  /// Adds a page to the guest memory's dirty set.
  @inline(__always) func markDirty(_ page: Int) {
    let bitmap = UnsafeMutablePointer<UInt64>(bitPattern: UInt(s[Slot.dirtyBitmap])).unsafelyUnwrapped
    bitmap[page &>> 6] |= 1 &<< UInt64(page & 63)
  }

  @inline(__always) func pointer(_ host: UInt64) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(bitPattern: UInt(host)).unsafelyUnwrapped
  }

  /// 8 aligned bytes of RAM; all ones where there is none.
  func loadPhysical64(_ physical: UInt64) -> UInt64 {
    guard let (host, _) = ram(physical) else { return .max }
    return pointer(host &+ physical & 0xff8).load(as: UInt64.self)
  }

  /// 4 aligned bytes of RAM; all ones where there is none.
  func loadPhysical32(_ physical: UInt64) -> UInt32 {
    guard let (host, _) = ram(physical) else { return .max }
    return pointer(host &+ physical & 0xffc).load(as: UInt32.self)
  }

  /// Sets bits in the low byte of a page-table entry, whose page is in RAM.
  func setPhysicalBits(_ physical: UInt64, _ bits: UInt8) {
    guard let (host, page) = ram(physical) else { return }
    let byte = pointer(host &+ physical & 0xfff)
    byte.storeBytes(of: byte.load(as: UInt8.self) | bits, as: UInt8.self)
    markDirty(page)
    guard pageUse[page] & PageUse.code != 0 else { return }
    withCode { $0.invalidate(page: page, offset: Int(physical & 0xfff), count: 1) }
  }

  /// Guest code is about to rely on what a page holds: stores to it must be noticed from now on.
  func watch(page: Int, physical: UInt64, as use: UInt8) {
    let old = pageUse[page]
    if old & use == use { return }
    pageUse[page] = old | use
    if old == 0 { withCode { $0.closeToStores(physicalPage: physical & ~0xfff) } }
  }
}
