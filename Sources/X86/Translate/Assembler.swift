/// A general register of the host, by its number.
struct HostRegister: Equatable {
  var number: UInt8

  static var rax: HostRegister { HostRegister(number: 0) }
  static var rcx: HostRegister { HostRegister(number: 1) }
  static var rdx: HostRegister { HostRegister(number: 2) }
  static var rbx: HostRegister { HostRegister(number: 3) }
  static var rsp: HostRegister { HostRegister(number: 4) }
  static var rbp: HostRegister { HostRegister(number: 5) }
  static var rsi: HostRegister { HostRegister(number: 6) }
  static var rdi: HostRegister { HostRegister(number: 7) }
  static func r(_ number: UInt8) -> HostRegister { HostRegister(number: number) }
}

/// The operand that ModRM names: a register, or memory at base + index << scale + displacement.
enum HostOperand {
  case register(HostRegister)
  case memory(HostRegister, index: HostRegister? = nil, scale: UInt8 = 0, Int32)
}

/// A condition of Jcc, SETcc and CMOVcc, as the opcodes number them.
struct HostCondition: Equatable {
  var code: UInt8

  static var overflow: HostCondition { HostCondition(code: 0) }
  static var carry: HostCondition { HostCondition(code: 2) }
  static var equal: HostCondition { HostCondition(code: 4) }
  static var notEqual: HostCondition { HostCondition(code: 5) }
  static var belowOrEqual: HostCondition { HostCondition(code: 6) }
  static var sign: HostCondition { HostCondition(code: 8) }
  static var parity: HostCondition { HostCondition(code: 10) }
  var negated: HostCondition { HostCondition(code: code ^ 1) }
}

/// Writes host instructions one behind the other (Intel SDM vol. 2, chapter 2), from some place of a code memory on.
struct Assembler {
  /// The memory, as it is written and as it is executed.
  private let start: UnsafeMutablePointer<UInt8>
  private let executed: UnsafeMutablePointer<UInt8>
  /// Where the next byte goes, in bytes from the memory's begin.
  private(set) var position: Int

  init(to memory: CodeMemory, at position: Int) {
    start = memory.writable
    executed = memory.start
    self.position = position
  }

  mutating func byte(_ value: UInt8) {
    start[position] = value
    position += 1
  }

  mutating func word16(_ value: UInt16) {
    UnsafeMutableRawPointer(start + position).storeBytes(of: value, as: UInt16.self)
    position += 2
  }

  mutating func word32(_ value: UInt32) {
    UnsafeMutableRawPointer(start + position).storeBytes(of: value, as: UInt32.self)
    position += 4
  }

  mutating func word64(_ value: UInt64) {
    UnsafeMutableRawPointer(start + position).storeBytes(of: value, as: UInt64.self)
    position += 8
  }

  // MARK: instructions

  /// An instruction with a ModRM byte: `opcode` has one byte, or is 1xx after 0F, 38xx after 0F 38, 3Axx after 0F 3A;
  /// `size` is that of the operands in bytes.
  /// The operand that ModRM names may be a byte all the same (MOVZX).
  mutating func instruction(
    _ opcode: UInt16, _ reg: HostRegister, _ operand: HostOperand, size: Int, ofByte: Bool = false
  ) {
    if size == 2 { byte(0x66) }
    var rex: UInt8 = size == 8 ? 0x48 : 0
    if reg.number >= 8 { rex |= 0x44 }
    // SPL to DIL need a REX prefix, or they are AH to BH.
    var namesByte = size == 1 && reg.number >= 4
    switch operand {
    case .register(let rm):
      if rm.number >= 8 { rex |= 0x41 }
      namesByte = namesByte || (size == 1 || ofByte) && rm.number >= 4
    case .memory(let base, let index, _, _):
      if base.number >= 8 { rex |= 0x41 }
      if let index, index.number >= 8 { rex |= 0x42 }
    }
    if namesByte { rex |= 0x40 }
    if rex != 0 { byte(rex) }
    if opcode > 0xff { byte(0x0f) }
    if opcode > 0x1ff { byte(UInt8(opcode >> 8)) }
    byte(UInt8(truncatingIfNeeded: opcode))
    modRM(reg.number & 7, operand)
  }

  /// The same with a number in the place of the register.
  mutating func instruction(_ opcode: UInt16, extension number: UInt8, _ operand: HostOperand, size: Int) {
    instruction(opcode, HostRegister(number: number), operand, size: size == 1 ? 4 : size, isByte: size == 1)
  }

  /// A number as the register asks for no REX prefix of its own.
  private mutating func instruction(
    _ opcode: UInt16, _ reg: HostRegister, _ operand: HostOperand, size: Int, isByte: Bool
  ) {
    if isByte, case .register(let rm) = operand, rm.number >= 4 {
      byte(rm.number >= 8 ? 0x41 : 0x40)
      byte(UInt8(truncatingIfNeeded: opcode))
      modRM(reg.number, .register(rm))
    } else {
      instruction(opcode, reg, operand, size: size)
    }
  }

  private mutating func modRM(_ reg: UInt8, _ operand: HostOperand) {
    switch operand {
    case .register(let rm): byte(0xc0 | reg << 3 | rm.number & 7)
    case .memory(let base, let index, let scale, let displacement):
      let isShort = displacement >= -128 && displacement <= 127
      let mode: UInt8 = isShort ? 0x40 : 0x80
      if index != nil || base.number & 7 == 4 {
        byte(mode | reg << 3 | 4)
        byte(scale << 6 | (index.map { $0.number & 7 } ?? 4) << 3 | base.number & 7)
      } else {
        byte(mode | reg << 3 | base.number & 7)
      }
      if isShort {
        byte(UInt8(bitPattern: Int8(displacement)))
      } else {
        word32(UInt32(bitPattern: displacement))
      }
    }
  }

  /// One with a VEX prefix (Intel SDM vol. 2, 2.3.5): `prefix` is 0, or 1 to 3 for 66, F3 and F2; `other` is named by
  /// VEX.vvvv.
  mutating func vex(
    map: UInt8, _ prefix: UInt8, _ opcode: UInt8, _ reg: HostRegister, _ other: HostRegister?, _ operand: HostOperand,
    size: Int
  ) {
    var extensions: UInt8 = reg.number >= 8 ? 0 : 0x80
    switch operand {
    case .register(let rm): extensions |= rm.number >= 8 ? 0x40 : 0x60
    case .memory(let base, let index, _, _):
      extensions |= (base.number >= 8 ? 0 : 0x20) | (index.map { $0.number >= 8 } ?? false ? 0 : 0x40)
    }
    byte(0xc4)
    byte(extensions | map)
    byte((size == 8 ? 0x80 : 0) | (~(other?.number ?? 0) & 15) << 3 | prefix)
    byte(opcode)
    modRM(reg.number & 7, operand)
  }

  // MARK: common ones

  mutating func move(_ to: HostRegister, _ from: HostRegister, size: Int = 8) {
    instruction(0x89, from, .register(to), size: size)
  }

  mutating func load(_ to: HostRegister, _ from: HostOperand, size: Int = 8) {
    instruction(size == 1 ? 0x8a : 0x8b, to, from, size: size)
  }

  mutating func store(_ from: HostRegister, _ to: HostOperand, size: Int = 8) {
    instruction(size == 1 ? 0x88 : 0x89, from, to, size: size)
  }

  mutating func storeByte(_ value: UInt8, _ to: HostOperand) {
    instruction(0xc6, extension: 0, to, size: 1)
    byte(value)
  }

  /// The shortest form; leaves the flags alone.
  mutating func move(_ to: HostRegister, immediate value: UInt64) {
    if value <= 0xffff_ffff {
      if to.number >= 8 { byte(0x41) }
      byte(0xb8 | to.number & 7)
      word32(UInt32(value))
    } else if Int64(bitPattern: value) == Int64(Int32(truncatingIfNeeded: value)) {
      instruction(0xc7, extension: 0, .register(to), size: 8)
      word32(UInt32(truncatingIfNeeded: value))
    } else {
      byte(to.number >= 8 ? 0x49 : 0x48)
      byte(0xb8 | to.number & 7)
      word64(value)
    }
  }

  /// To AL, CL or DL; leaves the flags alone.
  mutating func moveLow(_ to: HostRegister, immediate value: UInt8) {
    byte(0xb0 | to.number)
    byte(value)
  }

  mutating func moveLow(_ to: HostRegister, from: HostRegister) { instruction(0x88, from, .register(to), size: 1) }

  /// ADD … CMP (`ALU`): the register is the destination.
  mutating func alu(_ kind: UInt8, _ to: HostRegister, _ from: HostOperand, size: Int) {
    instruction(UInt16(kind) << 3 | (size == 1 ? 2 : 3), to, from, size: size)
  }

  /// The operand is the destination.
  mutating func alu(_ kind: UInt8, _ to: HostOperand, from: HostRegister, size: Int) {
    instruction(UInt16(kind) << 3 | (size == 1 ? 0 : 1), from, to, size: size)
  }

  mutating func alu(_ kind: UInt8, _ to: HostOperand, immediate: Int32, size: Int) {
    if size == 1 {
      instruction(0x80, extension: kind, to, size: 1)
      byte(UInt8(truncatingIfNeeded: immediate))
    } else if immediate >= -128 && immediate <= 127 {
      instruction(0x83, extension: kind, to, size: size)
      byte(UInt8(truncatingIfNeeded: immediate))
    } else {
      instruction(0x81, extension: kind, to, size: size)
      number(immediate, size: size)
    }
  }

  /// TEST.
  mutating func test(_ operand: HostOperand, with other: HostRegister, size: Int) {
    instruction(size == 1 ? 0x84 : 0x85, other, operand, size: size)
  }

  mutating func test(_ operand: HostOperand, immediate: Int32, size: Int) {
    instruction(size == 1 ? 0xf6 : 0xf7, extension: 0, operand, size: size)
    number(immediate, size: size)
  }

  /// An immediate operand behind its instruction.
  mutating func number(_ value: Int32, size: Int) {
    switch size {
    case 1: byte(UInt8(truncatingIfNeeded: value))
    case 2: word16(UInt16(truncatingIfNeeded: value))
    default: word32(UInt32(bitPattern: value))
    }
  }

  mutating func push(_ register: HostRegister) { stack(0x50, register) }
  mutating func pop(_ register: HostRegister) { stack(0x58, register) }

  private mutating func stack(_ opcode: UInt8, _ register: HostRegister) {
    if register.number >= 8 { byte(0x41) }
    byte(opcode | register.number & 7)
  }

  /// `kind`: 0 ROL, 1 ROR, 4 SHL, 5 SHR, 7 SAR.
  mutating func shift(_ kind: UInt8, _ operand: HostRegister, by count: UInt8, size: Int) {
    shift(kind, .register(operand), by: count, size: size)
  }

  mutating func shift(_ kind: UInt8, _ operand: HostOperand, by count: UInt8, size: Int) {
    instruction(size == 1 ? 0xc0 : 0xc1, extension: kind, operand, size: size)
    byte(count)
  }

  mutating func byteSwap(_ register: HostRegister, size: Int) {
    let rex: UInt8 = (size == 8 ? 8 : 0) | (register.number >= 8 ? 1 : 0)
    if rex != 0 { byte(0x40 | rex) }
    byte(0x0f)
    byte(0xc8 | register.number & 7)
  }

  /// An SSE instruction with XMM0 or XMM1, or a general register where it has one: `prefix` is 0, 66, F2 or F3; `size`
  /// that of a general register among the operands.
  mutating func vector(_ prefix: UInt8, _ opcode: UInt8, _ xmm: UInt8, _ operand: HostOperand, size: Int = 4) {
    vector(prefix, opcode, HostRegister(number: xmm), operand, size: size)
  }

  mutating func vector(
    _ prefix: UInt8, _ opcode: UInt8, _ register: HostRegister, _ operand: HostOperand, size: Int = 4
  ) {
    if prefix != 0 { byte(prefix) }
    instruction(0x100 | UInt16(opcode), register, operand, size: size)
  }

  mutating func lea(_ to: HostRegister, _ address: HostOperand, size: Int = 8) {
    instruction(0x8d, to, address, size: size)
  }

  mutating func set(_ condition: HostCondition, _ to: HostRegister) {
    if to.number >= 4 { byte(to.number >= 8 ? 0x41 : 0x40) }
    byte(0x0f)
    byte(0x90 | condition.code)
    byte(0xc0 | to.number & 7)
  }

  // MARK: branches

  /// A branch whose target comes later, by whatever assembler for the same memory.
  struct Branch {
    /// The position behind it: its last four bytes are the distance from there to the target.
    var end: Int
  }

  mutating func branch(_ condition: HostCondition) -> Branch {
    byte(0x0f)
    byte(0x80 | condition.code)
    word32(0)
    return Branch(end: position)
  }

  mutating func jump() -> Branch {
    byte(0xe9)
    word32(0)
    return Branch(end: position)
  }

  /// The branch leads here.
  func place(_ branch: Branch) {
    let distance = UInt32(truncatingIfNeeded: position - branch.end)
    UnsafeMutableRawPointer(start + branch.end - 4).storeBytes(of: distance, as: UInt32.self)
  }

  /// To a `position`.
  mutating func jump(to target: Int) {
    byte(0xe9)
    word32(UInt32(truncatingIfNeeded: target - (position + 4)))
  }

  mutating func call(_ target: Int) {
    byte(0xe8)
    word32(UInt32(truncatingIfNeeded: target - (position + 4)))
  }

  // Words that lie within 2 GiB of the code.

  mutating func load(_ to: HostRegister, word: UnsafeMutablePointer<UInt64>) { access(word, 0x8b, to) }
  mutating func store(_ from: HostRegister, word: UnsafeMutablePointer<UInt64>) { access(word, 0x89, from) }

  private mutating func access(_ word: UnsafeMutablePointer<UInt64>, _ opcode: UInt8, _ reg: HostRegister) {
    byte(reg.number >= 8 ? 0x4c : 0x48)
    byte(opcode)
    modRM(reg.number & 7, relativeTo: word)
  }

  /// A ModRM byte at the end of an instruction, for memory by its distance from there.
  private mutating func modRM(_ reg: UInt8, relativeTo word: UnsafeMutablePointer<UInt64>) {
    byte(reg << 3 | 5)
    let end = executed + position + 4
    word32(UInt32(bitPattern: Int32(UnsafeRawPointer(word) - UnsafeRawPointer(end))))
  }
}
