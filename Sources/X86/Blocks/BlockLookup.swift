// How the block at RIP is found, or made.
extension GuestCode {
  /// The first operation of the block at a vCPU's RIP, decoded if need be; `nil` when fetching or decoding raised a
  /// fault.
  func find(_ cpu: CPU) -> OperationPointer? {
    let rip = cpu.rip
    let linear = cpu.codeLinear(rip)
    guard cpu.isInCodeSegment(rip), let physical = cpu.fetchAddress(linear) else { return nil }
    let mode = cpu.blockMode
    var number = index.first(physical, rip)
    while number >= 0 {
      let block = store.blocks + Int(number)
      if block.pointee.physical == physical && block.pointee.rip == rip && block.pointee.mode == mode
        && holds(block, linear, cpu)
      {
        lastCrossesPages = block.pointee.crossesPages
        notes.byte(Int(number)).pointee = 1
        let head = store.head(of: block)
        // The operations are not looked at: they lie in memory that the CPU's caches may not have.
        cpu.remember(head, at: rip, code: block.pointee.code != 0 ? block.pointee.code : interpreted)
        return head
      }
      number = block.pointee.nextInBucket
    }
    guard let head = build(linear: linear, physical: physical, cpu) else { return nil }
    cpu.remember(head, at: rip, code: interpreted)
    return head
  }

  /// An instruction across two pages is still what the block says only when the second page is the same.
  private func holds(_ block: UnsafeMutablePointer<Block>, _ linear: UInt64, _ cpu: CPU) -> Bool {
    if !block.pointee.crossesPages { return true }
    // A fault here is raised again, properly, when the block is built anew.
    let second = cpu.fetchAddress(cpu.nextLinear(linear & ~0xfff, 0x1000))
    cpu[Slot.faultPending] = 0
    return second.map { $0 & ~0xfff } == block.pointee.secondPage
  }

  /// Decodes the block at RIP.
  private func build(linear: UInt64, physical: UInt64, _ cpu: CPU) -> OperationPointer? {
    if store.isFull { flush() }
    let first = store.nextHead
    var builder = BlockBuilder(cpu: cpu, first: first, block: store.nextBlock, entered: notes.byte(store.count))
    guard builder.build(linear: linear, physical: physical) else { return nil }
    var block = Block()
    block.physical = physical
    block.secondPage = builder.secondPage
    block.rip = cpu.rip
    block.mode = cpu.blockMode
    block.pageNumber = cpu.pageNumber(physical)
    if block.crossesPages { block.secondPageNumber = cpu.pageNumber(block.secondPage) }
    block.opCount = Int32(builder.opCount)
    block.length = Int32(builder.length)
    block.isCut = builder.isCut
    block.heat = cpu[SystemSlot.translatesAfter]
    lastCrossesPages = block.crossesPages
    insert(block, cpu)
    return first
  }

  private func insert(_ block: Block, _ cpu: CPU) {
    let number = store.append(block)
    index.insert(number)
    pages.insert(number)
    if cpu[Slot.codeBase] != 0 { hasSegmentedCode = true }
    for (page, physical) in [(block.pageNumber, block.physical), (block.secondPageNumber, block.secondPage)]
    where page >= 0 {
      cpu.watch(page: Int(page), physical: physical, as: PageUse.code)
    }
    notes.byte(Int(number)).pointee = 1
  }
}

extension CPU {
  /// As in `Block`.
  fileprivate func pageNumber(_ physical: UInt64) -> Int32 { ram(physical).map { Int32($0.page) } ?? -1 }
}
