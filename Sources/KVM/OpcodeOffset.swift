/// How many bytes of prefixes, REX among them, an instruction has before its opcode (Intel SDM vol. 2, 2.1.1, 2.2.1).
///
/// - Parameter code: the bytes that it begins with; all of them may be prefixes.
package func opcodeOffset(_ code: [UInt8], is64Bit: Bool) -> Int {
  let offset = code.firstIndex { !prefixes.contains($0) } ?? code.count
  guard is64Bit, offset < code.count, code[offset] & 0xf0 == 0x40 else { return offset }
  return offset + 1
}

/// Segment overrides, operand size, address size, LOCK, REPNE, REP.
private let prefixes: Set<UInt8> = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]
