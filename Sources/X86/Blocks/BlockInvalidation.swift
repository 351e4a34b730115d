// How blocks are forgotten: by the bytes that they were decoded from, and by their addresses.
extension GuestCode {
  /// Forgets the blocks with an instruction at a linear address, and those that end there for its sake: runs are to
  /// stop there from now on, or no more. None may be being executed.
  func invalidate(linear: UInt64) {
    // There are few programs of which that has to be found out.
    guard !hasSegmentedCode else { return flush() }
    index.forEach(inPageOf: linear) { block in
      let offset = linear &- block.pointee.rip, last = UInt64(block.pointee.length) &- 1
      let isTouched = offset <= last || block.pointee.isCut && offset == last &+ 1
      guard isTouched, block.pointee.pageNumber >= 0 else { return }
      let inPage = Int((block.pointee.physical + min(offset, last)) & 0xfff)
      invalidate(page: Int(block.pointee.pageNumber), offset: inPage, count: 1)
    }
  }

  /// Forgets the blocks that were decoded from these bytes of a page of guest memory. Operations of theirs that are
  /// being executed, or that others are linked to, become `.stale`: whoever comes to one looks its RIP up again.
  func invalidate(page: Int, offset: Int, count: Int) {
    let stored = offset..<(offset + count)
    guard pages.mayHold(stored, page) else { return }
    pages.remove(page, stored) { retire($0) }
    if pages.isEmpty(page) { pageUse[page] &= ~PageUse.code }
  }

  /// A block is not found any more, and its operations are stale.
  private func retire(_ number: Int32) {
    index.remove(number)
    let block = store.blocks + Int(number)
    block.pointee.isRetired = true
    let first = store.head(of: block)
    translator?.unbind(first)
    for member in members { member.jumps.forget(first) }
    for at in 0..<Int(block.pointee.opCount) where (first + at).handler != .dispatch {
      (first + at).pointee.handler = .stale
    }
  }
}
