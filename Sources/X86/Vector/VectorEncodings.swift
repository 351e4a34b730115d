/// What the decoder needs to know of an MMX or SSE opcode.
enum VectorEncoding {
  /// #UD.
  case none
  case plain
  /// An 8-bit immediate follows.
  case immediate
}

/// Whether an MMX or SSE instruction exists. `map` is 1 (0F), 2 (0F 38) or 3 (0F 3A).
func vectorEncoding(
  map: Int, opcode: UInt8, prefix: MandatoryPrefix, modRMReg: UInt8, isMemory: Bool, rexW: Bool
) -> VectorEncoding {
  let form = VectorForm.table[(map - 1) << 8 | Int(opcode)]
  let allowed = isMemory ? form.inMemory : form.inRegister
  guard allowed & 1 << prefix.rawValue != 0 else { return .none }
  if map == 1 {
    switch opcode {
    case 0x71, 0x72: if ![2, 4, 6].contains(modRMReg) { return .none }
    case 0x73: if modRMReg & 2 == 0 || (modRMReg & 1 != 0 && prefix != .p66) { return .none }
    default: break
    }
  }
  return form.hasImmediate ? .immediate : .plain
}

/// With which mandatory prefixes an opcode exists (a bit for each `MandatoryPrefix`), by kind of operand.
private struct VectorForm {
  var inMemory: UInt8 = 0
  var inRegister: UInt8 = 0
  var hasImmediate = false

  static let none: UInt8 = 1
  static let p66: UInt8 = 2
  static let f3: UInt8 = 4
  static let f2: UInt8 = 8
  static let both = none | p66
  static let all: UInt8 = 15

  static let table: [VectorForm] = {
    var table = [VectorForm](repeating: VectorForm(), count: 3 << 8)
    addTwoByte(&table)
    add38(&table)
    add3A(&table)
    return table
  }()

  private static func set(
    _ table: inout [VectorForm], _ map: Int, _ opcodes: ClosedRange<Int>, _ prefixes: UInt8, memory: UInt8? = nil,
    register: UInt8? = nil, immediate: Bool = false
  ) {
    for opcode in opcodes {
      table[(map - 1) << 8 | opcode] = VectorForm(
        inMemory: memory ?? prefixes, inRegister: register ?? prefixes, hasImmediate: immediate)
    }
  }

  private static func addTwoByte(_ t: inout [VectorForm]) {
    set(&t, 1, 0x10...0x11, all)
    set(&t, 1, 0x12...0x12, all, register: none | f3 | f2)
    set(&t, 1, 0x13...0x13, both, register: 0)
    set(&t, 1, 0x14...0x15, both)
    set(&t, 1, 0x16...0x16, both | f3, register: none | f3)
    set(&t, 1, 0x17...0x17, both, register: 0)
    set(&t, 1, 0x28...0x29, both)
    set(&t, 1, 0x2a...0x2a, all)
    set(&t, 1, 0x2b...0x2b, both, register: 0)
    set(&t, 1, 0x2c...0x2d, all)
    set(&t, 1, 0x2e...0x2f, both)
    set(&t, 1, 0x50...0x50, both, memory: 0)
    set(&t, 1, 0x51...0x51, all)
    set(&t, 1, 0x52...0x53, none | f3)
    set(&t, 1, 0x54...0x57, both)
    set(&t, 1, 0x58...0x5f, all)
    set(&t, 1, 0x5b...0x5b, both | f3)
    set(&t, 1, 0x60...0x6b, both)
    set(&t, 1, 0x6c...0x6d, p66)
    set(&t, 1, 0x6e...0x6e, both)
    set(&t, 1, 0x6f...0x6f, both | f3)
    set(&t, 1, 0x70...0x70, all, immediate: true)
    set(&t, 1, 0x71...0x73, both, memory: 0, immediate: true)
    set(&t, 1, 0x74...0x76, both)
    set(&t, 1, 0x77...0x77, none)
    set(&t, 1, 0x7c...0x7d, p66 | f2)
    set(&t, 1, 0x7e...0x7f, both | f3)
    set(&t, 1, 0xae...0xae, none, register: 0)
    set(&t, 1, 0xc2...0xc2, all, immediate: true)
    set(&t, 1, 0xc4...0xc4, both, immediate: true)
    set(&t, 1, 0xc5...0xc5, both, memory: 0, immediate: true)
    set(&t, 1, 0xc6...0xc6, both, immediate: true)
    set(&t, 1, 0xd0...0xd0, p66 | f2)
    set(&t, 1, 0xd1...0xfe, both)
    set(&t, 1, 0xd6...0xd6, p66, register: p66 | f3 | f2)
    set(&t, 1, 0xd7...0xd7, both, memory: 0)
    set(&t, 1, 0xe6...0xe6, p66 | f3 | f2)
    set(&t, 1, 0xe7...0xe7, both, register: 0)
    set(&t, 1, 0xf0...0xf0, f2, register: 0)
    set(&t, 1, 0xf7...0xf7, both, memory: 0)
  }

  private static func add38(_ t: inout [VectorForm]) {
    set(&t, 2, 0x00...0x0b, both)
    set(&t, 2, 0x10...0x10, p66)
    set(&t, 2, 0x14...0x15, p66)
    set(&t, 2, 0x17...0x17, p66)
    set(&t, 2, 0x1c...0x1e, both)
    set(&t, 2, 0x20...0x25, p66)
    set(&t, 2, 0x28...0x29, p66)
    set(&t, 2, 0x2a...0x2a, p66, register: 0)
    set(&t, 2, 0x2b...0x2b, p66)
    set(&t, 2, 0x30...0x35, p66)
    set(&t, 2, 0x37...0x41, p66)
  }

  private static func add3A(_ t: inout [VectorForm]) {
    set(&t, 3, 0x08...0x0e, p66, immediate: true)
    set(&t, 3, 0x0f...0x0f, both, immediate: true)
    set(&t, 3, 0x14...0x17, p66, immediate: true)
    set(&t, 3, 0x20...0x22, p66, immediate: true)
    set(&t, 3, 0x40...0x42, p66, immediate: true)
    set(&t, 3, 0x60...0x63, p66, immediate: true)
  }
}
