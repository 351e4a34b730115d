/// The host code of the hot blocks of one vCPU.
final class Translator {
  /// Bytes.
  private static let capacity = 16 << 20
  /// No block's code is longer: 64 operations with their ways out.
  private static let longest = 64 << 10
  /// How often a block is interpreted before it is translated.
  static let threshold: UInt64 = 40

  private let memory: CodeMemory
  private let arena: Op
  /// Bytes that hold code; the entry comes first.
  private var used = Translator.entryLength
  private static let entryLength = 128
  /// Where translated code goes to leave.
  private let epilogue: Int

  /// State block, code, arena; the operation that comes next.
  typealias Entry =
    @convention(c) (
      UnsafeMutableRawPointer, UnsafeRawPointer, UnsafeMutableRawPointer
    ) -> UnsafeMutableRawPointer
  /// The address of an `Entry`.
  let entry: UInt64

  /// `nil` where there is no executable memory.
  init?(arena: Op) {
    precondition(MemoryLayout<Handler>.size == 1, "translated code compares handlers as bytes")
    guard let memory = CodeMemory(size: Translator.capacity) else { return nil }
    self.memory = memory
    self.arena = arena
    var epilogue = 0
    guard
      memory.write(
        at: 0, count: Translator.entryLength,
        {
          var code = Assembler(at: memory.start)
          epilogue = Translator.writeEntry(&code)
        })
    else { return nil }
    self.epilogue = epilogue
    entry = UInt64(UInt(bitPattern: memory.start))
  }

  /// Where translated code is entered, and (behind that, at the offset it returns) where it goes to leave: RAX is the
  /// operation that comes next. System V ABI: state block, code and arena in RDI, RSI, RDX.
  private static func writeEntry(_ code: inout Assembler) -> Int {
    let saved: [HostRegister] = [.rbx, .rbp, .r(12), .r(13), .r(14), .r(15)]
    for register in saved {
      if register.number >= 8 { code.byte(0x41) }
      code.byte(0x50 | register.number & 7)
    }
    code.move(RegisterCache.state, .rdi)
    code.move(RegisterCache.arena, .rdx)
    code.load(RegisterCache.tlb, RegisterCache.slot(Slot.tlb))
    code.lea(RegisterCache.tlb, .memory(RegisterCache.state, index: RegisterCache.tlb, scale: 3, 0))
    // The stack is aligned to 16 bytes where code calls from.
    code.alu(ALU.sub, .register(.rsp), immediate: 8, size: 8)
    code.instruction(0xff, extension: 4, .register(.rsi), size: 4)
    let epilogue = code.count
    code.alu(ALU.add, .register(.rsp), immediate: 8, size: 8)
    for register in saved.reversed() {
      if register.number >= 8 { code.byte(0x41) }
      code.byte(0x58 | register.number & 7)
    }
    code.byte(0xc3)
    return epilogue
  }

  /// All code is forgotten: no operation leads to it any more.
  func flush() { used = Translator.entryLength }

  var isFull: Bool { used + Translator.longest > memory.size }

  /// Translates the block behind its head; false when it begins with what has no translation.
  func translate(head: Op) -> Bool {
    let start = memory.start + used
    var length = 0
    let isWritten = memory.write(at: used, count: Translator.longest) {
      var block = BlockTranslator(code: Assembler(at: start), arena: arena, epilogue: epilogue - used)
      guard block.translate(from: head + 1) else { return }
      length = block.code.count
    }
    guard isWritten, length > 0 else { return false }
    precondition(length <= Translator.longest)
    head.pointee.immediate = UInt64(UInt(bitPattern: start))
    head.pointee.handler = .translated
    used += (length + 15) & ~15
    return true
  }
}

/// Carries out an operation by its family's code; 0 when it did not complete.
private func executeByFamily(_ state: UnsafeMutableRawPointer, _ operation: UnsafeMutableRawPointer) -> UInt32 {
  let cpu = CPU(state.assumingMemoryBound(to: UInt64.self))
  let op = operation.assumingMemoryBound(to: Instruction.self)
  cpu.rip = cpu.nextRIP(op)
  return cpu.execute(op) ? 1 : 0
}

extension Translator {
  /// The address of the function that translated code calls for what it has no translation of.
  static var familyEntry: UInt64 {
    let function: @convention(c) (UnsafeMutableRawPointer, UnsafeMutableRawPointer) -> UInt32 = executeByFamily
    return UInt64(unsafeBitCast(function, to: UInt.self))
  }
}

extension CPU {
  /// Runs translated code from a block's head, whose instructions are taken out of the budget already; the operation
  /// that comes next.
  @inline(__always) func runTranslated(_ head: Op) -> Op {
    let entry = unsafeBitCast(UInt(s[SystemSlot.translatedEntry]), to: Translator.Entry.self)
    let arena = UnsafeMutableRawPointer(bitPattern: UInt(s[SystemSlot.arena])).unsafelyUnwrapped
    let code = UnsafeRawPointer(bitPattern: UInt(head.pointee.immediate)).unsafelyUnwrapped
    return entry(bytes, code, arena).assumingMemoryBound(to: Instruction.self)
  }

  /// Translated code marks an operation that its family did not complete; `nil` for such a one.
  @inline(__always) func untried(_ op: Op) -> Op? { UInt(bitPattern: op) & 1 == 0 ? op : nil }
  @inline(__always) func tried(_ op: Op) -> Op {
    UnsafeMutableRawPointer(bitPattern: UInt(bitPattern: op) & ~1).unsafelyUnwrapped
      .assumingMemoryBound(to: Instruction.self)
  }
}
