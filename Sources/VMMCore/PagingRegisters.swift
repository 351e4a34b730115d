/// The registers that say how linear addresses become physical ones (Intel SDM vol. 3, 5.1).
public struct PagingRegisters: Equatable, Sendable {
  public var cr0: UInt64
  public var cr3: UInt64
  public var cr4: UInt64
  public var efer: UInt64

  public init(cr0: UInt64, cr3: UInt64, cr4: UInt64, efer: UInt64) {
    self.cr0 = cr0
    self.cr3 = cr3
    self.cr4 = cr4
    self.efer = efer
  }
}

extension CPUState {
  public var paging: PagingRegisters { PagingRegisters(cr0: cr0, cr3: cr3, cr4: cr4, efer: efer) }
}
