/// A kernel's functions and their code, from wherever they are known.
public protocol KernelCode {
  /// Where a function is, with parts of it that have names of their own, which begin with its name or with one of
  /// `parts`; `nil` where it is not known, or not how far it goes.
  func function(_ name: String, parts: [String]) -> Range<UInt64>?
  /// Where something is that has a name.
  func address(of name: String) -> UInt64?
  /// All bytes of a stretch of code, or none.
  func code(in range: Range<UInt64>) -> [UInt8]
  /// A function begins at an address.
  func isFunction(at address: UInt64) -> Bool
  /// Where functions are whose names begin so.
  func addresses(ofNamesBeginningWith text: String) -> [UInt64]
}

/// Found in a kernel whose functions are known (arch/x86/entry/entry_64.S, arch/x86/kernel/head_64.S).
extension LinuxEntryCode {
  public static let startNames = ["startup_64", "secondary_startup_64"]
  public static let entryNames = ["early_idt_handler_array", "early_idt_handler_common", "rewind_stack_and_make_dead"]
  /// What else `init(_:)` asks for.
  public static let otherNames = [
    "__entry_text_start", "__entry_text_end", "entry_SYSCALL_64", "ret_from_fork", "__switch_to_asm",
    "__switch_to",
  ]

  /// Users of `call_on_irqstack` (arch/x86/include/asm/irq_stack.h).
  public static func switchesStacks(_ name: String) -> Bool {
    name.hasPrefix("sysvec_")
      || ["common_interrupt", "spurious_interrupt", "do_softirq", "do_softirq_own_stack"].contains(name)
  }

  /// Everything but the stack switches: empty where the entry code has no names.
  public init(_ kernel: some KernelCode) {
    self.init()
    guard let start = kernel.address(of: "__entry_text_start"), let end = kernel.address(of: "__entry_text_end"),
      start < end, end - start <= LinuxEntryCode.maximumSize
    else { return }
    let systemCall = kernel.function("entry_SYSCALL_64", parts: ["syscall_return_via_sysret", "entry_SYSRETQ"])
    systemCalls = [systemCall].compactMap(\.self)
    entries = (start..<end).without(systemCall)
    entries += LinuxEntryCode.entryNames.compactMap { kernel.function($0, parts: []) }
    begins += LinuxEntryCode.startNames.compactMap { kernel.function($0, parts: []) }
    taskSwitch = kernel.function("__switch_to_asm", parts: []).map { ($0, kernel.code(in: $0)) }
    if let all = kernel.function("ret_from_fork", parts: []) {
      let thread = LinuxEntryCode.threadBegin(in: kernel.code(in: all)).map { all.lowerBound + UInt64($0) }
      // A new task's stack says that the switch returns to the begin: gdb looks one byte before it.
      entries.append(max(all.lowerBound, 1) - 1..<(thread ?? all.upperBound))
      if let (range, bytes) = taskSwitch, range.upperBound == all.lowerBound {
        taskSwitch = (range.lowerBound..<range.upperBound - 1, bytes)
      }
      if let thread { begins.append(thread..<all.upperBound) }
    }
    checks = kernel.function("_einittext", parts: [])
    returns = (entries + systemCalls).flatMap { kernel.returns(in: $0) }
  }

  /// The entry code has some ten KiB.
  private static let maximumSize: UInt64 = 1 << 20

  /// `ret_from_fork` goes on to user mode, unless RBX is the function of a thread of the kernel: TEST RBX, RBX and JNE
  /// to the part that calls it. Where that part begins.
  private static func threadBegin(in code: [UInt8]) -> Int? {
    for index in code.indices.dropLast(5) where code[index...].starts(with: [0x48, 0x85, 0xdb, 0x75]) {
      let target = index + 5 + Int(Int8(bitPattern: code[index + 4]))
      return target > index && target < code.count ? target : nil
    }
    return nil
  }
}

extension KernelCode {
  /// The addresses behind the direct calls in a stretch of code, found without decoding what is between them: E8, and
  /// a distance that leads to a function.
  public func returns(in range: Range<UInt64>) -> [UInt64] {
    let code = code(in: range)
    var found: [UInt64] = []
    for index in code.indices.dropLast(4) where code[index] == 0xe8 {
      let distance = code[(index + 1)...(index + 4)].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      let next = range.lowerBound &+ UInt64(index) &+ 5
      if isFunction(at: next &+ UInt64(bitPattern: Int64(Int32(bitPattern: distance)))) { found.append(next) }
    }
    return found
  }
}

extension Range<UInt64> {
  /// What is left when a part is taken out.
  public func without(_ part: Range?) -> [Range] {
    guard let part, overlaps(part) else { return [self] }
    let before = lowerBound..<Swift.max(lowerBound, part.lowerBound)
    let behind = Swift.min(upperBound, part.upperBound)..<upperBound
    return [before, behind].filter { !$0.isEmpty }
  }
}
