/// One instruction for the probe, with what it works on.
struct UndefinedSample {
  /// The instruction, in 64-bit code; in 32-bit code where `UndefinedFlags.isLegacy`.
  var code: [UInt8]
  /// Operand size in bytes.
  var size: Int
  /// Executed before it: the flags after this are those before the instruction.
  var context: [UInt8] = []
  var start: UndefinedProbe.Registers
  /// The operand that `FlagChoice.source` is about.
  var source: UInt64
  /// RAX after it holds the result; 0 stands for it where there is none.
  var hasResult = true
  /// OF by one place compares the result's sign with its second bit, and not with CF.
  var movesRight = false
  /// 64-bit code that leaves the flags that `FlagChoice.firstPlace` and `.adjustment` are about.
  var model: [UInt8] = []
  /// What the CPU must have; a CPU without it tells nothing.
  var needs: CPUFeature?
}

/// What the probe executes, by what it tells about.
extension UndefinedFlags {
  var samples: [UndefinedSample] {
    switch self {
    case .bitScan: Self.scans(of: [1, 2, 8, 0x80, 0xc0, 0x8000, 0xff00, 0x8000_0000, 0x8000_0000_0000_0000])
    case .bitScanOfZero: Self.scans(of: [0])
    case .bitCount:
      Self.operands.flatMap { a, b in
        [
          UndefinedSample(
            code: [0xf3, 0x48, 0x0f, 0xbc, 0xc3], size: 8, start: .init(rax: a, rbx: b), source: b, needs: .bmi1),
          UndefinedSample(
            code: [0xf3, 0x0f, 0xbd, 0xc3], size: 4, start: .init(rax: a, rbx: b), source: b, needs: .lzcnt),
        ]
      }
    // What stands before them shows where a translator puts the flags off.
    case .bitTest:
      [[], [0x00, 0xc9], [0x0f, 0xaf, 0xc9], [0xd1, 0xe1]].flatMap { context in
        Self.pairs([[0x48, 0x0f, 0xa3, 0xd8], [0x48, 0x0f, 0xab, 0xd8], [0x48, 0x0f, 0xb3, 0xd8]], 8, context)
      }
    case .multiply:
      Self.pairs([[0x48, 0xf7, 0xe3], [0x48, 0xf7, 0xeb], [0x48, 0x0f, 0xaf, 0xc3]], 8)
        + Self.pairs([[0xf7, 0xe3], [0x0f, 0xaf, 0xc3], [0x6b, 0xc3, 0x85]], 4)
        + Self.pairs([[0x66, 0xf7, 0xeb], [0x66, 0x6b, 0xc3, 0x05]], 2) + Self.pairs([[0xf6, 0xe3], [0xf6, 0xeb]], 1)
    case .divide:
      [(0x1234_5678, 3), (7, 7), (0xff, 0x80), (0, 9), (0x1_0000_0001, 0x7fff)].flatMap { a, b in
        [([0x48, 0xf7, 0xf3], 8), ([0xf7, 0xfb], 4)].map { code, size in
          UndefinedSample(code: code, size: size, start: .init(rax: a, rbx: b), source: b)
        }
      }
    case .shiftLeft: Self.shifts(4)
    case .shiftRight: Self.shifts(5)
    case .shiftArithmetic: Self.shifts(7)
    case .rotate: Self.shiftsByCL(0) + Self.shiftsByCL(1, right: true)
    case .rotateByImmediate: Self.shiftsByImmediate(0) + Self.shiftsByImmediate(1, right: true)
    case .rotateThroughCarry: Self.shifts(2) + Self.shifts(3, right: true)
    case .doubleShift:
      [(0xa4, false), (0xac, true)].flatMap { opcode, right in
        Self.doubleShifts([0x48, 0x0f, opcode, 0xd8], 8, by: [0x03, 0x3b], right)
          + Self.doubleShifts([0x0f, opcode, 0xd8], 4, by: [0x05], right)
          + Self.doubleShifts([0x66, 0x0f, opcode, 0xd8], 2, by: [0x07], right)
      }
    case .bitFields:
      Self.pairs([[0xc4, 0xe2, 0x78, 0xf3, 0xcb], [0xc4, 0xe2, 0x78, 0xf3, 0xdb]], 4, needs: .bmi1)
        + Self.pairs([[0xc4, 0xe2, 0xf0, 0xf5, 0xc3]], 8, needs: .bmi2)
    case .andNot: Self.pairs([[0xc4, 0xe2, 0x60, 0xf2, 0xc1], [0xc4, 0xe2, 0xe0, 0xf2, 0xc1]], 4, needs: .bmi1)
    case .bitExtract: Self.pairs([[0xc4, 0xe2, 0x70, 0xf7, 0xc3]], 4, needs: .bmi1)
    case .logic: Self.pairs([[0x21, 0xd8], [0x09, 0xd8], [0x31, 0xd8], [0x85, 0xd8]], 4)
    case .asciiAdjust: Self.asciiAdjustments(0x37, adds: true) + Self.asciiAdjustments(0x3f, adds: false)
    case .decimalAdjust: Self.decimalAdjustments(0x27, adds: true) + Self.decimalAdjustments(0x2f, adds: false)
    }
  }

  /// Two operands each: signs, parities, zeros and low halves of all kinds.
  private static let operands: [(UInt64, UInt64)] = [
    (1, 2), (0x8000_0000_8000_8080, 3), (0x7fff_ffff_ffff_ffff, 0x4000_0000_4000_4040), (0xfedc_ba98_7654_3210, 0x11),
    (0x0123_4567_89ab_cdef, 0xffff_ffff_ffff_fff0), (0, 0x5555_5555_5555_5555),
    (0xffff_ffff_ffff_ffff, 0xaaaa_aaaa_aaaa_aaab),
  ]

  private static func pairs(
    _ codes: [[UInt8]], _ size: Int, _ context: [UInt8] = [], needs: CPUFeature? = nil
  ) -> [UndefinedSample] {
    codes.flatMap { code in
      operands.map { a, b in
        UndefinedSample(
          code: code, size: size, context: context, start: .init(rax: a, rcx: 0x0607, rbx: b), source: b, needs: needs)
      }
    }
  }

  private static func doubleShifts(_ code: [UInt8], _ size: Int, by places: [UInt8], _ right: Bool) -> [UndefinedSample]
  {
    places.flatMap { by in
      operands.map { a, b in
        UndefinedSample(
          code: code + [by], size: size, start: .init(rax: a, rbx: b), source: a, movesRight: right, model: code + [1])
      }
    }
  }

  /// Always adjusted, by ADD or SUB AX, 106H.
  private static func asciiAdjustments(_ opcode: UInt8, adds: Bool) -> [UndefinedSample] {
    [0x7f0f, 0x800a, 0x00fb, 0xff9a, 0x010c, 0x7f9d, 0x80ff, 0xfefa].map { ax in
      UndefinedSample(
        code: [opcode], size: 1, start: .init(rax: ax), source: ax, model: [0x66, adds ? 0x05 : 0x2d, 0x06, 0x01])
    }
  }

  /// Adjusted in both digits, by ADD or SUB AL, 66H; DAA in the lower one alone, where CF is clear, with the same OF.
  private static func decimalAdjustments(_ opcode: UInt8, adds: Bool) -> [UndefinedSample] {
    [0x9a, 0xfb, 0xbc, 0xff, adds ? 0x7a : 0xaa].map { al in
      UndefinedSample(code: [opcode], size: 1, start: .init(rax: al), source: al, model: [adds ? 0x04 : 0x2c, 0x66])
    }
  }

  private static func scans(of sources: [UInt64]) -> [UndefinedSample] {
    let codes: [([UInt8], Int)] = [
      ([0x48, 0x0f, 0xbc, 0xc3], 8), ([0x48, 0x0f, 0xbd, 0xc3], 8), ([0x0f, 0xbc, 0xc3], 4),
      ([0x66, 0x0f, 0xbd, 0xc3], 2),
    ]
    return codes.flatMap { code, size in
      sources.filter { size == 8 || $0 == 0 || $0 < 1 << UInt64(8 * size) }.map { source in
        UndefinedSample(
          code: code, size: size, start: .init(rax: 0x1122_3344_5566_7788, rbx: source), source: source,
          hasResult: source != 0)
      }
    }
  }

  /// A row of the shift group, by an immediate and by CL.
  private static func shifts(_ row: UInt8, right: Bool = false) -> [UndefinedSample] {
    shiftsByImmediate(row, right: right) + shiftsByCL(row, right: right)
  }

  private static func shiftsByImmediate(_ row: UInt8, right: Bool = false) -> [UndefinedSample] {
    let modRM = 0xc0 | row << 3
    return shifts([0x48, 0xc1, modRM, 3], [0x48, 0xd1, modRM], 8, right)
      + shifts([0xc1, modRM, 5], [0xd1, modRM], 4, right)
      + shifts([0x66, 0xc1, modRM, 2], [0x66, 0xd1, modRM], 2, right)
      + shifts([0xc0, modRM, 3], [0xd0, modRM], 1, right)
  }

  private static func shiftsByCL(_ row: UInt8, right: Bool = false) -> [UndefinedSample] {
    let modRM = 0xc0 | row << 3
    return shifts([0x48, 0xd3, modRM], [0x48, 0xd1, modRM], 8, right)
      + shifts([0xd3, modRM], [0xd1, modRM], 4, right)
      + shifts([0x66, 0xd3, modRM], [0x66, 0xd1, modRM], 2, right)
  }

  private static func shifts(_ code: [UInt8], _ byOne: [UInt8], _ size: Int, _ right: Bool) -> [UndefinedSample] {
    operands.map { a, _ in
      UndefinedSample(
        code: code, size: size, start: .init(rax: a, rcx: 0x0e), source: a, movesRight: right, model: byOne)
    }
  }
}
