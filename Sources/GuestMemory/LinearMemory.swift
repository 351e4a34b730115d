public import VMMCore

/// Guest memory by linear address, as a debugger sees it: with supervisor rights, without setting accessed bits, in
/// every paging mode (Intel SDM vol. 3, 5.3 to 5.5).
public struct LinearMemory {
  private let paging: PagingRegisters
  private let memory: GuestMemory

  public init(_ paging: PagingRegisters, _ memory: GuestMemory) {
    self.paging = paging
    self.memory = memory
  }

  /// The bytes from `address` on that are mapped to RAM, at most `count`.
  public func read(_ address: UInt64, count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    for piece in pieces(of: address, count: count) {
      guard let part = memory.read(piece.physical, count: piece.count) else { break }
      bytes += part
    }
    return bytes
  }

  /// A little-endian integer of `count` bytes (1 to 8); `nil` when not all of them are mapped to RAM.
  public func integer(_ address: UInt64, count: Int) -> UInt64? {
    let offset = Int(address & 0xfff)
    if offset + 8 <= pageSize {
      guard let physical = translate(address), let word = memory.load(physical, as: UInt64.self) else { return nil }
      return count < 8 ? word & (1 << UInt64(8 * count) - 1) : word
    }
    let bytes = read(address, count: count)
    return bytes.count == count ? bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } : nil
  }

  /// Writes all bytes, or none and returns false.
  public func write(_ bytes: [UInt8], at address: UInt64) -> Bool {
    let pieces = pieces(of: address, count: bytes.count)
    guard pieces.reduce(0, { $0 + $1.count }) == bytes.count,
      pieces.allSatisfy({ memory.region(holding: $0.physical, count: $0.count) != nil })
    else { return false }
    var rest = bytes[...]
    for piece in pieces {
      memory.write(Array(rest.prefix(piece.count)), at: piece.physical)
      rest = rest.dropFirst(piece.count)
    }
    return true
  }

  /// The mapped pages of a range, up to the first that is not.
  private func pieces(of address: UInt64, count: Int) -> [(physical: GuestPhysicalAddress, count: Int)] {
    var pieces: [(physical: GuestPhysicalAddress, count: Int)] = []
    var linear = address
    var left = max(0, count)
    while left > 0 {
      let length = min(left, pageSize - Int(linear & 0xfff))
      guard let physical = translate(linear) else { break }
      pieces.append((physical, length))
      left -= length
      linear &+= UInt64(length)
      if linear == 0 { break }
    }
    return pieces
  }

  /// The tables on the way to an address let user mode go on, as far as there are any (U/S of each entry; Intel SDM
  /// vol. 3, 5.6.1): memory of a process, also where nothing is there yet.
  public func isForUserMode(_ address: UInt64) -> Bool {
    let user: UInt64 = 1 << 2
    var met: UInt64 = 0
    var common = UInt64.max
    _ = translate(address) { entry in
      met += 1
      common &= entry
    }
    return met > 0 && common & user != 0
  }

  /// `nil` when the address is not mapped, not canonical, or its tables lie outside RAM.
  ///
  /// - Parameter visit: gets the present entries on the way that say who may go on.
  public func translate(_ address: UInt64, visit: (UInt64) -> Void = { _ in }) -> GuestPhysicalAddress? {
    let isLong = paging.efer & 1 << 10 != 0
    let linear = isLong ? address : address & 0xffff_ffff
    guard paging.cr0 & 1 << 31 != 0 else { return GuestPhysicalAddress(linear) }
    guard paging.cr4 & 1 << 5 != 0 else { return translateClassic(linear, visit) }
    let levels = isLong ? (paging.cr4 & 1 << 12 != 0 ? 5 : 4) : 3
    if isLong {
      let unused = UInt64(64 - 12 - 9 * levels)
      guard Int64(bitPattern: linear << unused) >> Int64(unused) == Int64(bitPattern: linear) else { return nil }
    }
    return translate(linear, levels: levels, visit)
  }

  /// 8-byte entries, 9 bits of the address a level; the top level of PAE paging has four.
  private func translate(_ linear: UInt64, levels: Int, _ visit: (UInt64) -> Void) -> GuestPhysicalAddress? {
    let frame: UInt64 = 0x000f_ffff_ffff_f000
    var table = paging.cr3 & (levels == 3 ? 0xffff_ffe0 : frame)
    for level in (0..<levels).reversed() {
      let shift = UInt64(12 + 9 * level)
      let isDirectoryPointer = levels == 3 && level == 2
      let index = linear >> shift & (isDirectoryPointer ? 3 : 511)
      guard let entry = memory.load(GuestPhysicalAddress(table &+ index &* 8), as: UInt64.self), entry & 1 != 0 else {
        return nil
      }
      if !isDirectoryPointer { visit(entry) }
      if level == 0 || level <= 2 && !isDirectoryPointer && entry & 1 << 7 != 0 {
        let offset: UInt64 = (1 << shift) &- 1
        return GuestPhysicalAddress(entry & frame & ~offset | linear & offset)
      }
      table = entry & frame
    }
    return nil
  }

  /// 32-bit paging: 4-byte entries, two levels, 4 MiB pages with PSE.
  private func translateClassic(_ linear: UInt64, _ visit: (UInt64) -> Void) -> GuestPhysicalAddress? {
    let directory = GuestPhysicalAddress(paging.cr3 & 0xffff_f000 | (linear >> 20 & 0xffc))
    guard let upper = memory.load(directory, as: UInt32.self), upper & 1 != 0 else { return nil }
    visit(UInt64(upper))
    if upper & 1 << 7 != 0 && paging.cr4 & 1 << 4 != 0 {
      let base = UInt64(upper & 0xffc0_0000) | UInt64(upper >> 13 & 0xff) << 32
      return GuestPhysicalAddress(base | linear & 0x3f_ffff)
    }
    let table = GuestPhysicalAddress(UInt64(upper & 0xffff_f000) | (linear >> 10 & 0xffc))
    guard let lower = memory.load(table, as: UInt32.self), lower & 1 != 0 else { return nil }
    visit(UInt64(lower))
    return GuestPhysicalAddress(UInt64(lower & 0xffff_f000) | linear & 0xfff)
  }
}
