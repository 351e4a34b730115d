/// Call frame information for the functions of a kernel with frame pointers, by their first instructions: gdb's own
/// guess goes by RSP where a function does not begin with them.
struct FramePointerFrames {
  /// Where a function has PUSH RBP and, behind it, MOV RBP, RSP: compilers put other instructions in between, and tests
  /// before them.
  static func prologue(of code: [UInt8]) -> (push: Int, move: Int)? {
    let begin = code.prefix(64)
    guard let push = begin.firstIndex(of: 0x55),
      let move = begin.indices.dropFirst(push + 1).first(where: { begin[$0...].starts(with: [0x48, 0x89, 0xe5]) })
    else { return nil }
    return (push, move)
  }

  /// - Parameter code: all of a function, or a part of it that has a name.
  static func description(of code: [UInt8], at address: UInt64) -> CallFrames.Description {
    let range = address..<(address + UInt64(code.count))
    // Freed when the kernel had booted.
    if code.allSatisfy({ $0 == code[0] }) { return .init(code: range, instructions: EntryFrames.nobody) }
    var rules = CallFrameInstructions()
    if let (push, move) = prologue(of: code) {
      rules.frame(.rsp, 8)
      rules.saved(.rip, words: 1)
      rules.advance(UInt64(push) + 1)
      rules.frame(.rsp, 16)
      rules.saved(.rbp, words: 2)
      rules.advance(UInt64(move - push) + 2)
      rules.frame(.rbp, 16)
    } else if changesStack(code) {
      // RBP is the caller's, or that of one of its callers.
      rules.frame(.rbp, 16)
      rules.saved(.rip, words: 1)
      rules.saved(.rbp, words: 2)
    } else {
      rules.frame(.rsp, 8)
      rules.saved(.rip, words: 1)
    }
    return .init(code: range, instructions: rules.bytes, losesRegisters: true)
  }

  /// Whether there may be a PUSH, a CALL, or a SUB from RSP: any byte that begins one counts, whatever it is.
  private static func changesStack(_ code: [UInt8]) -> Bool {
    code.contains { (0x50...0x57).contains($0) || $0 == 0xe8 }
      || code.indices.dropLast(2).contains {
        code[$0] == 0x48 && [0x81, 0x83].contains(code[$0 + 1]) && code[$0 + 2] == 0xec
      }
  }
}
