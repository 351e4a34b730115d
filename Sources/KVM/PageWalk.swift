internal import CKVM
internal import GuestMemory
internal import VMMCore

/// A linear address looked up in the guest's page tables (Intel SDM vol. 3, 5.3 to 5.5), without setting accessed
/// bits.
struct PageWalk {
  var address: GuestPhysicalAddress
  /// User-mode code may use the page.
  var isUser: Bool

  /// `nil` when the address is not mapped, not canonical, or its tables lie outside RAM.
  init?(_ linear: UInt64, _ sregs: kvm_sregs, in memory: GuestMemory) {
    guard sregs.cr0 >> 31 & 1 != 0 else {
      self.init(address: GuestPhysicalAddress(linear & 0xffff_ffff), isUser: true)
      return
    }
    let usesPAE = sregs.cr4 >> 5 & 1 != 0
    guard usesPAE else {
      self.init(classic: linear, sregs, in: memory)
      return
    }
    let isLong = sregs.efer >> 10 & 1 != 0
    let levels = isLong ? (sregs.cr4 >> 12 & 1 != 0 ? 5 : 4) : 3
    if isLong {
      let unused = UInt64(64 - 12 - 9 * levels)
      guard Int64(bitPattern: linear << unused) >> Int64(unused) == Int64(bitPattern: linear) else { return nil }
    }
    self.init(linear, levels: levels, root: sregs.cr3, in: memory)
  }

  private init(address: GuestPhysicalAddress, isUser: Bool) {
    self.address = address
    self.isUser = isUser
  }

  /// 8-byte entries, 9 bits of the address a level.
  private init?(_ linear: UInt64, levels: Int, root: UInt64, in memory: GuestMemory) {
    let frame: UInt64 = 0x000f_ffff_ffff_f000
    var table = root & (levels == 3 ? 0xffff_ffe0 : frame)
    var isUser = true
    for level in (0..<levels).reversed() {
      let shift = UInt64(12 + 9 * level)
      let index = linear >> shift & (levels == 3 && level == 2 ? 3 : 511)
      guard let entry = memory.load(GuestPhysicalAddress(table &+ index &* 8), as: UInt64.self), entry & 1 != 0 else {
        return nil
      }
      // The four top entries of PAE paging have no U/S bit.
      if !(levels == 3 && level == 2) { isUser = isUser && entry & 4 != 0 }
      let isLeaf = level == 0 || (level <= 2 && !(levels == 3 && level == 2) && entry & 1 << 7 != 0)
      if isLeaf {
        let offset: UInt64 = (1 << shift) &- 1
        self.init(address: GuestPhysicalAddress(entry & frame & ~offset | linear & offset), isUser: isUser)
        return
      }
      table = entry & frame
    }
    return nil
  }

  /// 32-bit paging: 4-byte entries, two levels, 4 MiB pages with PSE.
  private init?(classic linear: UInt64, _ sregs: kvm_sregs, in memory: GuestMemory) {
    let directory = GuestPhysicalAddress(sregs.cr3 & 0xffff_f000 | (linear >> 20 & 0xffc))
    guard let upper = memory.load(directory, as: UInt32.self), upper & 1 != 0 else { return nil }
    if upper & 1 << 7 != 0 && sregs.cr4 >> 4 & 1 != 0 {
      let base = UInt64(upper & 0xffc0_0000) | UInt64(upper >> 13 & 0xff) << 32
      self.init(address: GuestPhysicalAddress(base | linear & 0x3f_ffff), isUser: upper & 4 != 0)
      return
    }
    let table = GuestPhysicalAddress(UInt64(upper & 0xffff_f000) | (linear >> 10 & 0xffc))
    guard let lower = memory.load(table, as: UInt32.self), lower & 1 != 0 else { return nil }
    self.init(
      address: GuestPhysicalAddress(UInt64(lower & 0xffff_f000) | linear & 0xfff), isUser: upper & lower & 4 != 0)
  }
}

extension KVMEngine {
  /// The linear address of the next instruction.
  func linearRIP(_ rip: UInt64, _ sregs: kvm_sregs) -> UInt64 {
    sregs.efer >> 10 & 1 != 0 && sregs.cs.l != 0 ? rip : (sregs.cs.base &+ rip) & 0xffff_ffff
  }

  /// Up to 15 bytes of code at RIP, fewer where the next page is not mapped.
  func codeAtRIP() throws(EngineError) -> [UInt8] {
    let sregs = try specialRegisters()
    let start = linearRIP(try registers().rip, sregs)
    var bytes: [UInt8] = []
    while bytes.count < 15 {
      let linear = start &+ UInt64(bytes.count)
      let count = min(15 - bytes.count, pageSize - Int(linear & 0xfff))
      guard let walk = PageWalk(linear, sregs, in: memory), let part = memory.read(walk.address, count: count) else {
        break
      }
      bytes += part
    }
    return bytes
  }
}
