/// An ELF file that holds nothing but call frame information (DWARF 5, 6.4): `add-symbol-file` gives it to gdb, which
/// unwinds code by it that has none of its own.
struct CallFrameFile {
  /// What a stretch of code does with the frame of its caller.
  struct Description {
    var code: Range<UInt64>
    /// DW_CFA instructions.
    var instructions: [UInt8]
    /// The frame is one that the hardware has made: what lies behind it was interrupted, not called, and may be on any
    /// stack.
    var isInterrupt = false
  }

  private let descriptions: [Description]

  init(_ descriptions: [Description]) { self.descriptions = descriptions }

  /// The file's bytes. Addresses are absolute.
  var bytes: [UInt8] {
    let frames = debugFrame
    let names = Array("\0.text\0.debug_frame\0.shstrtab\0".utf8)
    let header: UInt64 = 64
    let framesStart = header
    let namesStart = framesStart + UInt64(frames.count)
    let table = (namesStart + UInt64(names.count) + 7) & ~7
    var file = Bytes()
    file.append([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    // ET_EXEC for x86-64, version 1; no entry, no program headers.
    file.append(2, size: 2); file.append(62, size: 2); file.append(1, size: 4)
    file.append(0, size: 8); file.append(0, size: 8); file.append(table, size: 8)
    file.append(0, size: 4)
    for field: UInt64 in [64, 0, 0, 64, 4, 3] { file.append(field, size: 2) }
    file.append(frames)
    file.append(names)
    while file.bytes.count < Int(table) { file.append([0]) }
    file.section(name: 0, type: 0, flags: 0, address: 0, offset: 0, size: 0)
    // The code itself is elsewhere, and so are its names, which gdb would look for here: SHT_NOBITS, allocated,
    // executable, empty.
    file.section(name: 1, type: 8, flags: 6, address: 0, offset: header, size: 0)
    file.section(name: 7, type: 1, flags: 0, address: 0, offset: framesStart, size: UInt64(frames.count))
    file.section(name: 20, type: 3, flags: 0, address: 0, offset: namesStart, size: UInt64(names.count))
    return file.bytes
  }

  // MARK: .debug_frame

  /// Two common entries, for frames of calls and of interrupts, and an entry for each description.
  private var debugFrame: [UInt8] {
    var section = Bytes()
    let calls = 0
    section.entry(identifier: 0xffff_ffff, body: CallFrameFile.common(augmentation: ""))
    let interrupts = section.bytes.count
    section.entry(identifier: 0xffff_ffff, body: CallFrameFile.common(augmentation: "S"))
    for description in descriptions {
      var body = Bytes()
      body.append(description.code.lowerBound, size: 8)
      body.append(description.code.upperBound - description.code.lowerBound, size: 8)
      body.append(description.instructions)
      section.entry(identifier: UInt64(description.isInterrupt ? interrupts : calls), body: body.bytes)
    }
    return section.bytes
  }

  /// A common entry: version 1, code aligned to 1 and data to -8, the return address in RIP's column.
  private static func common(augmentation: String) -> [UInt8] {
    [1] + Array(augmentation.utf8) + [0, 1, 0x78, DWARFRegister.rip.rawValue]
  }
}

/// The instructions of call frame information (DWARF 5, 6.4.2).
struct CallFrameInstructions {
  private(set) var bytes: [UInt8] = []

  /// DW_CFA_def_cfa: the frame begins so many bytes above RSP.
  mutating func frame(above offset: Int) { bytes += [0x0c, DWARFRegister.rsp.rawValue, UInt8(offset)] }
  /// DW_CFA_def_cfa_expression.
  mutating func frame(_ expression: DWARFExpression) { block(0x0f, nil, expression) }
  /// DW_CFA_val_expression: the register's value before.
  mutating func value(of register: DWARFRegister, _ expression: DWARFExpression) { block(0x16, register, expression) }
  /// DW_CFA_offset: saved so many words below the frame's begin.
  mutating func saved(_ register: DWARFRegister, words: UInt8) { bytes += [0x80 | register.rawValue, words] }
  /// DW_CFA_same_value.
  mutating func same(_ register: DWARFRegister) { bytes += [0x08, register.rawValue] }
  /// DW_CFA_undefined: for the return address, nobody has called this.
  mutating func undefined(_ register: DWARFRegister) { bytes += [0x07, register.rawValue] }
  /// DW_CFA_advance_loc: what follows holds so many bytes later.
  mutating func advance(_ count: Int) {
    var left = count
    while left > 0 {
      let step = min(left, 0x3f)
      bytes.append(0x40 | UInt8(step))
      left -= step
    }
  }

  private mutating func block(_ opcode: UInt8, _ register: DWARFRegister?, _ expression: DWARFExpression) {
    bytes.append(opcode)
    if let register { bytes.append(register.rawValue) }
    var count = expression.bytes.count
    repeat {
      bytes.append(UInt8(count & 0x7f) | (count >= 0x80 ? 0x80 : 0))
      count >>= 7
    } while count > 0
    bytes += expression.bytes
  }
}

/// Little-endian fields, one after the other.
private struct Bytes {
  private(set) var bytes: [UInt8] = []

  mutating func append(_ more: [UInt8]) { bytes += more }

  mutating func append(_ value: UInt64, size: Int) {
    for index in 0..<size { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index))) }
  }

  /// An entry of .debug_frame, padded with DW_CFA_nop: length, CIE_id or CIE_pointer, and the rest.
  mutating func entry(identifier: UInt64, body: [UInt8]) {
    let padding = (8 - (8 + body.count) % 8) % 8
    append(UInt64(4 + body.count + padding), size: 4)
    append(identifier, size: 4)
    bytes += body + [UInt8](repeating: 0, count: padding)
  }

  mutating func section(name: UInt64, type: UInt64, flags: UInt64, address: UInt64, offset: UInt64, size: UInt64) {
    append(name, size: 4); append(type, size: 4)
    for field in [flags, address, offset, size] { append(field, size: 8) }
    append(0, size: 8)
    append(type == 0 ? 0 : 1, size: 8)
    append(0, size: 8)
  }
}
