internal import VMMCore

// What no vCPU may go on with when guest memory changes, whoever changes it.
extension GuestCode {
  /// A device or a debugger wrote to a page.
  func noteExternalWrite(_ page: Int) {
    if pageUse[page] != 0 { noteStore(page: page, offset: 0, count: pageSize) }
  }

  /// Something was stored in a page that blocks or translations were made from.
  func noteStore(page: Int, offset: Int, count: Int) {
    if pageUse[page] & PageUse.code != 0 { invalidate(page: page, offset: offset, count: count) }
    if pageUse[page] & PageUse.pageTable != 0 {
      pageUse[page] &= ~PageUse.pageTable
      flushTLBs()
    }
  }

  /// Nothing that was derived from memory is used on.
  func forgetAll() {
    flush()
    flushTLBs()
  }

  private func flushTLBs() {
    for member in members { member.cpu.flushTLB() }
  }

  /// Stores to a physical page are to be noticed from now on.
  func closeToStores(physicalPage: UInt64) {
    for member in members { member.cpu.dropWriteTags(physicalPage: physicalPage) }
  }

  /// Stores to any page are.
  func closeToStores() {
    for member in members { member.cpu.dropWriteTags() }
  }
}
