internal import KVM

/// An instruction behind which all six arithmetic flags are what the manuals say, whatever they were before: ADD, ADC,
/// SUB, SBB, CMP, NEG, XADD and CMPXCHG (Intel SDM vol. 1, A.1). What it takes from memory may still make it fault.
///
/// - Parameter code: the bytes that it begins with.
func definesFlags(_ code: [UInt8], is64Bit: Bool) -> Bool {
  var rest = code.dropFirst(opcodeOffset(code, is64Bit: is64Bit))
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
