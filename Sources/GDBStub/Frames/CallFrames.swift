/// Call frame information (DWARF 5, 6.4): gdb unwinds code by it that has none of its own.
struct CallFrames {
  /// What a stretch of code does with the frame of its caller.
  struct Description {
    var code: Range<UInt64>
    /// DW_CFA instructions.
    var instructions: [UInt8]
    /// The frame is one that the hardware has made: what lies behind it was interrupted, not called, and may be on any
    /// stack.
    var isInterrupt = false
    /// Nobody knows where the caller's RBX and R12 to R15 are.
    var losesRegisters = false
  }

  private let descriptions: [Description]

  init(_ descriptions: [Description]) { self.descriptions = descriptions }

  /// What `.debug_frame` holds. Addresses are absolute. Common entries, for frames of calls and of interrupts, and an
  /// entry for each description.
  var section: [UInt8] {
    var section = LittleEndianBytes()
    var commons: [Int] = []
    for kind in 0..<4 {
      commons.append(section.bytes.count)
      let common = CallFrames.common(isInterrupt: kind & 1 != 0, losesRegisters: kind & 2 != 0)
      section.entry(identifier: 0xffff_ffff, body: common)
    }
    for description in descriptions {
      var body = LittleEndianBytes()
      body.append(description.code.lowerBound, size: 8)
      body.append(description.code.upperBound - description.code.lowerBound, size: 8)
      body.append(description.instructions)
      let kind = (description.isInterrupt ? 1 : 0) + (description.losesRegisters ? 2 : 0)
      section.entry(identifier: UInt64(commons[kind]), body: body.bytes)
    }
    return section.bytes
  }

  /// A common entry: version 1, code aligned to 1 and data to -8, the return address in RIP's column.
  private static func common(isInterrupt: Bool, losesRegisters: Bool) -> [UInt8] {
    var rules = CallFrameInstructions()
    if losesRegisters { for register: DWARFRegister in [.rbx, .r12, .r13, .r14, .r15] { rules.undefined(register) } }
    return [1] + Array((isInterrupt ? "S" : "").utf8) + [0, 1, 0x78, DWARFRegister.rip.rawValue] + rules.bytes
  }
}

extension LittleEndianBytes {
  /// An entry of .debug_frame, padded with DW_CFA_nop: length, CIE_id or CIE_pointer, and the rest.
  fileprivate mutating func entry(identifier: UInt64, body: [UInt8]) {
    let padding = (8 - (8 + body.count) % 8) % 8
    append(UInt64(4 + body.count + padding), size: 4)
    append(identifier, size: 4)
    append(body)
    append([UInt8](repeating: 0, count: padding))
  }
}
