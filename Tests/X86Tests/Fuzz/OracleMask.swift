internal import Foundation
internal import NativeOracle
internal import VMMCore

@testable internal import X86

/// Parts of the outcome of a form that an emulator has otherwise than the software CPU, and that no profile expresses.
struct OracleMask: OptionSet, Sendable {
  let rawValue: UInt16

  /// The status flags, the general registers and bases, the x87 registers (with MMX), MXCSR, XMM, the operand area.
  static let flags = OracleMask(rawValue: 1)
  static let registers = OracleMask(rawValue: 2)
  static let values = OracleMask(rawValue: 4)
  static let mxcsr = OracleMask(rawValue: 8)
  static let sse = OracleMask(rawValue: 16)
  static let memory = OracleMask(rawValue: 32)
  /// Whether there is an exception, which, and its error code: nothing is compared then.
  static let end = OracleMask(rawValue: 64)
  /// Of the x87: C0 to C3, the upper 16 bits of its registers.
  static let conditions = OracleMask(rawValue: 128)
  static let exponents = OracleMask(rawValue: 256)
  /// Control, debug and table registers, and those specific to models.
  static let system = OracleMask(rawValue: 512)
  static let x87: OracleMask = [.values, .conditions, .exponents]

  static let names: [(name: String, mask: OracleMask)] = [
    ("flags", .flags), ("registers", .registers), ("x87", .x87), ("values", .values), ("conditions", .conditions),
    ("exponents", .exponents), ("mxcsr", .mxcsr), ("sse", .sse), ("memory", .memory), ("system", .system),
    ("end", .end),
  ]

  var text: String {
    let isWhole = contains(.x87)
    return Self.names.filter { contains($0.mask) && (!isWhole || $0.mask == .x87 || !Self.x87.contains($0.mask)) }
      .map(\.name).joined(separator: "+")
  }

  init(rawValue: UInt16) { self.rawValue = rawValue }

  init(text: some StringProtocol) {
    self = text.split(separator: "+").reduce(into: []) { mask, word in
      if let named = Self.names.first(where: { $0.name == word }) { mask.insert(named.mask) }
    }
  }

  /// Masks by `InstructionForm.maskKey`: a line is a mask and its forms.
  static func table(_ text: String) -> [String: OracleMask] {
    var masks: [String: OracleMask] = [:]
    for line in text.split(separator: "\n") {
      let words = line.split(separator: ": ", maxSplits: 1)
      let mask = OracleMask(text: words[0])
      for key in words[1].split(separator: ", ") { masks[String(key), default: []].formUnion(mask) }
    }
    return masks
  }

  /// The part that a note on a difference is about: notes begin with a register's name.
  init(note: String) {
    let name = note.prefix { $0 != " " }
    switch name {
    case "rflags": self = .flags
    case "conditions": self = .conditions
    case "fcw", "fsw", "ftw": self = .values
    case "mxcsr": self = .mxcsr
    case "memory": self = .memory
    case "vector", "cr2", "error", "rip", "end": self = .end
    default:
      let isGeneral = name.hasPrefix("r") || ["fs", "gs", "es", "ds", "ss", "cs"].contains(name)
      self =
        name.hasSuffix(".se")
        ? .exponents
        : name.hasPrefix("st") && name.count == 3
          ? .values
          : name.hasPrefix("xmm") ? .sse : isGeneral ? .registers : .system
    }
  }
}

/// The oracle is an emulator: some forms end a program, and are compared but for what their masks name.
enum Emulator {
  static let isOracle = unsafe native_command() != nil
  /// Each difference is masked from then on, and the masks are printed as the table that `QEMUMasks` holds.
  static let isMeasured = ProcessInfo.processInfo.environment["CHRONOVISOR_FUZZ_MEASURE"] != nil

  private static let masks = OracleMask.table(QEMUMasks.text)

  /// An emulator's own ways.
  static func mask(of form: InstructionForm) -> OracleMask { masks[form.maskKey] ?? [] }
}

extension OracleProfile {
  /// What the oracle's CPU has otherwise by its maker's manual.
  static func mask(of form: InstructionForm) -> OracleMask {
    guard !isAMD, let operation = form.systemOperation else { return [] }
    return [.sysenter, .sysexit, .sysret].contains(operation) ? [.end] : []
  }
}

extension UndefinedProfile {
  /// What the form leaves behind otherwise than the software CPU, on a CPU that no profile expresses as a whole.
  func mask(of form: InstructionForm) -> OracleMask {
    if form.handler == .x87 { return self[.x87Conditions] == 0 ? [] : [.conditions] }
    if form.handler == .vector {
      return form.map == 1 && (form.opcode == 0x52 || form.opcode == 0x53) && !isImitated(.approximations) ? [.sse] : []
    }
    let isDoubtful = form.undefinedFlags.contains { flags in flags.flags.contains { self[flags][$0] == .other } }
    let isLong = form.undefinedFlags == [.doubleShift] && form.size == 2 && longDoubleShift == .other
    return isLong ? [.flags, .registers, .memory] : isDoubtful ? [.flags] : []
  }
}

extension InstructionForm {
  fileprivate var undefinedFlags: [UndefinedFlags] {
    switch handler {
    case .bsf, .bsr: [.bitScan, .bitScanOfZero]
    case .tzcnt, .lzcnt: [.bitCount]
    case .bitReg, .bitImm: [.bitTest]
    case .mulRM, .imulRM, .imulRegRM, .imulRegRMImm: [.multiply]
    case .divRM, .idivRM: [.divide]
    case .shiftRMImm, .shiftRMCL:
      [.shiftLeft, .shiftRight, .shiftArithmetic, .rotate, .rotateByImmediate, .rotateThroughCarry]
    case .doubleShiftImm, .doubleShiftCL: [.doubleShift]
    case .blsr, .blsmsk, .blsi, .bzhi: [.bitFields]
    case .andn: [.andNot]
    case .bextr: [.bitExtract]
    case .aluRMReg, .aluRegRM, .aluRMImm, .testRMReg, .testRMImm: [.logic]
    case .aaa, .aas: [.asciiAdjust]
    case .daa, .das: [.decimalAdjust]
    default: []
    }
  }
}

extension InstructionForm {
  /// The same for a machine's mode, on which instructions of the system family depend.
  func maskKey(in mode: FuzzMode) -> String { handler == .system ? "\(mode) \(maskKey)" : maskKey }

  /// The form without what masks do not depend on: sizes, kinds of operands.
  var maskKey: String {
    func text(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }
    let lead = [[], ["0f"], ["0f", "38"], ["0f", "3a"]][map]
    var words = (prefix.map { handler == .vector ? [text($0)] : [] } ?? []) + lead + [text(opcode)]
    switch modRM {
    case .none, .any: break
    case .row(let row): words.append("/\(row)")
    case .exact(let byte): words.append(text(byte))
    }
    let what = systemOperation.map { "\($0)" } ?? "\(handler)"
    return ([what] + words).joined(separator: " ")
  }
}

extension Emulator {
  /// Takes over what QEMU's user mode never has as a CPU does: RF, pointers of the x87 in FXSAVE, MXCSR_MASK, and the
  /// data segments behind an exception.
  static func level(_ state: inout NativeState, _ expected: NativeState) {
    state.rflags = state.rflags & ~RFlags.rf | expected.rflags & RFlags.rf
    (state.es, state.ds) = (expected.es, expected.ds)
    state.setField(6, expected.field(6, as: UInt16.self))
    state.setField(8, expected.field(8, as: UInt64.self))
    state.setField(16, expected.field(16, as: UInt64.self))
    state.setField(28, expected.field(28, as: UInt32.self))
  }
}
