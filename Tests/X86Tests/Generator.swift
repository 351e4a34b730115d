import NativeOracle
import VMMCore

/// A small seeded generator of random numbers.
struct Random {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }

  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
  mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
  mutating func pick<T>(_ list: [T]) -> T { list[below(list.count)] }

  /// A value that is likely to be a corner of some width.
  mutating func interesting() -> UInt64 {
    switch below(8) {
    case 0: return UInt64(below(4))
    case 1: return 0 &- UInt64(below(4))
    case 2: return 1 << UInt64(below(64))
    case 3: return (1 << UInt64(below(64))) &- 1
    case 4: return pick([0x7f, 0x80, 0x7fff, 0x8000, 0x7fff_ffff, 0x8000_0000, 1 << 63, .max >> 1])
    case 5: return next() & 0xff
    default: return next()
    }
  }
}

/// One instruction as the integer fuzzer makes it.
struct Template {
  enum Operand {
    case none
    /// ModRM with any reg field.
    case any
    /// ModRM with this reg field (an opcode extension).
    case digit(UInt8)
    /// ModRM, memory only, or registers only.
    case memory
    case register
  }
  var name: String
  var prefix: UInt8?
  var opcode: [UInt8]
  var operand: Operand
  /// Bytes of the immediate; -1 for 2 or 4 by operand size, -2 for 2, 4 or 8.
  var immediate = 0
  var byte = false
  var lockable = false
  /// Flags that the architecture leaves undefined and our CPU does not share with the host's.
  var undefined: UInt64 = 0
  /// VEX: map and pp; the opcode is then one byte.
  var vex: (map: UInt8, pp: UInt8)?
  /// No 66 prefix.
  var noOperandSize = false
}

/// A piece of code with all that it starts from.
struct FuzzCase {
  var code: [UInt8] = []
  var state = NativeState.initial
  var memory: [UInt8]
  var undefined: UInt64 = 0
  var names: [String] = []
}

/// Makes random integer instructions with operands in the oracle's memory area.
struct Generator {
  static let memorySize = Int(NATIVE_MEMORY_SIZE)
  /// Bytes at its start that hold more than zeros.
  static let filled = 512
  var random: Random
  let templates = IntegerTemplates.all

  init(seed: UInt64) { random = Random(seed: seed) }

  mutating func makeCase() -> FuzzCase {
    var made = FuzzCase(memory: [UInt8](repeating: 0, count: Generator.memorySize))
    for index in 0..<Generator.filled { made.memory[index] = UInt8(truncatingIfNeeded: random.next()) }
    if random.chance(30) {
      for index in 0..<Generator.filled where made.memory[index] & 1 == 0 { made.memory[index] = 0 }
    }
    unsafe withUnsafeMutableBytes(of: &made.state.gpr) { raw in
      for index in 0..<16 { unsafe raw.storeBytes(of: random.interesting(), toByteOffset: index * 8, as: UInt64.self) }
    }
    made.state.gpr.4 = UInt64(NATIVE_MEMORY_ADDRESS) + 256
    made.state.rflags = random.next() & 0x8d5 | 0x202
    let length = random.pick([1, 1, 2, 4])
    for _ in 0..<length where made.undefined == 0 { append(&made) }
    return made
  }

  private mutating func append(_ made: inout FuzzCase) {
    let template = random.pick(templates)
    made.names.append(template.name)
    made.undefined = template.undefined
    let wide = random.chance(40)
    let short = !wide && !template.noOperandSize && template.vex == nil && random.chance(25)
    var modRM: UInt8?
    var tail: [UInt8] = []
    var rex: UInt8 = wide ? 8 : 0
    if !isNone(template.operand) {
      (modRM, tail) = makeModRM(template, &rex, &made)
    } else if random.chance(30) {
      rex |= 1
    }
    let isMemory = modRM.map { $0 < 0xc0 } ?? false
    if short { made.code.append(0x66) }
    if template.lockable && isMemory && random.chance(30) { made.code.append(0xf0) }
    if let prefix = template.prefix { made.code.append(prefix) }
    if let vex = template.vex {
      let inverted = ~rex & 7
      made.code += [0xc4, inverted << 5 | vex.map, (rex & 8) << 4 | UInt8(random.below(16)) << 3 | vex.pp]
    } else if rex != 0 || random.chance(20) {
      made.code.append(0x40 | rex)
    }
    made.code += template.opcode
    if let modRM { made.code.append(modRM) }
    made.code += tail
    var count = template.immediate
    if count == -1 { count = short ? 2 : 4 }
    if count == -2 { count = short ? 2 : wide ? 8 : 4 }
    let value = random.interesting()
    for index in 0..<count { made.code.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index))) }
  }

  private func isNone(_ operand: Template.Operand) -> Bool {
    if case .none = operand { return true }
    return false
  }

  private mutating func makeModRM(
    _ template: Template, _ rex: inout UInt8, _ made: inout FuzzCase
  ) -> (UInt8, [UInt8]) {
    var reg = UInt8(random.below(8))
    var memory = random.chance(40)
    if random.chance(40) { rex |= 4 }
    switch template.operand {
    case .digit(let digit):
      reg = digit
      rex &= ~4
    case .memory: memory = true
    case .register: memory = false
    default: break
    }
    guard memory else {
      if random.chance(40) { rex |= 1 }
      return (0xc0 | reg << 3 | UInt8(random.below(8)), [])
    }
    return makeMemory(reg, &rex, &made)
  }

  /// An address in the middle of the operand area, in absolute form or relative to RSP (which holds its middle).
  private mutating func makeMemory(
    _ reg: UInt8, _ rex: inout UInt8, _ made: inout FuzzCase
  ) -> (UInt8, [UInt8]) {
    let target = UInt32(NATIVE_MEMORY_ADDRESS) + UInt32(160 + random.below(192))
    switch random.below(3) {
    case 0:
      return (reg << 3 | 4, [0x25] + little(target))
    case 1:
      return (0x40 | reg << 3 | 4, [0x24, UInt8(bitPattern: Int8(random.below(64)))])
    default:
      // Base and index registers of their own, only in the first instruction: later ones find other values there.
      guard made.code.isEmpty else { return (reg << 3 | 4, [0x25] + little(target)) }
      let base = UInt8(random.pick([0, 1, 2, 3, 5, 6, 7, 8, 9, 11, 13, 15]))
      let index = UInt8(random.pick([0, 1, 2, 3, 5, 6, 7, 8, 10, 12, 14]))
      guard base != index else { return (reg << 3 | 4, [0x25] + little(target)) }
      let scale = UInt64(random.below(4))
      let indexValue = UInt64(random.below(8))
      let displacement = UInt32(truncatingIfNeeded: Int32(random.below(2000) - 1000))
      unsafe withUnsafeMutableBytes(of: &made.state.gpr) { raw in
        unsafe raw.storeBytes(of: indexValue, toByteOffset: Int(index) * 8, as: UInt64.self)
        let signed = UInt64(bitPattern: Int64(Int32(bitPattern: displacement)))
        unsafe raw.storeBytes(
          of: UInt64(target) &- signed &- indexValue << scale, toByteOffset: Int(base) * 8, as: UInt64.self)
      }
      if base >= 8 { rex |= 1 }
      if index >= 8 { rex |= 2 }
      return (0x80 | reg << 3 | 4, [UInt8(scale) << 6 | (index & 7) << 3 | base & 7] + little(displacement))
    }
  }

  private func little(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
  }
}
