internal import GuestMemory
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
    guard pageUse[page] & PageUse.tables != 0 else { return }
    noteTableStore(page, offset, count, AddressHalf.lower)
    noteTableStore(page, offset, count, AddressHalf.upper)
  }

  /// Of the tables of a half of the addresses.
  private func noteTableStore(_ page: Int, _ offset: Int, _ count: Int, _ half: Int) {
    let isTable = pageUse[page] & PageUse.table(half) != 0
    let isRoot = pageUse[page] & PageUse.root(half) != 0 && PageUse.isRoot(of: half, offset, count)
    guard isTable || isRoot else { return }
    pageUse[page] &= ~((isTable ? PageUse.table(half) : 0) | (isRoot ? PageUse.root(half) : 0))
    for member in members {
      if isTable || member.cpu.rootPage == page {
        member.cpu.forgetTranslations(half)
      } else {
        member.jumps.forget(root: memory.address(ofPage: page).rawValue, half)
      }
    }
  }

  /// An access has set a bit in the upper half of a root.
  func forgetLikeness() {
    for member in members { member.jumps.forgetLikeness() }
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
