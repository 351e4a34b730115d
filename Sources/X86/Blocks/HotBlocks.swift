// Blocks that are entered often, and the host code that is made of them.
extension GuestCode {
  /// A block that is hot, and that a vCPU is about to enter: host code is made of it, where there can be any.
  func translate(_ head: OperationPointer, _ cpu: CPU) {
    guard let translator = translator ?? makeTranslator() else {
      head.pointee.handler = .entry
      return
    }
    if translator.isFull { flushTranslations(cpu) }
    let start = meter?.clock()
    let length = translator.translate(head: head, for: cpu)
    if let start { meter?.note(head, length, since: start) }
    guard length > 0 else {
      head.pointee.handler = .entry
      return
    }
    for member in members { member.jumps.setCode(of: head) }
  }

  /// `nil`, and no more blocks are to be translated, where there is no executable memory.
  private func makeTranslator() -> Translator? {
    translator = Translator()
    interpreted = translator?.interpreted ?? 0
    for member in members {
      member.cpu[SystemSlot.translatedEntry] = translator?.entry ?? 0
      if translator == nil { member.cpu[SystemSlot.translatesAfter] = 0 }
      member.jumps.forgetCode(interpreted)
    }
    return translator
  }

  /// A way of translated code leads straight to where its branch is linked to from now on, if that is translated.
  func bind(_ branch: Assembler.Branch, _ link: OperationPointer) {
    if let target = link.linked { translator?.bind(branch, to: target) }
  }

  /// Every block is interpreted anew.
  func flushTranslations(_ cpu: CPU) {
    for number in 0..<store.count {
      let block = store.blocks + number
      let head = store.head(of: block)
      guard head.handler == .translated else { continue }
      head.pointee.handler = .heat
      block.pointee.heat = cpu[SystemSlot.translatesAfter]
      block.pointee.code = 0
    }
    translator?.flush()
    for member in members { member.jumps.forgetCode(interpreted) }
  }

  /// The branch goes straight to the block at `target` from now on.
  func link(_ branch: OperationPointer, to target: OperationPointer) {
    branch.pointee.link = UInt64(UInt(bitPattern: target))
  }
}
