private let prefixes: Set<UInt8> = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]

/// The code from the opcode on.
private func opcodes(_ code: [UInt8], is64Bit: Bool) -> ArraySlice<UInt8> {
  let rest = code.drop { prefixes.contains($0) }
  return is64Bit && rest.first.map { $0 & 0xf0 == 0x40 } ?? false ? rest.dropFirst() : rest
}

/// An instruction behind which all six arithmetic flags are what the manuals say, whatever they were before: ADD, ADC,
/// SUB, SBB, CMP, NEG, XADD and CMPXCHG (Intel SDM vol. 1, A.1). What it takes from memory may still make it fault.
///
/// - Parameter code: the bytes that it begins with.
func definesFlags(_ code: [UInt8], is64Bit: Bool) -> Bool {
  var rest = opcodes(code, is64Bit: is64Bit)
  guard let opcode = rest.popFirst(), let second = rest.first else { return false }
  /// The operation in ModRM's middle.
  let operation = second >> 3 & 7
  switch opcode {
  case 0x00...0x05, 0x10...0x15, 0x18...0x1d, 0x28...0x2d, 0x38...0x3d: return true
  // ADD, ADC, SBB, SUB, CMP; the others are OR, AND, XOR, whose AF is undefined.
  case 0x80, 0x81, 0x83: return [0, 2, 3, 5, 7].contains(operation)
  case 0xf6, 0xf7: return operation == 3
  case 0x0f: return [0xb0, 0xb1, 0xc0, 0xc1].contains(second)
  default: return false
  }
}

/// An instruction behind which interrupts may not be accepted though they were before it: it clears IF, has an
/// interrupt shadow, enters a handler or raises the task priority (Intel SDM vol. 3, 6.8 and 10.8.3).
///
/// - Parameter code: the bytes that it begins with.
func mayCloseWindow(_ code: [UInt8], is64Bit: Bool) -> Bool {
  var rest = opcodes(code, is64Bit: is64Bit)
  guard let opcode = rest.popFirst() else { return true }
  switch opcode {
  // MOV SS; POP SS; POPF; INT3, INT, INTO, IRET; INT1; CLI, STI.
  case 0x8e, 0x17, 0x9d, 0xcc...0xcf, 0xf1, 0xfa, 0xfb: return true
  case 0x0f: break
  default: return false
  }
  switch rest.first {
  // SYSCALL, SYSRET, UD2; LSS; MOV to a control register; WRMSR; SYSENTER, SYSEXIT.
  case 0x05, 0x07, 0x0b, 0xb2, 0x22, 0x30, 0x34, 0x35: return true
  default: return false
  }
}
