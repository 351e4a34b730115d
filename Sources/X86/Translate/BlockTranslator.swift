internal import VMMCore

/// Makes host code of one block's operations, as `interpret` would carry them out.
///
/// The contract that makes it exact: translated code can be left before any operation, with that operation as the
/// result, and the interpreter goes on with it. So whatever is not as usual (a page that the translation cache does not
/// hold, a block that is not there yet, a budget that does not cover the next one) is the interpreter's. An operation
/// changes nothing before its last place to leave.
///
/// What is seldom executed (ways out, accesses to other pages, ways that are not bound) lies apart, so that the CPU's
/// caches hold what is executed often.
struct BlockTranslator {
  var code: Assembler
  private(set) var cold: Assembler
  let cpu: CPU
  let shared: SharedCode
  /// Ways out: where they branch off, and the result.
  private var exits: [(from: Assembler.Branch, result: Result)] = []
  /// Where an access may be in another page than the last one.
  private var otherPages: [OtherPage] = []
  /// The ways to other blocks that can be bound.
  private(set) var ways: [Way] = []
  /// The words that the code has of its own: those from `firstWord` up to this one.
  private var nextWord: UnsafeMutablePointer<UInt64>
  private let firstWord: UnsafeMutablePointer<UInt64>
  var wordCount: Int { nextWord - firstWord }
  /// The host's flags are the guest's: behind the code so far, and before the operation being translated.
  var hostHasFlags = false
  var hostHadFlags = false
  /// Nobody sees the flags that the operation being translated sets.
  var flagsAreDead = false
  /// The host's MXCSR is the guest's, certainly (`openFloats`).
  var floatsAreOpen = false
  /// The host's x87 control word is the guest's, certainly (`openX87`).
  var x87IsOpen = false
  /// The block has looked whether the guest may use its XMM registers.
  var vectorsAreAllowed = false

  /// How translated code is left.
  private struct Result {
    var op: OperationPointer
    var leaving: Leaving
    /// With `.along`: the way's branch, if it has one.
    var branch: Assembler.Branch?
  }

  init(code: Assembler, cold: Assembler, cpu: CPU, shared: SharedCode, words: UnsafeMutablePointer<UInt64>) {
    self.code = code
    self.cold = cold
    self.cpu = cpu
    self.shared = shared
    firstWord = words
    nextWord = words
  }

  private mutating func takeWord() -> UnsafeMutablePointer<UInt64> {
    defer { nextWord += 1 }
    return nextWord
  }

  /// Translates the block behind its head, up to the first operation that has no translation; false when that is the
  /// first one.
  mutating func translate(head: OperationPointer) -> Bool {
    takeBudget(head)
    let first = head + 1
    var op = first
    while true {
      (hostHadFlags, hostHasFlags) = (hostHasFlags, false)
      flagsAreDead = op.pointee.flagsAreDead
      switch translate(op) {
      case .next: op += 1
      case .end:
        writeExits()
        return true
      case .none:
        guard BlockTranslator.isWholeInstruction(op.handler) else {
          guard op != first else { return false }
          leave(at: op)
          writeExits()
          return true
        }
        callFamily(op)
        op += 1
      }
    }
  }

  enum Outcome {
    case next
    /// The block ends with it.
    case end
    /// There is no translation.
    case none
  }

  // MARK: ways out

  /// Takes the block's instructions out of the budget, and notes for footprints that it is entered.
  private mutating func takeBudget(_ head: OperationPointer) {
    let count = Int32(head.pointee.left)
    code.alu(ALU.sub, .register(RegisterMap.budget), immediate: count, size: 8)
    // It is never negative here, so a borrow tells.
    let isOver = code.branch(.carry)
    notEntered = (isOver, head)
    guard cpu.withCode({ $0.notes.areTakenByCode }) else { return }
    code.move(.rax, immediate: head.immediate)
    code.storeByte(1, .memory(.rax, 0))
  }

  private var notEntered: (from: Assembler.Branch, head: OperationPointer)?

  /// Goes on in the interpreter with an operation, when a condition holds.
  mutating func leave(at op: OperationPointer, when condition: HostCondition) {
    exits.append((code.branch(condition), Result(op: op, leaving: .before)))
  }

  mutating func leave(at op: OperationPointer) { exits.append((code.jump(), Result(op: op, leaving: .before))) }

  /// Goes on in the interpreter along a way, when a condition holds.
  mutating func leave(along way: Way, when condition: HostCondition) {
    exits.append((code.branch(condition), Result(op: way.link, leaving: .along, branch: way.branch)))
  }

  /// Writes what is apart.
  private mutating func writeExits() {
    swap(&code, &cold)
    defer { swap(&code, &cold) }
    writeOtherPages()
    writeUnboundWays()
    for exit in exits {
      code.place(exit.from)
      if exit.result.leaving == .along {
        code.move(.rax, immediate: UInt64(exit.result.branch?.end ?? 0))
        code.store(.rax, slot(SystemSlot.wayTaken))
      }
      leave(exit.result.op, exit.result.leaving)
    }
    if let (from, head) = notEntered {
      code.place(from)
      code.alu(ALU.add, .register(RegisterMap.budget), immediate: Int32(head.pointee.left), size: 8)
      leave(head, .notEntered)
    }
    exits = []
  }

  private mutating func leave(_ op: OperationPointer, _ leaving: Leaving) {
    code.move(.rax, immediate: UInt64(UInt(bitPattern: op)) | leaving.rawValue)
    code.jump(to: shared.leave)
  }

  /// A branch is a way along a link from now on, which can be bound.
  mutating func addWay(_ link: OperationPointer, by branch: Assembler.Branch) {
    ways.append(Way(link: link, branch: branch))
  }

  // MARK: the families

  /// What `interpret` hands to `execute`.
  private static func isWholeInstruction(_ handler: Handler) -> Bool { handler.rawValue < Handler.mov64.rawValue }

  /// Has the family's code carry out an operation, as the interpreter does.
  private mutating func callFamily(_ op: OperationPointer) {
    floatsAreOpen = false
    x87IsOpen = false
    code.move(.rax, immediate: UInt64(UInt(bitPattern: op)))
    code.call(shared.callFamily)
    guard !BlockTranslator.storesNothing(op) else { return }
    // It may have written over the code behind it.
    let next = op + 1
    code.move(.rax, immediate: UInt64(UInt(bitPattern: next)))
    compareHandler(.rax, with: .stale)
    leave(at: next, when: .equal)
  }

  private static func storesNothing(_ op: OperationPointer) -> Bool {
    switch op.handler {
    case .shiftRMImm, .shiftRMCL, .unaryRM, .aluRMReg, .aluRegRM, .aluRMImm, .testRMReg, .testRMImm, .movRMImm,
      .movsx, .movzx, .imulRegRM, .imulRegRMImm, .divRM, .idivRM, .mulRM, .imulRM, .bitReg, .bitImm, .setcc, .cmov:
      return !op.isMemory
    default: return false
    }
  }

  /// Compares the handler of an operation, which is a byte in memory: a `Handler` has no more than 256 cases.
  mutating func compareHandler(_ op: HostRegister, with handler: Handler) {
    code.alu(
      ALU.cmp, .memory(op, Field.handler), immediate: Int32(handler.rawValue), size: MemoryLayout<Handler>.size)
  }

  // MARK: operands

  func slot(_ number: Int) -> HostOperand { RegisterMap.slot(number) }

  /// A general register by its byte offset in the state block; `nil` for AH … BH.
  static func number(_ offset: UInt8) -> Int? { offset & 7 == 0 && offset < 128 ? Int(offset >> 3) : nil }

  /// Where a general register is.
  func guest(_ offset: UInt8) -> HostOperand { RegisterMap.operand(Int(offset >> 3)) }

  /// The host's register that a guest's lies in; otherwise loads it.
  mutating func value(_ offset: UInt8, orLoadedInto temporary: HostRegister) -> HostRegister {
    if let host = RegisterMap.host(Int(offset >> 3)) { return host }
    code.load(temporary, guest(offset))
    return temporary
  }

  /// Has a guest's register written, all of it: by what `body` does with the host's register, which leaves the flags
  /// as the operation does.
  mutating func write(
    _ offset: UInt8, through temporary: HostRegister = .rax, _ body: (inout BlockTranslator, HostRegister) -> Void
  ) {
    if let host = RegisterMap.host(Int(offset >> 3)) { return body(&self, host) }
    body(&self, temporary)
    code.store(temporary, guest(offset))
  }

  /// The same, of one that is read, too.
  mutating func update(
    _ offset: UInt8, through temporary: HostRegister = .rax, _ body: (inout BlockTranslator, HostRegister) -> Void
  ) {
    if RegisterMap.host(Int(offset >> 3)) == nil { code.load(temporary, guest(offset)) }
    write(offset, through: temporary, body)
  }

  /// Computes the linear address of a plain memory operand (`CPU.plainAddress`), without the segment's base. May use
  /// RCX and RDX.
  mutating func lea(_ op: OperationPointer, into target: HostRegister, size: Int = 8) {
    let isIndexed = op.index != 128, isBased = op.base != 128
    let displacement = Int32(exactly: Int64(bitPattern: op.displacement))
    let index = isIndexed ? value(op.index, orLoadedInto: .rdx) : nil
    if isBased, let displacement {
      let base = value(op.base, orLoadedInto: .rcx)
      code.lea(target, .memory(base, index: index, scale: index == nil ? 0 : op.scale, displacement), size: size)
      return
    }
    code.move(.rcx, immediate: op.displacement)
    if let index { code.lea(.rcx, .memory(.rcx, index: index, scale: op.scale, 0)) }
    if isBased {
      let base = value(op.base, orLoadedInto: .rdx)
      code.lea(.rcx, .memory(.rcx, index: base, scale: 0, 0))
    }
    code.move(target, .rcx, size: size)
  }

  /// The operand's linear address, in RCX. May use RDX.
  mutating func linearAddress(_ op: OperationPointer) {
    lea(op, into: .rcx)
    if op.segmentSlot != 128 { code.alu(ALU.add, .rcx, slot(Int(op.segmentSlot >> 3)), size: 8) }
  }

  /// Makes the linear address in RCX the host's address, or leaves at `op` when the translation cache does not hold its
  /// page for that kind of access, or it goes over the page's end. Uses RAX and RDX.
  ///
  /// An instruction accesses the same page as the last time mostly, so that page's entry is looked at first: where it
  /// is does not wait for the address then.
  mutating func translateAddress(_ size: Int, isStore: Bool, leavingAt op: OperationPointer) {
    let word = takeWord()
    word.pointee = 0
    code.load(.rax, word: word)
    code.alu(ALU.add, .rax, slot(SystemSlot.tlbAddress), size: 8)
    useEntry(size, isStore: isStore, leavingAt: op, word: word)
  }

  /// The host address of the stack's top, for a load, or of the word below it (`offset` -8), for a store, in RCX. It is
  /// in the same page as the last one mostly, so that page's entry is looked at first. Uses RAX and RDX.
  mutating func stackAddress(_ offset: Int32, leavingAt op: OperationPointer) {
    code.lea(.rcx, .memory(RegisterMap.rsp, offset))
    code.load(.rax, slot(SystemSlot.stackEntry))
    useEntry(8, isStore: offset < 0, leavingAt: op, word: nil)
  }

  /// Makes the linear address in RCX the host's address by the entry in RAX, if it is its page's. Uses RDX.
  ///
  /// The tag is equal only where the address is a multiple of the size: an access over the page's end is none, whose
  /// begin lies in another page than the entry speaks of.
  private mutating func useEntry(
    _ size: Int, isStore: Bool, leavingAt op: OperationPointer, word: UnsafeMutablePointer<UInt64>?
  ) {
    let tag = Int32(8 * (isStore ? TLB.writeTag : TLB.readTag))
    code.move(.rdx, .rcx)
    code.alu(ALU.and, .register(.rdx), immediate: -4096 | Int32(size - 1), size: 8)
    code.alu(ALU.cmp, .rdx, .memory(.rax, tag), size: 8)
    otherPages.append(
      OtherPage(from: code.branch(.notEqual), back: code.position, size: size, tag: tag, op: op, word: word))
    code.alu(ALU.add, .rcx, .memory(.rax, Int32(8 * TLB.addend)), size: 8)
  }

  /// An access in another page than the last one, or that is not aligned.
  private struct OtherPage {
    /// Where it branches off and comes back.
    var from: Assembler.Branch
    var back: Int
    var size: Int
    /// The tag to compare with.
    var tag: Int32
    var op: OperationPointer
    /// Where the entry's place behind the context's first one is kept; `nil` for the stack's.
    var word: UnsafeMutablePointer<UInt64>?
  }

  /// Finds the address's own entry, or the way out.
  private mutating func writeOtherPages() {
    for access in otherPages {
      code.place(access.from)
      tlbOffset()
      if let word = access.word { code.store(.rax, word: word) }
      code.alu(ALU.add, .rax, slot(SystemSlot.tlbAddress), size: 8)
      comparePage(ofLast: access.size, access.tag)
      leave(at: access.op, when: .notEqual)
      if access.word == nil { code.store(.rax, slot(SystemSlot.stackEntry)) }
      code.jump(to: access.back)
    }
    otherPages = []
  }

  /// Compares the page of the last byte at the linear address in RCX with a tag of that address's own entry, which is
  /// in RAX (`TLB.offset`). Uses RDX.
  private mutating func comparePage(ofLast size: Int, _ tag: Int32) {
    if size == 1 { code.move(.rdx, .rcx) } else { code.lea(.rdx, .memory(.rcx, Int32(size - 1))) }
    code.alu(ALU.and, .register(.rdx), immediate: -4096, size: 8)
    code.alu(ALU.cmp, .rdx, .memory(.rax, tag), size: 8)
  }

  /// The bytes in RAX from a context's first entry to that of the linear address in RCX (`TLB.offset`).
  private mutating func tlbOffset() {
    code.move(.rax, .rcx, size: 4)
    code.shift(ShiftKind.right.rawValue, .rax, by: 11, size: 4)
    code.alu(ALU.xor, .rax, .register(.rcx), size: 4)
    code.shift(ShiftKind.right.rawValue, .rax, by: 7, size: 4)
    code.alu(ALU.and, .register(.rax), immediate: Int32(8 * TLB.wordsPerEntry * (TLB.entries - 1)), size: 4)
  }

  /// The operand's host address, in RCX. Uses RAX and RDX.
  mutating func operand(_ op: OperationPointer, size: Int, isStore: Bool = false) -> HostOperand {
    linearAddress(op)
    translateAddress(size, isStore: isStore, leavingAt: op)
    return .memory(.rcx, 0)
  }
}

/// A way to another block: the guest's branch that leads there, and the host's. At first that goes to where the block
/// looks the other one up (`writeUnboundWays`); when it is bound, into the other block.
struct Way {
  var link: OperationPointer
  /// `nil` for one that cannot be bound.
  var branch: Assembler.Branch?
}

/// Byte offsets in an `Operation`.
enum Field {
  static let handler = offset(\Operation.handler)
  static let link = offset(\Operation.link)

  private static func offset(_ field: PartialKeyPath<Operation>) -> Int32 {
    guard let offset = MemoryLayout<Operation>.offset(of: field) else {
      preconditionFailure("an operation's field has no place of its own")
    }
    return Int32(offset)
  }
}
