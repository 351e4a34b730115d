/// The instructions of call frame information (DWARF 5, 6.4.2).
struct CallFrameInstructions {
  private(set) var bytes: [UInt8] = []

  /// DW_CFA_def_cfa or DW_CFA_def_cfa_sf: the frame begins so many bytes above what a register holds.
  mutating func frame(_ register: DWARFRegister, _ offset: Int) {
    if offset >= 0 {
      bytes += [0x0c, register.rawValue]
      number(UInt64(offset))
    } else {
      bytes += [0x12, register.rawValue]
      // Times the alignment of data.
      signed(-(offset / 8))
    }
  }
  /// DW_CFA_def_cfa_expression.
  mutating func frame(_ expression: DWARFExpression) { block(0x0f, nil, expression) }
  /// DW_CFA_expression: where the register's value before is.
  mutating func saved(_ register: DWARFRegister, at expression: DWARFExpression) { block(0x10, register, expression) }
  /// DW_CFA_val_expression: the register's value before.
  mutating func value(of register: DWARFRegister, _ expression: DWARFExpression) { block(0x16, register, expression) }
  /// DW_CFA_offset, or one of its kin: saved so many words below the frame's begin, or above it.
  mutating func saved(_ register: DWARFRegister, words: Int) {
    switch words {
    case ..<0:
      // DW_CFA_offset_extended_sf
      bytes += [0x11, register.rawValue]
      signed(words)
    case _ where register.rawValue < 0x40:
      bytes.append(0x80 | register.rawValue)
      number(UInt64(words))
    default:
      bytes += [0x05, register.rawValue]
      number(UInt64(words))
    }
  }
  /// DW_CFA_same_value.
  mutating func same(_ register: DWARFRegister) { bytes += [0x08, register.rawValue] }
  /// DW_CFA_undefined: for the return address, nobody has called this.
  mutating func undefined(_ register: DWARFRegister) { bytes += [0x07, register.rawValue] }
  /// DW_CFA_advance_loc and its kin: what follows holds so many bytes later.
  mutating func advance(_ count: UInt64) {
    switch count {
    case 0: break
    case ..<0x40: bytes.append(0x40 | UInt8(count))
    case ..<0x100: bytes += [0x02, UInt8(count)]
    case ..<0x1_0000:
      bytes.append(0x03)
      bytes.append(littleEndian: count, count: 2)
    default:
      bytes.append(0x04)
      bytes.append(littleEndian: count, count: 4)
    }
  }

  private mutating func block(_ opcode: UInt8, _ register: DWARFRegister?, _ expression: DWARFExpression) {
    bytes.append(opcode)
    if let register { bytes.append(register.rawValue) }
    number(UInt64(expression.bytes.count))
    bytes += expression.bytes
  }

  private mutating func number(_ value: UInt64) { bytes.append(unsignedLEB128: value) }
  private mutating func signed(_ value: Int) { bytes.append(signedLEB128: value) }
}

extension [UInt8] {
  /// DWARF 5, 7.6.
  mutating func append(unsignedLEB128 value: UInt64) {
    var value = value
    repeat {
      append(UInt8(value & 0x7f) | (value >= 0x80 ? 0x80 : 0))
      value >>= 7
    } while value > 0
  }

  /// DWARF 5, 7.6.
  mutating func append(signedLEB128 value: Int) {
    var value = value
    while true {
      let byte = UInt8(truncatingIfNeeded: value & 0x7f)
      value >>= 7
      let isLast = value == 0 && byte & 0x40 == 0 || value == -1 && byte & 0x40 != 0
      append(isLast ? byte : byte | 0x80)
      if isLast { return }
    }
  }
}
