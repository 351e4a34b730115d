/// Makes host code of one block's operations, as `interpret` would carry them out.
///
/// The contract that makes it exact: translated code can be left before any operation, with that operation as the
/// result, and the interpreter goes on with it. So whatever is not as usual (a page that the translation cache does not
/// hold, a block that is not there yet, a budget that does not cover the next one) is the interpreter's. An operation
/// changes nothing before its last place to leave.
struct BlockTranslator {
  var code: Assembler
  var registers = RegisterCache()
  /// Ways out: where they branch off, the operation that is next, and what is to be written back.
  private var exits: [(from: Assembler.Branch, op: Op, dirty: [RegisterCache.Dirty])] = []
  private let arena: Op
  /// Where the code that returns to the interpreter lies, seen from the block's code.
  private let epilogue: Int

  init(code: Assembler, arena: Op, epilogue: Int) {
    self.code = code
    self.arena = arena
    self.epilogue = epilogue
  }

  /// Translates the operations from `first` on, up to the first one that has no translation; false when that is the
  /// first one.
  mutating func translate(from first: Op) -> Bool {
    var op = first
    while true {
      registers.beginInstruction()
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

  enum Result {
    case next
    /// The block ends with it.
    case end
    /// There is no translation.
    case none
  }

  // MARK: ways out

  /// Goes on in the interpreter with an operation, when a condition holds.
  mutating func leave(at op: Op, when condition: HostCondition) {
    exits.append((code.branch(condition), op, registers.dirty))
  }

  mutating func leave(at op: Op) { exits.append((code.jump(), op, registers.dirty)) }

  private mutating func writeExits() {
    for exit in exits {
      code.place(exit.from)
      for one in exit.dirty { code.store(one.host, RegisterCache.slot(one.guest)) }
      code.lea(.rax, .memory(RegisterCache.arena, offset(exit.op)))
      code.jump(backTo: epilogue)
    }
    exits = []
  }

  /// Of an operation in the arena.
  func offset(_ op: Op) -> Int32 {
    Int32(truncatingIfNeeded: UnsafeRawPointer(op) - UnsafeRawPointer(arena))
  }

  // MARK: the families

  /// What `interpret` hands to `execute`.
  private static func isWholeInstruction(_ handler: Handler) -> Bool { handler.rawValue < Handler.mov64.rawValue }

  /// Has the family's code carry out an operation, as the interpreter does.
  private mutating func callFamily(_ op: Op) {
    registers.flush(&code)
    registers.forget()
    code.move(.rdi, RegisterCache.state)
    code.lea(.rsi, .memory(RegisterCache.arena, offset(op)))
    code.instruction(0xff, extension: 2, slot(SystemSlot.familyEntry), size: 4)
    code.alu(ALU.or, .rax, .register(.rax), size: 4)
    let isComplete = code.branch(.notEqual)
    // The operation, marked as one that has been tried.
    code.lea(.rax, .memory(RegisterCache.arena, offset(op) + 1))
    code.jump(backTo: epilogue)
    code.place(isComplete)
    // It may have written over the code behind it.
    let next = op + 1
    compareHandler(.memory(RegisterCache.arena, offset(next)), with: .stale)
    leave(at: next, when: .equal)
  }

  /// Compares an operation's handler, which is a byte in memory: a `Handler` has no more than 256 cases.
  mutating func compareHandler(_ place: HostOperand, with handler: Handler) {
    code.alu(ALU.cmp, place, immediate: Int32(handler.rawValue), size: MemoryLayout<Handler>.size)
  }

  // MARK: operands

  func slot(_ number: Int) -> HostOperand { RegisterCache.slot(number) }

  /// A general register by its byte offset in the state block; `nil` for AH … BH.
  static func number(_ offset: UInt8) -> Int? { offset & 7 == 0 && offset < 128 ? Int(offset >> 3) : nil }

  mutating func read(_ offset: UInt8) -> HostRegister { registers.read(Int(offset >> 3), &code) }
  mutating func update(_ offset: UInt8) -> HostRegister { registers.update(Int(offset >> 3), &code) }
  mutating func write(_ offset: UInt8) -> HostRegister { registers.write(Int(offset >> 3), &code) }

  /// The linear address of a plain memory operand (`CPU.plainAddress`), in RCX; without the segment's base for LEA.
  mutating func address(_ op: Op, withSegment: Bool = true) {
    let isIndexed = op.index != 128, isBased = op.base != 128
    let displacement = Int32(exactly: Int64(bitPattern: op.displacement))
    let base = isBased ? read(op.base) : nil
    let index = isIndexed ? read(op.index) : nil
    if let base, let displacement {
      code.lea(.rcx, .memory(base, index: index, scale: index == nil ? 0 : op.scale, displacement))
    } else {
      code.move(.rcx, immediate: op.displacement)
      if let base { code.lea(.rcx, .memory(.rcx, index: base, scale: 0, 0)) }
      if let index { code.lea(.rcx, .memory(.rcx, index: index, scale: op.scale, 0)) }
    }
    if withSegment && op.segmentSlot != 128 { code.alu(ALU.add, .rcx, slot(Int(op.segmentSlot >> 3)), size: 8) }
  }

  /// Makes the linear address in RCX the host's address, or leaves at `op` when the translation cache does not hold its
  /// page for that kind of access, or it goes over the page's end. Uses RAX and RDX.
  mutating func translateAddress(_ size: Int, isStore: Bool, leavingAt op: Op) {
    code.move(.rax, .rcx)
    code.shift(5, .rax, by: 7, size: 4)
    code.alu(ALU.and, .register(.rax), immediate: 0x7fe0, size: 4)
    code.alu(ALU.add, .rax, .register(RegisterCache.tlb), size: 8)
    code.lea(.rdx, .memory(.rcx, Int32(size - 1)))
    code.alu(ALU.and, .register(.rdx), immediate: -4096, size: 8)
    code.alu(ALU.cmp, .rdx, .memory(.rax, Int32(8 * (isStore ? TLB.writeTag : TLB.readTag))), size: 8)
    leave(at: op, when: .notEqual)
    code.alu(ALU.add, .rcx, .memory(.rax, Int32(8 * TLB.addend)), size: 8)
  }

  /// The operand's host address, in RCX.
  mutating func operand(_ op: Op, size: Int, isStore: Bool = false) -> HostOperand {
    address(op)
    translateAddress(size, isStore: isStore, leavingAt: op)
    return .memory(.rcx, 0)
  }
}
