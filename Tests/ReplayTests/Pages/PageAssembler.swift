/// Emits the few instructions that the program is made of.
struct PageAssembler {
  /// Numbers of registers.
  enum Register: UInt8 { case ax = 0, cx, dx, bx, sp, bp, si, di }

  let kind: PagingKind
  let origin: UInt64
  private(set) var bytes: [UInt8] = []

  init(_ kind: PagingKind, at origin: UInt64) {
    self.kind = kind
    self.origin = origin
  }

  var here: UInt64 { origin + UInt64(bytes.count) }

  mutating func emit(_ code: UInt8...) { bytes += code }
  mutating func emit32(_ value: UInt64) {
    for shift in UInt64(0)..<4 { bytes.append(UInt8(value >> (8 * shift) & 0xff)) }
  }

  /// REX.W where there is one.
  mutating func wide() { if kind.is64Bit { emit(0x48) } }

  mutating func move(_ register: Register, _ value: UInt64) {
    if kind.is64Bit && value >> 32 != 0 {
      emit(0x48, 0xb8 | register.rawValue)
      emit32(value)
      emit32(value >> 32)
    } else {
      emit(0xb8 | register.rawValue)
      emit32(value)
    }
  }

  /// An operand at an absolute address; `extension` is ModRM.reg.
  private mutating func absolute(_ extension: UInt8, _ address: UInt64) {
    if kind.is64Bit { emit(0x04 | `extension` << 3, 0x25) } else { emit(0x05 | `extension` << 3) }
    emit32(address)
  }

  mutating func store32(_ value: UInt64, at address: UInt64) {
    emit(0xc7)
    absolute(0, address)
    emit32(value)
  }

  /// Stores to an entry of a table as wide as it is.
  mutating func storeEntry(_ value: UInt64, at address: UInt64) {
    if kind.is64Bit {
      move(.ax, value)
      emit(0x48, 0x89)
      absolute(0, address)
      return
    }
    store32(value & 0xffff_ffff, at: address)
    if kind == .pae { store32(value >> 32, at: address + 4) }
  }

  /// AND (4) or XOR (6) with a byte in memory.
  mutating func alterByte(_ operation: UInt8, _ value: UInt8, at address: UInt64) {
    emit(0x80)
    absolute(operation, address)
    emit(value)
  }

  /// JMP through a pointer in memory.
  mutating func jumpIndirect(_ address: UInt64) {
    emit(0xff)
    absolute(4, address)
  }

  mutating func relative(_ opcode: UInt8, to target: UInt64) {
    emit(opcode)
    emit32(target &- (here + 4))
  }

  mutating func push(_ value: UInt64) {
    emit(0x68)
    emit32(value)
  }

  /// Flips a bit of CR0 (0) or CR4 (4).
  mutating func flipControlBit(_ register: UInt8, _ bit: UInt8) {
    emit(0x0f, 0x20, 0xc0 | register << 3)
    emit(0x0f, 0xba, 0xf8, bit)
    emit(0x0f, 0x22, 0xc0 | register << 3)
  }

  mutating func patch32(_ value: UInt64, at offset: Int) {
    for index in 0..<4 { bytes[offset + index] = UInt8(value >> UInt64(8 * index) & 0xff) }
  }
}
