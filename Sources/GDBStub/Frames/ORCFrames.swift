public import VMMCore

/// Call frame information made of a Linux's own tables, so that gdb unwinds kernels without frame pointers, and their
/// assembly, of which a compiler says nothing. Of the registers that a function must keep the tables know RBP only.
public struct ORCFrames {
  private let table: ORCTable
  private let kernel: any KernelCode
  private let excluded: [Range<UInt64>]
  /// Code that returns for others.
  private let returnThunks: Set<UInt64>
  /// Code that goes on to another task, which may be one that has not run yet: its return address is where a function
  /// begins, as that of `returnThunks` may be.
  private let taskSwitches: [Range<UInt64>]
  /// Code that jumps for others.
  private let jumpThunks: [Thunk]

  /// - Parameters:
  ///   - kernel: where calls are looked for in code that has changed its stack.
  ///   - excluded: code that others describe.
  public init(_ table: ORCTable, kernel: some KernelCode, excluded: [Range<UInt64>] = []) {
    self.table = table
    self.kernel = kernel
    jumpThunks = Thunk.all(in: kernel)
    taskSwitches = ["__switch_to_asm", "__switch_to"].compactMap { kernel.function($0, parts: []) }
    returnThunks = Set(ORCFrames.returnThunks.flatMap { kernel.addresses(ofNamesBeginningWith: $0) })
    self.excluded = (excluded + jumpThunks.map(\.code)).filter { !$0.isEmpty }
  }

  /// arch/x86/lib/retpoline.S
  private static let returnThunks = [
    "__x86_return_thunk", "its_return_thunk", "retbleed_return_thunk", "srso_return_thunk", "srso_alias_return_thunk",
  ]
  /// What functions are called that `LinuxEntryCode`'s source must know for this.
  public static let thunkNames = returnThunks + Thunk.names

  /// An ELF file for gdb's `add-symbol-file`.
  public var file: [UInt8] { SymbolFile(frames: CallFrames(descriptions)).bytes }

  var descriptions: [CallFrames.Description] {
    var all: [CallFrames.Description] = []
    var run = Run()
    for (index, entry) in table.rules.enumerated().dropLast() {
      let range = entry.address..<table.rules[index + 1].address
      for part in pieces(of: range) {
        switch entry.rule {
        case .call where returnThunks.contains(entry.address) || taskSwitches.contains { $0.contains(part.lowerBound) }:
          // To gdb it is an interrupt's, behind which is no call.
          let instructions = entry.rule.instructions
          all.append(.init(code: part, instructions: instructions, isInterrupt: true, losesRegisters: true))
        case .nobody, .call(.register, _):
          if !run.append(part, entry.rule) {
            all += run.descriptions
            run = Run()
            _ = run.append(part, entry.rule)
          }
        case .call(.indirect, _): all += switched(part, entry.rule)
        case .registers, .hardware:
          all.append(.init(code: part, instructions: entry.rule.instructions, isInterrupt: true))
        }
      }
    }
    return all + run.descriptions + jumpThunks.flatMap(\.descriptions)
  }

  private func pieces(of range: Range<UInt64>) -> [Range<UInt64>] {
    // Few, and fewer that overlap.
    var pieces = [range]
    for hole in excluded where hole.overlaps(range) { pieces = pieces.flatMap { $0.without(hole) } }
    return pieces
  }

  /// Where the base is in memory, code may be on another stack: to gdb the frame that has called from there is an
  /// interrupt's (`EntryFrames`).
  private func switched(_ range: Range<UInt64>, _ rule: ORCTable.Rule) -> [CallFrames.Description] {
    guard case .call(.indirect(.rsp, _, _), _) = rule, range.count <= 256 else {
      return [.init(code: range, instructions: rule.instructions, losesRegisters: true)]
    }
    var all: [CallFrames.Description] = []
    var rest = [range]
    for address in kernel.returns(in: range) {
      let call = address - 1..<address + 1
      all.append(.init(code: call, instructions: rule.instructions, isInterrupt: true, losesRegisters: true))
      rest = rest.flatMap { $0.without(call) }
    }
    return all + rest.map { .init(code: $0, instructions: rule.instructions, losesRegisters: true) }
  }
}

/// A jump to where a register says (arch/x86/lib/retpoline.S), of which the kernel's tables know nothing: JMP, or a
/// CALL of 5 bytes over 7, whose return address is changed before RET takes it.
private struct Thunk {
  let start: UInt64
  let isLong: Bool

  static let names = ["__x86_indirect_thunk_r", "__x86_indirect_its_thunk_r"]

  static func all(in kernel: some KernelCode) -> [Thunk] {
    names.enumerated().flatMap { index, name in
      kernel.addresses(ofNamesBeginningWith: name).prefix(32).filter { KernelMemory.window.contains($0) }
        .map { Thunk(start: $0, isLong: index == 0) }
    }
  }

  private var short: Range<UInt64> { start..<(start &+ (isLong ? 5 : 3)) }
  var code: Range<UInt64> { start..<(start &+ (isLong ? 17 : 3)) }

  var descriptions: [CallFrames.Description] {
    [(short, 8), (short.upperBound..<code.upperBound, 16)].filter { !$0.0.isEmpty }.map { code, depth in
      let rule = ORCTable.Rule.call(.register(.rsp, depth), .unchanged)
      return .init(code: code, instructions: rule.instructions, losesRegisters: true)
    }
  }
}

/// Rules that follow each other without a gap, as the instructions that lead from one to the next.
private struct Run {
  private var code: Range<UInt64>?
  /// Where the last rule begins.
  private var start: UInt64 = 0
  private var instructions = CallFrameInstructions()
  private var last = ORCTable.Rule.nobody
  private var count = 0

  /// gdb goes through them from the begin for each frame.
  private static let maximumCount = 32

  var descriptions: [CallFrames.Description] {
    code.map { [.init(code: $0, instructions: instructions.bytes, losesRegisters: true)] } ?? []
  }

  /// False when it goes on elsewhere.
  mutating func append(_ range: Range<UInt64>, _ rule: ORCTable.Rule) -> Bool {
    guard let code else {
      self.code = range
      instructions.change(to: rule, from: nil)
      (start, last) = (range.lowerBound, rule)
      return true
    }
    guard code.upperBound == range.lowerBound, count < Run.maximumCount else { return false }
    instructions.advance(range.lowerBound - start)
    instructions.change(to: rule, from: last)
    self.code = code.lowerBound..<range.upperBound
    (start, last, count) = (range.lowerBound, rule, count + 1)
    return true
  }
}

extension ORCTable.Rule {
  fileprivate var instructions: [UInt8] {
    var instructions = CallFrameInstructions()
    instructions.change(to: self, from: nil)
    return instructions.bytes
  }
}

extension CallFrameInstructions {
  /// - Parameter old: what holds already.
  fileprivate mutating func change(to rule: ORCTable.Rule, from old: ORCTable.Rule?) {
    switch rule {
    case .nobody:
      if old == nil { frame(.rsp, 0) }
      undefined(.rip)
    case .call(let base, let pointer):
      var (oldBase, oldPointer): (ORCTable.Base?, ORCTable.FramePointer?) = (nil, nil)
      if case .call(let base, let pointer)? = old { (oldBase, oldPointer) = (base, pointer) }
      if base != oldBase { frame(base, above: 0) }
      if oldBase == nil { saved(.rip, words: 1) }
      if pointer != oldPointer { framePointer(pointer) }
    case .registers(let base):
      frame(base, above: 168)
      words(registers: CallFrameInstructions.pushed)
    case .hardware(let base):
      frame(base, above: 40)
      words(registers: [])
    }
  }

  /// `struct pt_regs` from its begin on, as far as the CPU has not pushed it (arch/x86/include/asm/ptrace.h).
  static let pushed: [DWARFRegister] = [
    .r15, .r14, .r13, .r12, .rbp, .rbx, .r11, .r10, .r9, .r8, .rax, .rcx, .rdx, .rsi, .rdi,
  ]

  private mutating func words(registers: [DWARFRegister]) {
    for (index, register) in [DWARFRegister.rip, .cs, .rflags, .rsp, .ss].enumerated() {
      saved(register, words: 5 - index)
    }
    for (index, register) in registers.enumerated() { saved(register, words: 21 - index) }
  }

  private mutating func frame(_ base: ORCTable.Base, above words: Int) {
    switch base {
    case .register(let register, let offset): frame(register, offset + words)
    case .indirect(let register, let offset, let then):
      var expression = DWARFExpression()
      expression.push(register, offset: offset)
      expression.add(.deref)
      expression.add(signed: then + words)
      frame(expression)
    }
  }

  private mutating func framePointer(_ pointer: ORCTable.FramePointer) {
    switch pointer {
    case .unchanged: same(.rbp)
    case .fromBase(let offset) where offset % 8 == 0: saved(.rbp, words: -offset / 8)
    // No function does that.
    case .fromBase: undefined(.rbp)
    case .fromFramePointer(let offset):
      var expression = DWARFExpression()
      expression.push(.rbp, offset: offset)
      saved(.rbp, at: expression)
    }
  }
}
