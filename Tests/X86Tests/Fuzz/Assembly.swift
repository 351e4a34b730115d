internal import NativeOracle

@testable internal import X86

/// A memory operand: prefixes, REX bits, and what follows the opcode.
struct MemoryOperand {
  var segment: UInt8?
  /// The address size is the other one: 67.
  var hasOtherSize = false
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
    if memory?.hasOtherSize == true { code.append(0x67) }
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

/// Pieces of code that bring the machine into the state an instruction needs, for code of one size.
struct Setup {
  /// `Mode.code16`, `code32` or `code64`.
  let codeSize: UInt64

  private var is64: Bool { codeSize == Mode.code64 }
  /// The prefix that makes operands 32 bits wide, or 16.
  private var long: [UInt8] { codeSize == Mode.code16 ? [0x66] : [] }
  private var short: [UInt8] { codeSize == Mode.code16 ? [] : [0x66] }

  /// MOV of an immediate to all of a register.
  func move(_ register: Int, _ value: UInt64) -> [UInt8] {
    let (low, high) = (UInt8(register & 7), UInt8(register >> 3))
    guard is64 else { return long + [0xb8 + low] + little(value, 4) }
    if value <= 0xffff_ffff { return (high != 0 ? [0x41] : []) + [0xb8 + low] + little(value, 4) }
    return [0x48 | high, 0xb8 + low] + little(value, 8)
  }

  /// PUSH imm, sign-extended in 64-bit code, of `size` bytes.
  func push(_ value: UInt64, _ size: Int = 8) -> [UInt8] {
    size == 2 ? short + [0x68] + little(value, 2) : long + [0x68] + little(value, 4)
  }

  /// MOV [address], imm of 1, 2, 4 or 8 bytes (in 64-bit code those sign-extended).
  func store(_ value: UInt64, at address: UInt64, _ size: Int) -> [UInt8] {
    let place =
      is64
      ? [0x04, 0x25] + little(address, 4)
      : codeSize == Mode.code32
        ? [0x05] + little(address, 4) : [0x06] + little(address, 2)
    switch size {
    case 1: return [0xc6] + place + little(value, 1)
    case 2: return short + [0xc7] + place + little(value, 2)
    case 4: return long + [0xc7] + place + little(value, 4)
    default:
      if is64 { return [0x48, 0xc7] + place + little(value, 4) }
      return store(value, at: address, 4) + store(value >> 32, at: address + 4, 4)
    }
  }

  /// MOV of all of a register, from memory.
  func load(_ register: Int, from address: UInt64) -> [UInt8] {
    let row = UInt8(register & 7) << 3
    switch codeSize {
    case Mode.code64: return [0x48 | UInt8(register >> 3) << 2, 0x8b, row | 4, 0x25] + little(address, 4)
    case Mode.code32: return [0x8b, row | 5] + little(address, 4)
    default: return [0x66, 0x8b, row | 6] + little(address, 2)
    }
  }
}
