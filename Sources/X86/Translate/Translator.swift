/// The host code of the hot blocks of a guest memory. It is any vCPU's, whose state block it addresses by a register.
final class Translator {
  /// Bytes of code, and words of it.
  private static let capacity = 64 << 20
  /// Where the code begins that is executed seldom: there is more of it.
  private static let coldStart = 24 << 20
  private static let wordCapacity = 1 << 21
  /// No block's code is longer, and no block has more words: 64 operations with their ways out, and two accesses each.
  private static let longest = 64 << 10
  private static let mostWords = 4 + 2 * BlockBuilder.capacity
  /// How often a block is interpreted before it is translated.
  static let threshold: UInt64 = 40

  private let memory: CodeMemory
  private let shared: SharedCode
  /// Where the next block's code goes, and what is apart of it; the shared code comes first. Words that are in use.
  private var used = SharedCode.length
  private var usedCold = Translator.coldStart
  private var usedWords = 0
  /// The ways that lead straight to another block's code.
  private var bindings: [Binding] = []

  /// State block, code; a `Leaving` of an operation.
  typealias Entry = @convention(c) (UnsafeMutableRawPointer, UnsafeRawPointer) -> UInt64

  /// The address of an `Entry`.
  var entry: UInt64 { UInt64(UInt(bitPattern: memory.start)) }

  /// `nil` where there is no executable memory.
  init?() {
    guard let memory = CodeMemory(size: Translator.capacity, wordCount: Translator.wordCapacity) else { return nil }
    self.memory = memory
    var code = Assembler(to: memory, at: 0)
    shared = SharedCode(writingTo: &code)
  }

  /// All code is forgotten: no operation leads to it any more.
  func flush() {
    used = SharedCode.length
    usedCold = Translator.coldStart
    usedWords = 0
    bindings.removeAll(keepingCapacity: true)
  }

  /// Where translated code goes on, with the jump cache's entry in RAX, for a block that is not translated.
  var interpreted: UInt64 { entry + UInt64(shared.interpreted) }

  /// Code that is written again and again binds its ways anew each time.
  private static let mostBindings = 2 * wordCapacity

  var isFull: Bool {
    used + Translator.longest > Translator.coldStart || usedCold + Translator.longest > memory.size
      || usedWords + Translator.mostWords > memory.wordCount
      || bindings.count >= Translator.mostBindings
  }

  /// Translates the block behind its head, which this vCPU is in the mode for: the bytes of host code, 0 when it begins
  /// with what has no translation.
  func translate(head: OperationPointer, for cpu: CPU) -> Int {
    var block = BlockTranslator(
      code: Assembler(to: memory, at: used), cold: Assembler(to: memory, at: usedCold), cpu: cpu, shared: shared,
      words: memory.words + usedWords)
    guard block.translate(head: head) else { return 0 }
    let length = block.code.position - used, coldLength = block.cold.position - usedCold
    precondition(max(length, coldLength) <= Translator.longest && block.wordCount <= Translator.mostWords)
    head.block.pointee.code = UInt64(UInt(bitPattern: memory.start + used))
    head.block.pointee.firstBinding = 0
    head.pointee.handler = .translated
    used += (length + 15) & ~15
    usedCold += coldLength
    usedWords += block.wordCount
    for way in block.ways {
      guard let branch = way.branch, let target = way.link.linked else { continue }
      bind(branch, to: target)
    }
    return length + coldLength
  }
}

// Ways that lead straight to another block's code, as long as that is there.
extension Translator {
  private struct Binding {
    var branch: Assembler.Branch
    /// The distance to where the way goes on while it is not bound.
    var home: Int32
    /// The next one to the same block, as `Block.firstBinding`.
    var next: Int
  }

  /// A way leads to a block from now on, if that is translated.
  func bind(_ branch: Assembler.Branch, to head: OperationPointer) {
    guard head.handler == .translated else { return }
    let block = head.block
    bindings.append(Binding(branch: branch, home: memory.distance(of: branch), next: block.pointee.firstBinding))
    block.pointee.firstBinding = bindings.count
    let end = UInt64(UInt(bitPattern: memory.start + branch.end))
    memory.setDistance(of: branch, Int32(truncatingIfNeeded: block.pointee.code &- end))
  }

  /// No way leads to this block any more.
  func unbind(_ head: OperationPointer) {
    guard head.handler == .translated else { return }
    var number = head.block.pointee.firstBinding
    while number != 0 {
      let binding = bindings[number - 1]
      memory.setDistance(of: binding.branch, binding.home)
      number = binding.next
    }
    head.block.pointee.firstBinding = 0
  }
}

/// Carries out an operation by its family's code, or goes by a place to stop at; 0 when it did not complete.
private func executeByFamily(_ state: UnsafeMutableRawPointer, _ operation: UnsafeMutableRawPointer) -> UInt32 {
  let cpu = CPU(state.assumingMemoryBound(to: UInt64.self))
  let op = operation.assumingMemoryBound(to: Operation.self)
  cpu.rip = cpu.nextRIP(op.instruction)
  if op.handler == .stopHere { return cpu.goesBy(cpu.codeLinear(op.rip)) ? 1 : 0 }
  return cpu.execute(op.instruction) ? 1 : 0
}

extension Translator {
  /// The address of the function that translated code calls for what it has no translation of.
  static var familyEntry: UInt64 {
    let function: @convention(c) (UnsafeMutableRawPointer, UnsafeMutableRawPointer) -> UInt32 = executeByFamily
    return UInt64(unsafeBitCast(function, to: UInt.self))
  }
}

extension CPU {
  /// Runs translated code from a block's head, whose instructions are taken out of the budget already: the operation
  /// at which it was left, with the reason.
  @inline(__always) func runTranslated(_ head: OperationPointer) -> UInt64 {
    // It takes them itself.
    s[Slot.remaining] &+= head.left
    let entry = unsafeBitCast(UInt(s[SystemSlot.translatedEntry]), to: Translator.Entry.self)
    let code = UnsafeRawPointer(bitPattern: UInt(head.block.pointee.code)).unsafelyUnwrapped
    return entry(bytes, code)
  }

  @inline(__always) func operation(_ result: UInt64) -> OperationPointer {
    UnsafeMutableRawPointer(bitPattern: UInt(result & ~Leaving.mask)).unsafelyUnwrapped
      .assumingMemoryBound(to: Operation.self)
  }

  /// Goes on where translated code did not: the operation that comes next, or `nil` where the run may end.
  @inline(never)
  func goOn(_ result: UInt64) -> OperationPointer? {
    let op = operation(result)
    switch result & Leaving.mask {
    case Leaving.notEntered.rawValue:
      rip = op.rip
      return nil
    case Leaving.interpreted.rawValue: return enter(op)
    default:
      let generation = withCode { $0.generation }
      let end = Int(s[SystemSlot.wayTaken])
      // Linked to a block that is there no more: anew, or this way would lead through here for ever.
      if op.linked?.handler == .stale { op.pointee.link = 0 }
      guard let next = follow(op) else { return nil }
      withCode { code in
        if end != 0, code.generation == generation { code.bind(Assembler.Branch(end: end), op) }
      }
      return next
    }
  }
}
