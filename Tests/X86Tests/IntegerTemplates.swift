/// The integer instructions of user mode that the fuzzer compares with the host's CPU.
enum IntegerTemplates {
  static let all: [Template] = arithmetic + shifts + moves + bits + vex + implied + branches

  private static let status: (cf: UInt64, pf: UInt64, af: UInt64, zf: UInt64, sf: UInt64, of: UInt64) = (
    1, 4, 0x10, 0x40, 0x80, 0x800
  )

  private static func pair(
    _ name: String, _ opcode: UInt8, _ operand: Template.Operand, immediate: Int = 0, lockable: Bool = false,
    undefined: UInt64 = 0, map0F: Bool = false
  ) -> [Template] {
    let lead: [UInt8] = map0F ? [0x0f] : []
    return [
      Template(
        name: name + "b", opcode: lead + [opcode], operand: operand, immediate: immediate == -1 ? 1 : immediate,
        byte: true, lockable: lockable, undefined: undefined, noOperandSize: true),
      Template(
        name: name, opcode: lead + [opcode + 1], operand: operand, immediate: immediate, lockable: lockable,
        undefined: undefined),
    ]
  }

  private static let arithmetic: [Template] = {
    var list: [Template] = []
    for (index, name) in ["add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"].enumerated() {
      let opcode = UInt8(index * 8)
      list += pair(name, opcode, .any, lockable: index != 7)
      list += pair(name + " load", opcode + 2, .any)
      list += pair(name + " acc", opcode + 4, .none, immediate: -1)
      list += pair(name + " imm", 0x80, .digit(UInt8(index)), immediate: -1, lockable: index != 7)
      list.append(
        Template(
          name: name + " imm8", opcode: [0x83], operand: .digit(UInt8(index)), immediate: 1, lockable: index != 7))
    }
    list += pair("test", 0x84, .any) + pair("test acc", 0xa8, .none, immediate: -1)
    list += pair("test imm", 0xf6, .digit(0), immediate: -1)
    list += pair("not", 0xf6, .digit(2), lockable: true) + pair("neg", 0xf6, .digit(3), lockable: true)
    list += pair("mul", 0xf6, .digit(4)) + pair("imul", 0xf6, .digit(5))
    list += pair("div", 0xf6, .digit(6)) + pair("idiv", 0xf6, .digit(7))
    list += pair("inc", 0xfe, .digit(0), lockable: true) + pair("dec", 0xfe, .digit(1), lockable: true)
    list.append(Template(name: "imul r", opcode: [0x0f, 0xaf], operand: .any))
    list.append(Template(name: "imul imm", opcode: [0x69], operand: .any, immediate: -1))
    list.append(Template(name: "imul imm8", opcode: [0x6b], operand: .any, immediate: 1))
    list += pair("xadd", 0xc0, .any, lockable: true, map0F: true)
    list += pair("cmpxchg", 0xb0, .any, lockable: true, map0F: true)
    list.append(
      Template(name: "cmpxchg8b", opcode: [0x0f, 0xc7], operand: .digit(1), lockable: true, noOperandSize: true))
    list.append(Template(name: "adcx", prefix: 0x66, opcode: [0x0f, 0x38, 0xf6], operand: .any, noOperandSize: true))
    list.append(Template(name: "adox", prefix: 0xf3, opcode: [0x0f, 0x38, 0xf6], operand: .any, noOperandSize: true))
    return list
  }()

  private static let shifts: [Template] = {
    var list: [Template] = []
    for (index, name) in ["rol", "ror", "rcl", "rcr", "shl", "shr", "sal", "sar"].enumerated() {
      let digit = Template.Operand.digit(UInt8(index))
      list += pair(name + " imm", 0xc0, digit, immediate: 1).map {
        var template = $0
        template.immediate = 1
        return template
      }
      list += pair(name + " 1", 0xd0, digit) + pair(name + " cl", 0xd2, digit)
    }
    for (name, opcode) in [("shld", UInt8(0xa4)), ("shrd", 0xac)] {
      list.append(Template(name: name + " imm", opcode: [0x0f, opcode], operand: .any, immediate: 1))
      list.append(Template(name: name + " cl", opcode: [0x0f, opcode + 1], operand: .any))
    }
    return list
  }()

  private static let moves: [Template] = {
    var list = pair("mov", 0x88, .any) + pair("mov load", 0x8a, .any) + pair("xchg", 0x86, .any, lockable: true)
    list += pair("mov imm", 0xc6, .digit(0), immediate: -1)
    for register in UInt8(0)..<8 where register != 4 {
      list.append(
        Template(name: "mov r8 imm", opcode: [0xb0 + register], operand: .none, immediate: 1, noOperandSize: true))
      list.append(Template(name: "mov r imm", opcode: [0xb8 + register], operand: .none, immediate: -2))
      list.append(Template(name: "bswap", opcode: [0x0f, 0xc8 + register], operand: .none, noOperandSize: true))
      list.append(Template(name: "xchg acc", opcode: [0x90 + register], operand: .none))
      list.append(Template(name: "push", opcode: [0x50 + register], operand: .none))
      list.append(Template(name: "pop", opcode: [0x58 + register], operand: .none))
    }
    for (name, opcode) in [("movzx", UInt8(0xb6)), ("movsx", 0xbe)] {
      list.append(Template(name: name + " b", opcode: [0x0f, opcode], operand: .any))
      list.append(Template(name: name + " w", opcode: [0x0f, opcode + 1], operand: .any))
    }
    list.append(Template(name: "movsxd", opcode: [0x63], operand: .any))
    list.append(Template(name: "lea", opcode: [0x8d], operand: .memory))
    list.append(Template(name: "movnti", opcode: [0x0f, 0xc3], operand: .memory, noOperandSize: true))
    list.append(Template(name: "movbe load", opcode: [0x0f, 0x38, 0xf0], operand: .memory))
    list.append(Template(name: "movbe store", opcode: [0x0f, 0x38, 0xf1], operand: .memory))
    for code in UInt8(0)..<16 {
      list.append(Template(name: "cmov\(code)", opcode: [0x0f, 0x40 + code], operand: .any))
      list.append(Template(name: "set\(code)", opcode: [0x0f, 0x90 + code], operand: .any))
    }
    list.append(Template(name: "push imm", opcode: [0x68], operand: .none, immediate: -1))
    list.append(Template(name: "push imm8", opcode: [0x6a], operand: .none, immediate: 1))
    list.append(Template(name: "push rm", opcode: [0xff], operand: .digit(6)))
    list.append(Template(name: "pop rm", opcode: [0x8f], operand: .digit(0)))
    return list
  }()

  private static let bits: [Template] = {
    var list: [Template] = []
    for (index, name) in ["bt", "bts", "btr", "btc"].enumerated() {
      let opcode = UInt8(0xa3 + 8 * index)
      // In memory a register's bit number may reach anywhere.
      list.append(Template(name: name, opcode: [0x0f, opcode], operand: .register))
      list.append(
        Template(
          name: name + " imm", opcode: [0x0f, 0xba], operand: .digit(UInt8(4 + index)), immediate: 1,
          lockable: index != 0))
    }
    list.append(Template(name: "bsf", opcode: [0x0f, 0xbc], operand: .any))
    list.append(Template(name: "bsr", opcode: [0x0f, 0xbd], operand: .any))
    for (name, opcode) in [("popcnt", UInt8(0xb8)), ("tzcnt", 0xbc), ("lzcnt", 0xbd)] {
      list.append(Template(name: name, prefix: 0xf3, opcode: [0x0f, opcode], operand: .any))
    }
    list.append(Template(name: "crc32 b", prefix: 0xf2, opcode: [0x0f, 0x38, 0xf0], operand: .any))
    list.append(Template(name: "crc32", prefix: 0xf2, opcode: [0x0f, 0x38, 0xf1], operand: .any))
    return list
  }()

  private static let vex: [Template] = {
    let rows: [(String, UInt8, UInt8, UInt8, UInt8?, Int)] = [
      ("andn", 2, 0xf2, 0, nil, 0), ("blsr", 2, 0xf3, 0, 1, 0), ("blsmsk", 2, 0xf3, 0, 2, 0),
      ("blsi", 2, 0xf3, 0, 3, 0), ("bzhi", 2, 0xf5, 0, nil, 0), ("pext", 2, 0xf5, 2, nil, 0),
      ("pdep", 2, 0xf5, 3, nil, 0), ("mulx", 2, 0xf6, 3, nil, 0), ("bextr", 2, 0xf7, 0, nil, 0),
      ("shlx", 2, 0xf7, 1, nil, 0), ("sarx", 2, 0xf7, 2, nil, 0), ("shrx", 2, 0xf7, 3, nil, 0),
      ("rorx", 3, 0xf0, 3, nil, 1),
    ]
    return rows.map { name, map, opcode, pp, digit, immediate in
      Template(
        name: name, opcode: [opcode], operand: digit.map { .digit($0) } ?? .any, immediate: immediate,
        vex: (map, pp))
    }
  }()

  /// Conditional branches over `mov r12b, imm8`, alone and behind comparisons; JRCXZ and LOOP likewise.
  private static let branches: [Template] = {
    var list: [Template] = []
    for code in UInt8(0)..<16 {
      let skip: [UInt8] = [0x70 + code, 3, 0x41, 0xb4]
      list.append(Template(name: "j\(code)", opcode: skip, operand: .none, immediate: 1, noOperandSize: true))
      let compares: [[UInt8]] = [
        [0x39, 0xd8], [0x3b, 0xd1], [0x83, 0xf8, 0x80], [0x3c, 0x7f], [0x85, 0xc9], [0xa8, 0x81],
      ]
      for compare in compares {
        list.append(
          Template(
            name: "cmp j\(code)", opcode: compare + skip, operand: .none, immediate: 1, noOperandSize: true))
      }
    }
    for opcode in UInt8(0xe0)...0xe3 {
      list.append(
        Template(
          name: "loop", opcode: [opcode, 3, 0x41, 0xb4], operand: .none, immediate: 1, noOperandSize: true))
    }
    return list
  }()

  private static let implied: [Template] = {
    let rows: [(String, [UInt8])] = [
      ("cbw", [0x98]), ("cwd", [0x99]), ("lahf", [0x9f]), ("sahf", [0x9e]), ("clc", [0xf8]), ("stc", [0xf9]),
      ("cmc", [0xf5]), ("nop", [0x90]),
    ]
    return rows.map {
      Template(name: $0.0, opcode: $0.1, operand: .none, noOperandSize: $0.0 != "cbw" && $0.0 != "cwd")
    }
  }()
}
