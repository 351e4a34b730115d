/// The code that all blocks share: how translated code is entered and left, and how it calls the families.
struct SharedCode {
  /// Where the parts lie, in bytes from the begin of the code memory; the entry is at 0.
  private(set) var leave = 0
  private(set) var callFamily = 0
  private(set) var interpreted = 0
  /// Bytes of all of it.
  static let length = 1024

  private static let saved: [HostRegister] = [.rbx, .rbp, .r(12), .r(13), .r(14), .r(15)]

  init(writingTo code: inout Assembler) {
    SharedCode.writeEntry(&code)
    leave = code.position
    SharedCode.writeLeave(&code)
    callFamily = code.position
    SharedCode.writeCallFamily(&code, leave: leave)
    interpreted = code.position
    code.load(.rax, .memory(.rax, 16))
    code.alu(ALU.or, .register(.rax), immediate: Int32(Leaving.interpreted.rawValue), size: 8)
    code.jump(to: leave)
    precondition(code.position <= SharedCode.length)
  }

  /// System V ABI: state block and the block's code in RDI and RSI.
  private static func writeEntry(_ code: inout Assembler) {
    for register in saved { code.push(register) }
    code.move(RegisterMap.state, .rdi)
    // Where translated code calls, the stack is aligned to 16 bytes.
    code.push(.rsi)
    code.load(.rax, RegisterMap.slot(Slot.tlb))
    code.lea(.rax, .memory(RegisterMap.state, index: .rax, scale: 3, 0))
    code.store(.rax, RegisterMap.slot(SystemSlot.tlbAddress))
    code.store(.rax, RegisterMap.slot(SystemSlot.stackEntry))
    load(&code)
    code.instruction(0xff, extension: 4, .memory(.rsp, 0), size: 4)
  }

  /// RAX is the result (`Leaving`).
  private static func writeLeave(_ code: inout Assembler) {
    writeBack(&code)
    code.pop(.rsi)
    for register in saved.reversed() { code.pop(register) }
    code.byte(0xc3)
  }

  /// To be called with an operation in RAX; comes back when its family has completed it.
  private static func writeCallFamily(_ code: inout Assembler, leave: Int) {
    code.push(.rax)
    writeBack(&code)
    code.move(.rdi, RegisterMap.state)
    code.load(.rsi, .memory(.rsp, 0))
    code.instruction(0xff, extension: 2, RegisterMap.slot(SystemSlot.familyEntry), size: 4)
    code.alu(ALU.or, .rax, .register(.rax), size: 4)
    let isIncomplete = code.branch(.equal)
    load(&code)
    code.pop(.rcx)
    code.byte(0xc3)
    code.place(isIncomplete)
    load(&code)
    code.pop(.rax)
    code.pop(.rcx)
    code.alu(ALU.or, .register(.rax), immediate: Int32(Leaving.tried.rawValue), size: 8)
    code.jump(to: leave)
  }

  /// All that translated code holds in registers goes to the state block. Uses RCX and RDX.
  private static func writeBack(_ code: inout Assembler) {
    for pair in RegisterMap.mapped { code.store(pair.host, RegisterMap.slot(pair.guest)) }
    code.store(RegisterMap.budget, RegisterMap.slot(Slot.remaining))
    HostFlags.writeBack(&code)
    closeFloats(&code)
  }

  /// The guest's MXCSR has the flags that its sums have raised, and the host's, and its x87 control word, are as other
  /// code expects them.
  private static func closeFloats(_ code: inout Assembler) {
    let open = RegisterMap.slot(SystemSlot.floatsAreOpen)
    code.alu(ALU.cmp, open, immediate: 0, size: 4)
    let isClosed = code.branch(.equal)
    code.test(open, immediate: OpenFloats.vectors, size: 4)
    let hasNoVectors = code.branch(.equal)
    code.storeMXCSR(RegisterMap.slot(Slot.mxcsr))
    code.loadMXCSR(RegisterMap.slot(SystemSlot.hostMXCSR))
    code.place(hasNoVectors)
    code.test(open, immediate: OpenFloats.x87, size: 4)
    let hasNoX87 = code.branch(.equal)
    code.loadX87Control(RegisterMap.slot(SystemSlot.hostX87Control))
    code.place(hasNoX87)
    code.alu(ALU.and, open, immediate: 0, size: 4)
    code.place(isClosed)
  }

  /// The other way round. Uses RAX, RCX and RDX.
  private static func load(_ code: inout Assembler) {
    HostFlags.load(&code)
    code.load(RegisterMap.budget, RegisterMap.slot(Slot.remaining))
    for pair in RegisterMap.mapped { code.load(pair.host, RegisterMap.slot(pair.guest)) }
  }
}

/// Bits of `SystemSlot.floatsAreOpen`.
enum OpenFloats {
  static var vectors: Int32 { 1 }
  static var x87: Int32 { 2 }
}

/// Why translated code was left: the low bits of the operation's address that it returns.
enum Leaving: UInt64 {
  /// The operation comes next.
  case before = 0
  /// Its family did not complete it.
  case tried = 1
  /// The way that this branch leads along comes next; `SystemSlot.wayTaken` has its branch.
  case along = 2
  /// The budget does not cover the block of this head.
  case notEntered = 3
  /// This head, which has no translation, is to be entered.
  case interpreted = 4

  static var mask: UInt64 { 7 }
}
