/// Instructions whose single step may end one instruction too late on hosts that hand them to the CPU instead of
/// emulating them: group 15 (FXSAVE, FXRSTOR, fences, RDFSBASE …), group 9 (RDRAND, CMPXCHG16B), ENDBR, and group 7
/// on registers (SWAPGS, XSETBV). All of them go on to the next instruction.
///
/// Returns the length of the instruction that `code` (64-bit) begins with, in bytes; `nil` for any other.
func lateStepLength(_ code: [UInt8]) -> Int? {
  let index = opcodeOffset(code, is64Bit: true)
  guard index + 2 < code.count, code[index] == 0x0f else { return nil }
  let modRM = code[index + 2]
  switch code[index + 1] {
  case 0xae, 0xc7, 0x1e: break
  case 0x01 where modRM >> 6 == 3: break
  default: return nil
  }
  return modRMLength(code.dropFirst(index + 2)).map { index + 2 + $0 }
}

/// The bytes of ModRM, SIB and displacement in 64-bit code (Intel SDM vol. 2, 2.1.5).
private func modRMLength(_ code: ArraySlice<UInt8>) -> Int? {
  guard let modRM = code.first else { return nil }
  let (mode, register) = (modRM >> 6, modRM & 7)
  if mode == 3 { return 1 }
  var length = 1
  var base = register
  if register == 4 {
    guard let sib = code.dropFirst().first else { return nil }
    base = sib & 7
    length += 1
  }
  switch mode {
  case 1: length += 1
  case 2: length += 4
  default: if base == 5 { length += 4 }
  }
  return length
}
