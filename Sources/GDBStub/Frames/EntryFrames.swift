public import VMMCore

/// Call frame information for the entry code, so that gdb goes through it to what was interrupted: the kernel's code on
/// whatever stack, or the program's.
///
/// Wherever the code is, the five words that the CPU has pushed (SDM volume 3, 6.14.2: RIP, CS, RFLAGS, RSP, SS) lie on
/// the stack, above some of the general registers in the order of `struct pt_regs` (arch/x86/include/asm/ptrace.h). The
/// expressions look for them from RSP upwards, by what they must look like, and take a general register from the stack
/// where it has been pushed. The frame's begin (CFA) is the end of the five words; 0 stands for none, when RIP is in
/// RCX (SYSCALL and SYSRET, with the program's stack), or nobody knows.
public struct EntryFrames {
  private let code: LinuxEntryCode

  public init(_ code: LinuxEntryCode) { self.code = code }

  /// An ELF file for gdb's `add-symbol-file`.
  public var file: [UInt8] { SymbolFile(frames: CallFrames(descriptions)).bytes }

  var descriptions: [CallFrames.Description] {
    var all = code.begins.map { CallFrames.Description(code: $0, instructions: EntryFrames.nobody) }
    // What has no place to go back to goes back to 0.
    all.append(CallFrames.Description(code: 0..<1, instructions: EntryFrames.nobody))
    for range in code.entries { all += descriptions(of: range, EntryFrames.entry) }
    for range in code.systemCalls { all += descriptions(of: range, EntryFrames.systemCall) }
    if let checks = code.checks, !checks.isEmpty {
      let instructions = EntryFrames.check(from: checks.lowerBound)
      all.append(.init(code: checks, instructions: instructions, isInterrupt: true))
    }
    all += code.stackSwitches.map {
      CallFrames.Description(
        code: EntryFrames.around($0.address), instructions: $0.instructions, isInterrupt: true)
    }
    if let (range, bytes) = code.taskSwitch, let instructions = EntryFrames.taskSwitch(bytes) {
      all.append(CallFrames.Description(code: range, instructions: instructions))
    }
    return all
  }

  /// A frame that has called another is an interrupt's for gdb: the frame before it may lie on any stack, where gdb
  /// takes one that lies below another for a fault. Where the machine stands it is a function's, which gdb shows with
  /// its name and source.
  private func descriptions(of range: Range<UInt64>, _ instructions: [UInt8]) -> [CallFrames.Description] {
    var all: [CallFrames.Description] = []
    var start = range.lowerBound
    for address in code.returns.sorted() where range.lowerBound < address && address <= range.upperBound {
      let call = EntryFrames.around(address)
      if start < call.lowerBound { all.append(.init(code: start..<call.lowerBound, instructions: instructions)) }
      all.append(.init(code: call, instructions: instructions, isInterrupt: true))
      start = call.upperBound
    }
    if start < range.upperBound { all.append(.init(code: start..<range.upperBound, instructions: instructions)) }
    return all
  }

  /// gdb looks for a function's frame right before the address that a call returns to, and for an interrupt's at that
  /// address (`get_frame_address_in_block` in its frame.c), and takes one that is found in its own way. When the
  /// machine stands right there, `LinuxFrames` makes it a function's all the same.
  private static func around(_ address: UInt64) -> Range<UInt64> { address - 1..<address + 1 }

  /// The outermost frame.
  static var nobody: [UInt8] {
    var rules = CallFrameInstructions()
    rules.frame(.rsp, 0)
    rules.undefined(.rip)
    return rules.bytes
  }

  // MARK: entries

  /// Bytes of `pt_regs`.
  private static let size: UInt64 = 168

  private static let entry = rules(
    programCounter: hardware(40, otherwise: zero), stack: hardware(16, otherwise: register(.rsp)))

  /// RCX holds RIP from SYSCALL on, and until SYSRET. RSP is the program's at both ends.
  private static let systemCall = rules(
    programCounter: hardware(40, otherwise: register(.rcx)), stack: hardware(16, otherwise: stackOfSystemCall))

  private static func rules(programCounter: DWARFExpression, stack: DWARFExpression) -> [UInt8] {
    var rules = CallFrameInstructions()
    rules.frame(search)
    rules.value(of: .rip, programCounter)
    rules.value(of: .cs, hardware(32, otherwise: register(.cs)))
    rules.value(of: .rflags, hardware(24, otherwise: register(.rflags)))
    rules.value(of: .rsp, stack)
    rules.value(of: .ss, hardware(8, otherwise: register(.ss)))
    for (index, register) in CallFrameInstructions.pushed.enumerated() {
      rules.value(of: register, saved(register, below: size - 8 * UInt64(index)))
    }
    return rules.bytes
  }

  private static func register(_ register: DWARFRegister) -> DWARFExpression {
    var expression = DWARFExpression()
    expression.push(register)
    return expression
  }

  private static var zero: DWARFExpression {
    var expression = DWARFExpression()
    expression.push(0)
    return expression
  }

  /// One of the five words, so many bytes below the frame's begin, which is on the stack.
  private static func hardware(_ below: UInt64, otherwise: DWARFExpression) -> DWARFExpression {
    var expression = DWARFExpression()
    var isThere = DWARFExpression.Label(), end = DWARFExpression.Label()
    expression.add(.dup)
    expression.branch(to: &isThere)
    expression.add(.drop)
    expression.append(otherwise)
    expression.jump(to: &end)
    expression.place(&isThere)
    expression.push(below)
    expression.add(.minus, .deref)
    expression.place(&end)
    return expression
  }

  /// A general register: from the stack where its word lies above RSP, and not far away on another stack.
  private static func saved(_ register: DWARFRegister, below: UInt64) -> DWARFExpression {
    var expression = DWARFExpression()
    var isThere = DWARFExpression.Label(), end = DWARFExpression.Label()
    expression.push(below)
    expression.add(.minus, .dup)
    expression.push(.rsp)
    expression.add(.minus, .dup)
    expression.push(0)
    expression.add(.ge, .swap)
    expression.push(0x200)
    expression.add(.lt, .and)
    expression.branch(to: &isThere)
    expression.add(.drop)
    expression.push(register)
    expression.jump(to: &end)
    expression.place(&isThere)
    expression.add(.deref)
    expression.place(&end)
    return expression
  }

  /// The program's RSP in a system call whose frame is not whole: RSP itself until the kernel's stack is taken, and
  /// then the second word from that stack's end, once it is there. On the way out it is the word that RSP is at, on the
  /// small stack that has no more on it.
  private static var stackOfSystemCall: DWARFExpression {
    var expression = DWARFExpression()
    var end = DWARFExpression.Label(), isTask = DWARFExpression.Label()
    expression.push(.rsp)
    expression.add(.dup)
    expression.push(0)
    expression.add(.ge)
    expression.branch(to: &end)
    // The last word of the task's stack is SS, __USER_DS.
    expression.push(1)
    expression.add(.minus)
    expression.push(stackSize - 1)
    expression.add(.or)
    expression.push(7)
    expression.add(.minus, .dup, .deref)
    expression.push(0x2b)
    expression.add(.eq)
    expression.branch(to: &isTask)
    expression.add(.drop)
    expression.push(.rsp)
    expression.add(.deref)
    expression.jump(to: &end)
    expression.place(&isTask)
    expression.push(8)
    expression.add(.minus, .deref)
    expression.place(&end)
    return expression
  }

  // MARK: the search

  /// THREAD_SIZE: no stack goes over a multiple of it.
  private static let stackSize: UInt64 = 0x4000

  /// The end of the five words above RSP, or above RDI, where the code that leaves the kernel has them while it changes
  /// stacks; 0 where there are none.
  private static var search: DWARFExpression {
    var expression = DWARFExpression()
    var end = DWARFExpression.Label()
    expression.search(from: .rsp, end: &end)
    expression.search(from: .rdi, end: &end)
    expression.push(0)
    expression.place(&end)
    return expression
  }

  // MARK: checks of features

  /// The function that looks goes on, on the same stack, where the JNE leads: after TESTB (7 bytes) come JNE (6) and
  /// JMP (5).
  private static func check(from start: UInt64) -> [UInt8] {
    var rules = CallFrameInstructions()
    rules.frame(.rsp, 0)
    var target = DWARFExpression()
    // The begin of these three, and behind the JNE.
    target.push(.rip)
    target.push(start)
    target.add(.minus)
    target.push(18)
    target.add(.div)
    target.push(18)
    target.add(.mul)
    target.push(start + 13)
    target.add(.plus, .dup)
    // Its distance, 4 bytes with a sign.
    target.push(4)
    target.add(.minus)
    target.derefWord()
    target.push(32)
    target.add(.shl)
    target.push(32)
    target.add(.shra, .plus)
    rules.value(of: .rip, target)
    return rules.bytes
  }

  // MARK: the task switch

  /// `__switch_to_asm` (arch/x86/entry/entry_64.S): pushes registers, changes RSP, pops the same registers, and jumps.
  private static func taskSwitch(_ bytes: [UInt8]) -> [UInt8]? {
    // RBP, RBX, R12 to R15.
    let pushes: [[UInt8]] = [[0x55], [0x53], [0x41, 0x54], [0x41, 0x55], [0x41, 0x56], [0x41, 0x57]]
    let pops: [[UInt8]] = [[0x41, 0x5f], [0x41, 0x5e], [0x41, 0x5d], [0x41, 0x5c], [0x5b], [0x5d]]
    let tail = pops.flatMap { $0 }
    guard bytes.starts(with: pushes.flatMap { $0 }), bytes.count > 2 * tail.count,
      let popsStart = (tail.count..<bytes.count - tail.count).last(where: { bytes[$0...].starts(with: tail) })
    else { return nil }
    var rules = CallFrameInstructions()
    var words = 1
    rules.frame(.rsp, 8)
    rules.saved(.rip, words: 1)
    for push in pushes {
      rules.advance(UInt64(push.count))
      words += 1
      rules.frame(.rsp, 8 * words)
      if words == 2 { rules.saved(.rbp, words: 2) }
    }
    rules.advance(UInt64(popsStart - tail.count))
    for pop in pops {
      rules.advance(UInt64(pop.count))
      words -= 1
      rules.frame(.rsp, 8 * words)
      if words == 1 { rules.same(.rbp) }
    }
    return rules.bytes
  }
}

extension DWARFExpression {
  /// Looks for the CPU's five words from a register upwards and goes to `end` with where they end; goes on behind this
  /// with nothing on the stack where there are none.
  fileprivate mutating func search(from base: DWARFRegister, end: inout Label) {
    var loop = Label(), found = Label(), none = Label(), over = Label()
    push(base)
    push(0)
    add(.ge)
    branch(to: &over)
    // The CPU aligns the stack to 16 bytes before it pushes five words, and the end of a task's stack is aligned.
    push(base)
    push(7)
    add(.plus)
    push(~15)
    add(.and)
    push(8)
    add(.or)
    place(&loop)
    // In reach: on the same stack, and no further than all that is pushed.
    add(.dup)
    push(39)
    add(.plus)
    // An empty stack's pointer is where the next one begins, if there is any.
    push(base)
    push(1)
    add(.minus)
    push(0x3fff)
    add(.or, .gt)
    branch(to: &none)
    add(.dup)
    push(base)
    add(.minus)
    push(0x140)
    add(.gt)
    branch(to: &none)
    looksLikeFrame()
    branch(to: &found)
    add(constant: 16)
    jump(to: &loop)
    place(&found)
    add(constant: 40)
    jump(to: &end)
    place(&none)
    add(.drop)
    place(&over)
  }

  /// Whether the five words may lie at the address on the stack, which stays there.
  private mutating func looksLikeFrame() {
    // CS: __KERNEL_CS, __USER_CS or __USER32_CS.
    add(.dup)
    add(constant: 8)
    add(.deref, .dup)
    push(0x10)
    add(.eq, .swap, .dup)
    push(0x33)
    add(.eq, .swap)
    push(0x23)
    add(.eq, .or, .over, .or)
    // RIP: the kernel's is in the upper half, and only that. On the stack: address, CS is the kernel's, CS is known.
    add(.swap)
    pick(2)
    add(.deref)
    push(63)
    add(.shr, .eq, .and)
    // RFLAGS: bit 1 is set, bits 3, 5, 15 and 22 to 63 are clear.
    add(.over)
    add(constant: 16)
    add(.deref)
    push(0xffff_ffff_ffc0_802a)
    add(.and)
    push(2)
    add(.eq, .and)
    // SS: 0, __KERNEL_DS or __USER_DS.
    add(.over)
    add(constant: 32)
    add(.deref)
    push(~0x3b)
    add(.and)
    push(0)
    add(.eq, .and)
  }
}
