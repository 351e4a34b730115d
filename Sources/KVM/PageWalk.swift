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
    let paging = PagingRegisters(cr0: sregs.cr0, cr3: sregs.cr3, cr4: sregs.cr4, efer: sregs.efer)
    var isUser = true
    let address = LinearMemory(paging, memory).translate(linear) { entry in isUser = isUser && entry & 1 << 2 != 0 }
    guard let address else { return nil }
    self.address = address
    self.isUser = isUser
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
