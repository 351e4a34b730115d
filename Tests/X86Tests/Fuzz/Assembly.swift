internal import NativeOracle

@testable internal import X86

/// A memory operand: prefixes, REX bits, and what follows the opcode.
struct MemoryOperand {
  var segment: UInt8?
  var is32Bit = false
  var rex: UInt8 = 0
  /// mod and rm of ModRM.
  var modRM: UInt8 = 4
  var sib: UInt8?
  var displacement: [UInt8] = []
  /// The displacement is from the end of the instruction to this address.
  var relativeTo: UInt64?
}

/// An instruction about to be put together.
struct Assembly {
  var form: InstructionForm
  /// Bits of REX, or nil for none.
  var rex: UInt8?
  var modRM: UInt8 = 0
  var memory: MemoryOperand?
  var immediate: [UInt8] = []
  var locked = false
  /// VEX.vvvv.
  var register: UInt8 = 0
  /// Prefixes that mean nothing to the instruction.
  var noise: [UInt8] = []

  /// The bytes of the instruction, which is going to lie at `address`.
  func bytes(at address: UInt64) -> [UInt8] {
    var code = noise
    if let segment = memory?.segment { code.append(segment) }
    if memory?.is32Bit == true { code.append(0x67) }
    if locked { code.append(0xf0) }
    let bits = (rex ?? 0) | (memory?.rex ?? 0) | (form.wide ? 8 : 0)
    if form.isVEX {
      let pp: [UInt8?: UInt8] = [nil: 0, 0x66: 1, 0xf3: 2, 0xf2: 3]
      code += [
        0xc4, (~bits & 7) << 5 | UInt8(form.map),
        (bits & 8) << 4 | (~register & 15) << 3 | (pp[form.prefix] ?? 0), form.opcode,
      ]
    } else {
      if let prefix = form.prefix { code.append(prefix) }
      if rex != nil || bits != 0 { code.append(0x40 | bits) }
      code += [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][form.map]
      code.append(form.opcode)
    }
    guard form.modRM != .none else { return code + immediate }
    code.append(memory.map { $0.modRM | modRM & 0x38 } ?? modRM)
    if let sib = memory?.sib { code.append(sib) }
    code += memory?.displacement ?? []
    if let target = memory?.relativeTo {
      let next = address &+ UInt64(code.count + 4 + immediate.count)
      code += little(target &- next, 4)
    }
    return code + immediate
  }
}

func little(_ value: UInt64, _ count: Int) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
}

/// Pieces of code that bring the machine into the state an instruction needs.
enum Setup {
  /// MOV r64, imm64, or shorter forms of it.
  static func move(_ register: Int, _ value: UInt64) -> [UInt8] {
    let (low, high) = (UInt8(register & 7), UInt8(register >> 3))
    if value <= 0xffff_ffff { return (high != 0 ? [0x41] : []) + [0xb8 + low] + little(value, 4) }
    return [0x48 | high, 0xb8 + low] + little(value, 8)
  }

  /// PUSH imm32, sign-extended.
  static func push(_ value: UInt64) -> [UInt8] { [0x68] + little(value, 4) }

  /// MOV dword [address], imm32, and its kin of 1, 2 and 8 bytes (sign-extended).
  static func store(_ value: UInt64, at address: UInt64, _ size: Int) -> [UInt8] {
    let place = [0x04, 0x25] + little(address, 4)
    switch size {
    case 1: return [0xc6] + place + little(value, 1)
    case 2: return [0x66, 0xc7] + place + little(value, 2)
    case 4: return [0xc7] + place + little(value, 4)
    default: return [0x48, 0xc7] + place + little(value, 4)
    }
  }

  /// MOV r64, [address].
  static func load(_ register: Int, from address: UInt64) -> [UInt8] {
    [0x48 | UInt8(register >> 3) << 2, 0x8b, UInt8(register & 7) << 3 | 4, 0x25] + little(address, 4)
  }
}
