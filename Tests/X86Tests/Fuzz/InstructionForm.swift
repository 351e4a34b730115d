@testable internal import X86

/// One form of an instruction, as the decoder knows it: opcode, operand size, register or memory.
struct InstructionForm {
  /// What of ModRM belongs to the form.
  enum ModRM: Equatable {
    case none
    case any
    /// The reg field.
    case row(UInt8)
    /// The whole byte.
    case exact(UInt8)
  }
  /// 0 one-byte opcodes, 1 0F, 2 0F 38, 3 0F 3A.
  var map: Int
  var opcode: UInt8
  /// 66, F3 or F2, when the form has one.
  var prefix: UInt8?
  /// REX.W (or VEX.W).
  var wide: Bool
  var isVEX: Bool
  var modRM: ModRM
  var isMemory: Bool
  /// Bytes behind ModRM and displacement.
  var immediateBytes: Int
  var handler: Handler
  var kind: UInt8
  /// Operand size in bytes.
  var size: Int
  var isLockable: Bool

  var systemOperation: SystemOperation? { handler == .system ? SystemOperation(rawValue: kind) : nil }

  /// What reports call it: the family member, the bytes that stand for it, the operand size and kind.
  var name: String {
    let lead = [[], ["0f"], ["0f", "38"], ["0f", "3a"]][map]
    var words = isVEX ? ["vex"] : []
    if let prefix { words.append(byteText(prefix)) }
    if wide { words.append("w") }
    words += lead + [byteText(opcode)]
    switch modRM {
    case .none, .any: break
    case .row(let row): words.append("/\(row)")
    case .exact(let byte): words.append(byteText(byte))
    }
    let what = systemOperation.map { "\($0)" } ?? "\(handler)"
    let place = modRM == .none ? "" : isMemory ? " memory" : " register"
    return "\(what) [\(words.joined(separator: " "))] \(8 * size)\(place)"
  }
}

private func byteText(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }

/// Every form that the decoder accepts in code of a size, found by asking it.
enum FormCatalog {
  static let all = forms(Mode.code64)
  static let all32 = forms(Mode.code32)
  static let all16 = forms(Mode.code16)

  private static func forms(_ codeSize: UInt64) -> [InstructionForm] {
    var builder = CatalogBuilder(codeSize: codeSize)
    for map in 0...3 {
      for opcode in UInt8(0)...255 where !(map == 0 && isNoOpcode(opcode, codeSize)) && !(map == 1 && isEscape(opcode))
      {
        builder.add(map, opcode)
      }
    }
    for map in 1...3 {
      for opcode in UInt8(0)...255 { builder.addVEX(map, opcode) }
    }
    return builder.forms
  }

  /// Prefixes, REX, VEX, and the byte that leads to the other maps.
  private static func isNoOpcode(_ byte: UInt8, _ codeSize: UInt64) -> Bool {
    switch byte {
    case 0x0f, 0x26, 0x2e, 0x36, 0x3e, 0x64...0x67, 0xf0, 0xf2, 0xf3: true
    case 0x40...0x4f, 0xc4, 0xc5: codeSize == Mode.code64
    default: false
    }
  }

  private static func isEscape(_ byte: UInt8) -> Bool { byte == 0x38 || byte == 0x3a }
}

private struct CatalogBuilder {
  let codeSize: UInt64
  var forms: [InstructionForm] = []
  private var known: Set<String> = []

  init(codeSize: UInt64) { self.codeSize = codeSize }

  /// REX.W, or VEX.W.
  private var widths: [Bool] { codeSize == Mode.code64 ? [false, true] : [false] }

  mutating func add(_ map: Int, _ opcode: UInt8) {
    let flags = rowFlags(map, opcode)
    for prefix: UInt8? in [nil, 0x66, 0xf3, 0xf2] {
      for wide in widths {
        let lead = (prefix.map { [$0] } ?? []) + (wide ? [0x48] : []) + [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][map]
        guard flags & Form.modRM != 0 else {
          consider(lead + [opcode], nil, map, opcode, prefix, wide, flags, isVEX: false)
          continue
        }
        for modRM in candidates(map, opcode) {
          consider(lead + [opcode, modRM], modRM, map, opcode, prefix, wide, flags, isVEX: false)
        }
      }
    }
  }

  mutating func addVEX(_ map: Int, _ opcode: UInt8) {
    for (pp, prefix) in ([nil, 0x66, 0xf3, 0xf2] as [UInt8?]).enumerated() {
      for wide in widths {
        for modRM in candidates(map, opcode) {
          let code: [UInt8] = [
            0xc4, 0xe0 | UInt8(map), (wide ? 0x80 : 0) | 0x78 | UInt8(pp), opcode, modRM,
          ]
          consider(code, modRM, map, opcode, prefix, wide, Form.modRM | Form.group, isVEX: true)
        }
      }
    }
  }

  private func rowFlags(_ map: Int, _ opcode: UInt8) -> UInt32 {
    switch map {
    case 0: unsafe OneByteMap.table[Int(opcode)].flags
    case 1: unsafe TwoByteMap.table[Int(opcode)].flags
    default: Form.modRM
    }
  }

  /// Each reg field with a register and with [RBX]; all register forms where the whole byte chooses.
  private func candidates(_ map: Int, _ opcode: UInt8) -> [UInt8] {
    let memory = (UInt8(0)..<8).map { $0 << 3 | 3 }
    if isExact(map, opcode) { return memory + Array(0xc0...0xff) }
    // LES and LDS; with a register they are VEX prefixes.
    if map == 0 && (opcode == 0xc4 || opcode == 0xc5) { return memory }
    return memory + (UInt8(0)..<8).map { 0xc1 | $0 << 3 }
  }

  private func isExact(_ map: Int, _ opcode: UInt8) -> Bool {
    map == 0 && (0xd8...0xdf).contains(opcode) || map == 1 && opcode == 0x01
  }

  /// Asks the decoder, and keeps the form if it is a new one.
  private mutating func consider(
    _ head: [UInt8], _ modRM: UInt8?, _ map: Int, _ opcode: UInt8, _ prefix: UInt8?, _ wide: Bool, _ flags: UInt32,
    isVEX: Bool
  ) {
    guard let op = decoded(head + [UInt8](repeating: 0, count: 12)) else { return }
    let isMemory = op.prefixes & Prefix.memory != 0 && flags & Form.immMask != Form.moffs
    var form = InstructionForm(
      map: map, opcode: opcode, prefix: prefix, wide: wide, isVEX: isVEX, modRM: .none, isMemory: isMemory,
      immediateBytes: Int(op.length) - head.count, handler: op.handler, kind: isVEX ? 0 : op.kind, size: Int(op.size),
      isLockable: false)
    if let modRM {
      let choosesRow =
        flags & Form.group != 0 || [.x87, .shiftRMImm, .shiftRMCL].contains(form.handler)
        || form.handler == .vector && map == 1 && [0x71, 0x72, 0x73].contains(opcode)
        || form.handler == .system && [0x8c, 0x8e, 0x20, 0x21, 0x22, 0x23].contains(opcode)
      if isExact(map, opcode) && modRM >= 0xc0 {
        form.modRM = .exact(modRM)
      } else {
        form.modRM = choosesRow ? .row(modRM >> 3 & 7) : .any
      }
    }
    form.isLockable = !isVEX && isMemory && decoded([0xf0] + head + [UInt8](repeating: 0, count: 12)) != nil
    if known.insert(signature(form)).inserted { forms.append(form) }
  }

  /// What tells forms apart: not every prefix means something to every instruction.
  private func signature(_ form: InstructionForm) -> String {
    var words = ["\(form.map)", "\(form.opcode)", "\(form.isVEX)", "\(form.handler)", "\(form.kind)", "\(form.size)"]
    words.append("\(form.modRM) \(form.isMemory)")
    let isString = [.movs, .cmps, .stos, .lods, .scas, .ins, .outs].contains(form.handler)
    if form.handler == .vector || form.isVEX { words.append("\(form.prefix ?? 0)") }
    if isString && form.prefix != 0x66 { words.append("\(form.prefix ?? 0)") }
    if form.handler == .vector && !isWidthOfVectorUsed(form) { words[5] = "" }
    return words.joined(separator: " ")
  }

  /// Vector instructions with a general register, and FXSAVE and its kin.
  private func isWidthOfVectorUsed(_ form: InstructionForm) -> Bool {
    switch form.map {
    case 1: [0x2a, 0x2c, 0x2d, 0x6e, 0x7e, 0xae, 0xc4, 0xc5, 0x50, 0xd7].contains(form.opcode)
    case 3: [0x14, 0x15, 0x16, 0x17, 0x20, 0x22].contains(form.opcode)
    default: false
    }
  }

  private func decoded(_ bytes: [UInt8]) -> Instruction? {
    var instruction = Instruction()
    let result = unsafe bytes.withUnsafeBufferPointer { buffer in
      var decoder = unsafe Decoder(
        bytes: buffer.baseAddress!, available: buffer.count, codeSize: codeSize, rip: 0x1000)
      return decoder.decode(into: &instruction)
    }
    return result == .decoded ? instruction : nil
  }
}
