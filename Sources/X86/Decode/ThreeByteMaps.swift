/// The opcodes after 0F 38, and those with a VEX prefix, as far as they work on general registers.
enum ThreeByteMaps {
  static func map38(_ opcode: UInt8, _ prefix: MandatoryPrefix, _ prefixes: UInt8) -> Encoding {
    switch opcode {
    case 0xf0:
      return prefix == .pF2 ? Encoding(.crc32, kind: 1, Form.modRM | Form.rm8) : movbe(.movbeLoad, prefix)
    case 0xf1:
      return prefix == .pF2 ? Encoding(.crc32, kind: 0, Form.modRM) : movbe(.movbeStore, prefix)
    case 0xf6:
      switch prefix {
      case .p66: return Encoding(.adcx, Form.modRM | Form.sizeW)
      case .pF3: return Encoding(.adox, Form.modRM | Form.sizeW)
      default: return Encoding()
      }
    case 0x82 where prefix == .p66: return .system(.invpcid, Form.modRM | Form.memoryOnly | Form.force64)
    default: return Encoding(.vector, Form.modRM)
    }
  }

  private static func movbe(_ handler: Handler, _ prefix: MandatoryPrefix) -> Encoding {
    prefix == .pF3 ? Encoding() : Encoding(handler, Form.modRM | Form.memoryOnly)
  }

  /// `prefix` is VEX.pp: 0 none, 1 66, 2 F3, 3 F2.
  static func vex(map: UInt8, _ opcode: UInt8, prefix: UInt8) -> Encoding {
    let flags = Form.modRM | Form.sizeW
    switch (map, opcode, prefix) {
    case (2, 0xf2, 0): return Encoding(.andn, flags)
    case (2, 0xf3, 0): return Encoding(kind: Group.vex17, flags | Form.group)
    case (2, 0xf5, 0): return Encoding(.bzhi, flags)
    case (2, 0xf5, 2): return Encoding(.pext, flags)
    case (2, 0xf5, 3): return Encoding(.pdep, flags)
    case (2, 0xf6, 3): return Encoding(.mulx, flags)
    case (2, 0xf7, 0): return Encoding(.bextr, flags)
    case (2, 0xf7, 1): return Encoding(.shlx, flags)
    case (2, 0xf7, 2): return Encoding(.sarx, flags)
    case (2, 0xf7, 3): return Encoding(.shrx, flags)
    case (3, 0xf0, 3): return Encoding(.rorx, flags | Form.imm8)
    default: return Encoding()
    }
  }
}
