internal import KVM

/// An instruction behind which interrupts may not be accepted though they were before it: it clears IF, has an
/// interrupt shadow, enters a handler or raises the task priority (Intel SDM vol. 3, 6.8 and 10.8.3).
///
/// - Parameter code: the bytes that it begins with.
func mayCloseWindow(_ code: [UInt8], is64Bit: Bool) -> Bool {
  var rest = code.dropFirst(opcodeOffset(code, is64Bit: is64Bit))
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
