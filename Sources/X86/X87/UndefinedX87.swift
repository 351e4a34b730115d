/// The escapes that are no instructions: they are #UD even where a defined one would be #NM or #MF.
enum UndefinedX87 {
  static func contains(_ op: Op) -> Bool {
    let (row, position) = (op.modRMReg, op.modRMRM)
    if op.isMemory {
      switch op.opcode {
      case 0xd9: return row == 1
      case 0xdb: return row == 4 || row == 6
      case 0xdd: return row == 5
      default: return false
      }
    }
    switch op.opcode {
    case 0xd9: return row == 2 && position != 0 || row == 4 && position & 2 != 0 || row == 5 && position == 7
    case 0xda: return row > 3 && op.modRM != 0xe9
    case 0xdb: return row == 7 || row == 4 && position > 4
    case 0xdd: return row > 5
    case 0xde: return row == 3 && position != 1
    case 0xdf: return row == 7 || row == 4 && position != 0
    default: return false
    }
  }
}
