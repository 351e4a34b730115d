/// What an access wants of a translation.
enum Access {
  static var read: UInt32 { 0 }
  /// Bit of the page-fault error code: W/R.
  static var write: UInt32 { 2 }
  /// I/D.
  static var fetch: UInt32 { 16 }
}

/// A page-table walk in progress: permissions gathered so far, and where the entries were.
private struct Walk {
  var entries: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
  var values: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
  var depth = 0
  var writable = true
  var user = true
  var executable = true

  /// Takes one level in; `false` when it is not present.
  mutating func add(_ address: UInt64, _ value: UInt64, permissions: Bool = true) -> Bool {
    guard value & PageEntry.present != 0 else { return false }
    if permissions {
      writable = writable && value & PageEntry.writable != 0
      user = user && value & PageEntry.user != 0
      executable = executable && value & PageEntry.noExecute == 0
      switch depth {
      case 0: (entries.0, values.0) = (address, value)
      case 1: (entries.1, values.1) = (address, value)
      case 2: (entries.2, values.2) = (address, value)
      default: (entries.3, values.3) = (address, value)
      }
      depth += 1
    }
    return true
  }

  func entry(_ level: Int) -> (address: UInt64, value: UInt64) {
    switch level {
    case 0: (entries.0, values.0)
    case 1: (entries.1, values.1)
    case 2: (entries.2, values.2)
    default: (entries.3, values.3)
    }
  }
}

/// Bits of page-table entries (Intel SDM vol. 3, 4.3 to 4.5).
enum PageEntry {
  static var present: UInt64 { 1 << 0 }
  static var writable: UInt64 { 1 << 1 }
  static var user: UInt64 { 1 << 2 }
  static var accessed: UInt64 { 1 << 5 }
  static var dirty: UInt64 { 1 << 6 }
  static var large: UInt64 { 1 << 7 }
  static var global: UInt64 { 1 << 8 }
  static var noExecute: UInt64 { 1 << 63 }
  static var address: UInt64 { 0x000f_ffff_ffff_f000 }
}

/// A finished translation of one page.
struct Translation {
  /// The physical address of the 4 KiB page.
  var page: UInt64
  /// A store needs no other walk: writable, and dirty already.
  var writable: Bool
  var global: Bool
}

extension CPU {
  /// Translates by the page tables (Intel SDM vol. 3, chapter 4), sets accessed and dirty bits; raises #PF and returns
  /// `nil` when the access is not allowed. `context` says who asks (`TLB.user`, ...). `linear` is canonical.
  func walk(_ linear: UInt64, access: UInt32, context: Int) -> Translation? {
    guard s[Slot.cr0] & CR0.pg != 0 else {
      return Translation(page: linear & 0xffff_f000, writable: true, global: false)
    }
    var walk = Walk()
    let size: UInt64?
    if s[Slot.efer] & EFER.lma != 0 {
      size = walk4Level(linear, &walk)
    } else if s[Slot.cr4] & CR4.pae != 0 {
      size = walkPAE(linear, &walk)
    } else {
      return walk32Bit(linear, access: access, context: context)
    }
    guard let size else {
      pageFault(linear, access: access, context: context, cause: walkFailure)
      return nil
    }
    let leaf = walk.entry(walk.depth - 1)
    guard permits(walk, access: access, context: context) else {
      pageFault(linear, access: access, context: context, cause: 1)
      return nil
    }
    let dirty = updateAccessed(walk, linear, access: access)
    let frame = leaf.value & PageEntry.address & ~(size - 1)
    return Translation(
      page: (frame | linear & (size - 1)) & ~0xfff,
      writable: dirty && mayWrite(walk, context: context),
      global: leaf.value & PageEntry.global != 0 && s[Slot.cr4] & CR4.pge != 0)
  }

  /// The low bits of the error code of the walk that just failed: 0 not present, 9 a reserved bit is set.
  private var walkFailure: UInt32 {
    get { UInt32(truncatingIfNeeded: s[Slot.faultErrorCode]) }
    nonmutating set { s[Slot.faultErrorCode] = UInt64(newValue) }
  }

  private var reservedBits: UInt64 {
    s[Slot.reservedAddressBits] | (s[Slot.efer] & EFER.nxe == 0 ? PageEntry.noExecute : 0)
  }

  /// Reads one entry. `nil` when it is not present or has a reserved bit set.
  private func step(_ address: UInt64, reserved: UInt64, _ walk: inout Walk) -> UInt64? {
    let value = loadPhysical64(address)
    guard walk.add(address, value) else {
      walkFailure = 0
      return nil
    }
    guard value & reserved == 0 else {
      walkFailure = 9
      return nil
    }
    return value
  }

  /// Returns the page size.
  private func walk4Level(_ linear: UInt64, _ walk: inout Walk) -> UInt64? {
    let reserved = reservedBits
    let index4 = linear >> 39 & 0x1ff
    guard
      let pml4e = step(
        s[Slot.cr3] & PageEntry.address | index4 << 3, reserved: reserved | PageEntry.large, &walk)
    else { return nil }
    let index3 = linear >> 30 & 0x1ff
    guard let pdpte = step(pml4e & PageEntry.address | index3 << 3, reserved: reserved, &walk) else { return nil }
    if pdpte & PageEntry.large != 0 {
      guard s[Slot.pagingFeatures] & 1 != 0, pdpte & 0x3fff_e000 == 0 else {
        walkFailure = 9
        return nil
      }
      return 1 << 30
    }
    return walkDirectory(pdpte & PageEntry.address, linear, reserved, &walk)
  }

  /// The first entry on the way that tables at `cr3` make for an address.
  func topEntry(_ cr3: UInt64, _ linear: UInt64) -> UInt64 {
    if s[Slot.efer] & EFER.lma != 0 { return loadPhysical64(cr3 & PageEntry.address | (linear >> 39 & 0x1ff) << 3) }
    if s[Slot.cr4] & CR4.pae != 0 { return loadPhysical64(cr3 & 0xffff_ffe0 | (linear >> 30 & 3) << 3) }
    return UInt64(loadPhysical32(cr3 & 0xffff_f000 | (linear >> 22 & 0x3ff) << 2))
  }

  private func walkPAE(_ linear: UInt64, _ walk: inout Walk) -> UInt64? {
    let reserved = reservedBits | 0x7ff0_0000_0000_0000
    // The four page-directory pointers have no permissions and no accessed bits.
    let address = s[Slot.cr3] & 0xffff_ffe0 | (linear >> 30 & 3) << 3
    let pointer = loadPhysical64(address)
    watchTable(address, for: linear, isRoot: false)
    guard pointer & PageEntry.present != 0 else {
      walkFailure = 0
      return nil
    }
    guard pointer & (reserved | PageEntry.noExecute | 0x1e6) == 0 else {
      walkFailure = 9
      return nil
    }
    return walkDirectory(pointer & PageEntry.address, linear, reserved, &walk)
  }

  /// The page directory and the page table, the same in 4-level and PAE paging.
  private func walkDirectory(
    _ directory: UInt64, _ linear: UInt64, _ reserved: UInt64, _ walk: inout Walk
  ) -> UInt64? {
    guard let pde = step(directory | (linear >> 21 & 0x1ff) << 3, reserved: reserved, &walk) else { return nil }
    if pde & PageEntry.large != 0 {
      guard pde & 0x1f_e000 == 0 else {
        walkFailure = 9
        return nil
      }
      return 1 << 21
    }
    let table = pde & PageEntry.address
    guard step(table | (linear >> 12 & 0x1ff) << 3, reserved: reserved, &walk) != nil else { return nil }
    return 1 << 12
  }

  /// 32-bit paging with 4 MiB pages and PSE-36.
  private func walk32Bit(_ linear: UInt64, access: UInt32, context: Int) -> Translation? {
    var walk = Walk()
    let directory = s[Slot.cr3] & 0xffff_f000 | (linear >> 22 & 0x3ff) << 2
    let pde = UInt64(loadPhysical32(directory))
    guard walk.add(directory, pde) else {
      pageFault(linear, access: access, context: context, cause: 0)
      return nil
    }
    var page: UInt64
    if pde & PageEntry.large != 0 && s[Slot.cr4] & CR4.pse != 0 {
      guard pde & 1 << 21 == 0 else {
        pageFault(linear, access: access, context: context, cause: 9)
        return nil
      }
      page = pde & 0xffc0_0000 | (pde >> 13 & 0xff) << 32 | linear & 0x3f_f000
    } else {
      let address = pde & 0xffff_f000 | (linear >> 12 & 0x3ff) << 2
      let pte = UInt64(loadPhysical32(address))
      guard walk.add(address, pte) else {
        pageFault(linear, access: access, context: context, cause: 0)
        return nil
      }
      page = pte & 0xffff_f000
    }
    guard permits(walk, access: access, context: context) else {
      pageFault(linear, access: access, context: context, cause: 1)
      return nil
    }
    page &= ~0xfff
    let dirty = updateAccessed(walk, linear, access: access)
    let leaf = walk.entry(walk.depth - 1).value
    return Translation(
      page: page, writable: dirty && mayWrite(walk, context: context),
      global: leaf & PageEntry.global != 0 && s[Slot.cr4] & CR4.pge != 0)
  }

  private func mayWrite(_ walk: Walk, context: Int) -> Bool {
    walk.writable || context != TLB.user && s[Slot.cr0] & CR0.wp == 0
  }

  private func permits(_ walk: Walk, access: UInt32, context: Int) -> Bool {
    if context == TLB.user {
      guard walk.user else { return false }
    } else if walk.user {
      if access & Access.fetch != 0 {
        if s[Slot.cr4] & CR4.smep != 0 { return false }
      } else if context == TLB.supervisorStrict {
        return false
      }
    }
    if access & Access.fetch != 0 && !walk.executable { return false }
    return access & Access.write == 0 || mayWrite(walk, context: context)
  }

  /// Sets the accessed bits and, for a write, the leaf's dirty bit; whether the leaf is dirty now. The pages of all
  /// entries are watched from now on.
  private func updateAccessed(_ walk: Walk, _ linear: UInt64, access: UInt32) -> Bool {
    var dirty = false
    for level in 0..<walk.depth {
      let (address, value) = walk.entry(level)
      var want = PageEntry.accessed
      if level == walk.depth - 1 {
        if access & Access.write != 0 { want |= PageEntry.dirty }
        dirty = (value | want) & PageEntry.dirty != 0
      }
      if value & want != want {
        setPhysicalBits(address, UInt8(truncatingIfNeeded: want))
        // Other roots do not have the bit.
        if level == 0, AddressHalf.of(linear) == AddressHalf.upper { withCode { $0.forgetLikeness() } }
      }
      watchTable(address, for: linear, isRoot: level == 0)
    }
    return dirty
  }

  /// Raises #PF with its error code (Intel SDM vol. 3, 4.7) and sets CR2.
  func pageFault(_ linear: UInt64, access: UInt32, context: Int, cause: UInt32) {
    var code = cause | access & Access.write | (context == TLB.user ? 4 : 0)
    if access & Access.fetch != 0,
      s[Slot.cr4] & CR4.smep != 0 || s[Slot.efer] & EFER.nxe != 0 && s[Slot.cr4] & CR4.pae != 0
    {
      code |= Access.fetch
    }
    s[Slot.cr2] = linear
    raise(ExceptionVector.pageFault, errorCode: code)
  }
}
