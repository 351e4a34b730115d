public import VMMCore

/// Found in a kernel with symbols (arch/x86/entry/entry_64.S, arch/x86/kernel/head_64.S).
extension LinuxEntryCode {
  private static let startNames = ["startup_64", "secondary_startup_64"]
  private static let entryNames = ["early_idt_handler_array", "early_idt_handler_common", "rewind_stack_and_make_dead"]

  private static let otherNames = [
    "__entry_text_start", "__entry_text_end", "entry_SYSCALL_64", "ret_from_fork", "__switch_to_asm",
  ]
  /// Users of `call_on_irqstack` (arch/x86/include/asm/irq_stack.h).
  private static func switchesStacks(_ name: String) -> Bool {
    name.hasPrefix("sysvec_") || ["common_interrupt", "spurious_interrupt", "do_softirq"].contains(name)
      || name == "do_softirq_own_stack"
  }

  public init(kernel bytes: [UInt8]) {
    self.init()
    let names = Set(LinuxEntryCode.otherNames + LinuxEntryCode.startNames + LinuxEntryCode.entryNames)
    let symbols = ELFSymbols(bytes)
    let found = symbols.code { names.contains($0) || LinuxEntryCode.switchesStacks($0) }
    guard let start = found["__entry_text_start"], let end = found["__entry_text_end"]?.address, start.address < end
    else { return }
    systemCalls = [found["entry_SYSCALL_64"]?.addresses].compactMap(\.self)
    entries = (start.address..<end).without(systemCalls.first)
    entries += LinuxEntryCode.entryNames.compactMap { found[$0]?.addresses }
    begins += LinuxEntryCode.startNames.compactMap { found[$0]?.addresses }
    taskSwitch = found["__switch_to_asm"].flatMap { found in found.addresses.map { ($0, Array(bytes[found.code])) } }
    if let fork = found["ret_from_fork"], let all = fork.addresses {
      let thread = LinuxEntryCode.threadBegin(in: Array(bytes[fork.code])).map { all.lowerBound + UInt64($0) }
      entries.append(all.lowerBound..<(thread ?? all.upperBound))
      if let thread { begins.append(thread..<all.upperBound) }
    }
    let calls = DirectCalls(bytes, symbols)
    returns = (entries + systemCalls).flatMap { calls.returns(in: $0) }
    let switches = found.filter { LinuxEntryCode.switchesStacks($0.key) }.map(\.value.address)
    for description in ELFFrames(bytes).descriptions(of: Set(switches)) {
      stackSwitches += calls.returns(in: description.code).map { ($0, description.instructions(at: $0 - 1)) }
    }
  }

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

extension ELFSymbols.Function {
  /// `nil` where the symbol has no size.
  fileprivate var addresses: Range<UInt64>? { code.isEmpty ? nil : address..<(address + UInt64(code.count)) }
}

/// Finds calls without decoding what is between them: E8, and a distance that leads to a function.
private struct DirectCalls {
  private let bytes: [UInt8]
  private let symbols: ELFSymbols
  private let functions: Set<UInt64>

  init(_ bytes: [UInt8], _ symbols: ELFSymbols) {
    self.bytes = bytes
    self.symbols = symbols
    functions = symbols.functionAddresses
  }

  /// The addresses behind the calls in a stretch of code.
  func returns(in range: Range<UInt64>) -> [UInt64] {
    guard let code = symbols.file(of: range) else { return [] }
    var found: [UInt64] = []
    for index in code.dropLast(4) where bytes[index] == 0xe8 {
      guard let distance = bytes.integer(at: index + 1, as: UInt32.self) else { continue }
      let next = range.lowerBound + UInt64(index - code.lowerBound) + 5
      let target = next &+ UInt64(bitPattern: Int64(Int32(bitPattern: distance)))
      if functions.contains(target) { found.append(next) }
    }
    return found
  }
}

extension Range<UInt64> {
  /// What is left when a part is taken out.
  fileprivate func without(_ part: Range?) -> [Range] {
    guard let part, overlaps(part) else { return [self] }
    let before = lowerBound..<Swift.max(lowerBound, part.lowerBound)
    let behind = Swift.min(upperBound, part.upperBound)..<upperBound
    return [before, behind].filter { !$0.isEmpty }
  }
}
