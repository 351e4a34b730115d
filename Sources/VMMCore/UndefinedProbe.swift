/// Finds out what a CPU does where the manuals leave it open, by executing samples on it.
public struct UndefinedProbe {
  public struct Registers: Equatable, Sendable {
    public var rax: UInt64
    public var rcx: UInt64
    public var rdx: UInt64
    public var rbx: UInt64
    /// RFLAGS: the six status flags count.
    public var flags: UInt64

    public init(rax: UInt64 = 0, rcx: UInt64 = 0, rdx: UInt64 = 0, rbx: UInt64 = 0, flags: UInt64 = 0) {
      (self.rax, self.rcx, self.rdx, self.rbx, self.flags) = (rax, rcx, rdx, rbx, flags)
    }
  }

  /// Executes user code between these registers: 64-bit code, which may push onto its stack, or 32-bit code, for which
  /// RBX is the end of memory to push into.
  public typealias Execute = (_ code: [UInt8], _ registers: Registers) -> Registers

  private static let statusFlags: UInt64 = 0x8d5

  private let execute: Execute
  private let executeLegacy: Execute?
  private let has: (CPUFeature) -> Bool

  /// - Parameters:
  ///   - has: the CPU executes the feature's instructions.
  ///   - executeLegacy: executes 32-bit code; without it, what only that has is taken for the reference's.
  public init(
    has: @escaping (CPUFeature) -> Bool, execute: @escaping Execute, executeLegacy: Execute? = nil
  ) {
    self.execute = execute
    self.executeLegacy = executeLegacy
    self.has = has
  }

  /// All of it.
  public func profile() -> UndefinedProfile {
    var profile = UndefinedProfile()
    for flags in UndefinedFlags.allCases { profile[flags] = rule(of: flags) }
    profile[.scanOfZeroClearsUpperHalf] =
      execute([0x0f, 0xbc, 0xc3], Registers(rax: 0x1122_3344_5566_7788, rbx: 0)).rax >> 32 == 0
    // REP STOSB with a prefix for ECX.
    profile[.repeatOfZeroClearsUpperHalves] = execute([0x67, 0xf3, 0xaa], Registers(rcx: 1 << 32)).rcx == 0
    profile.longDoubleShift = longDoubleShift()
    let loaded = loadedX87Pointers()
    profile[.narrowsX87Pointers] = loaded.instruction == Self.pointer | 0xffff << 48
    profile[.keepsX87OperandPointers] = loaded.operand == Self.pointer | 1 << 60
    let pointers = x87Pointers()
    profile[.alwaysSavesX87Pointers] = pointers.instruction
    profile[.notesX87OperandsOfErrors] = pointers.instruction && !pointers.opcode
    profile[.sumsDotProductsByLane] = has(.sse41) && sumsDotProductsByLane()
    profile[.leavesX87Gaps] = leavesX87Gaps()
    profile[.pushesSegmentsAsWords] = executeLegacy.map(pushesSegmentsAsWords) ?? false
    for result in UndefinedProfile.Result.allCases {
      let found = digest(of: result)
      profile[result] = found == result.reference ? 0 : max(found, 1)
    }
    return profile
  }

  // MARK: Flags

  /// A sample executed.
  private struct Outcome {
    var sample: UndefinedSample
    var before: UInt64
    var after: UInt64
    var result: UInt64
    /// The flags after the sample's model.
    var model: UInt64
  }

  private func rule(of flags: UndefinedFlags) -> FlagRule {
    let samples = flags.samples.filter { $0.needs.map { has($0) } ?? true }
    guard !samples.isEmpty, let run = flags.isLegacy ? executeLegacy : execute else { return flags.reference }
    let outcomes = samples.flatMap { sample in [0, Self.statusFlags].map { outcome(of: sample, from: $0, run) } }
    var rule = FlagRule([:])
    for flag in flags.flags {
      rule[flag] =
        flags.choices(for: flag).first { choice in
          outcomes.allSatisfy { ($0.after & flag.mask != 0) == predict(choice, flag, $0) }
        } ?? .other
    }
    return rule
  }

  private func outcome(of sample: UndefinedSample, from flags: UInt64, _ run: Execute) -> Outcome {
    var start = sample.start
    start.flags = flags
    let before = sample.context.isEmpty ? flags : execute(sample.context, start).flags & Self.statusFlags
    let end = run(sample.context + sample.code, start)
    let model = sample.model.isEmpty ? 0 : execute(sample.model, start).flags
    return Outcome(
      sample: sample, before: before, after: end.flags & Self.statusFlags, result: sample.hasResult ? end.rax : 0,
      model: model)
  }

  private func predict(_ choice: FlagChoice, _ flag: StatusFlag, _ outcome: Outcome) -> Bool {
    let top = UInt64(8 * outcome.sample.size - 1)
    let (result, source) = (outcome.result, outcome.sample.source)
    switch choice {
    case .kept: return outcome.before & flag.mask != 0
    case .cleared, .other: return false
    case .set: return true
    case .result: return Self.value(of: flag, in: result, top)
    case .source: return Self.value(of: flag, in: source, top)
    case .onePlace:
      let second = outcome.sample.movesRight ? result >> (top - 1) : outcome.after & StatusFlag.cf.mask
      return (result >> top ^ second) & 1 != 0
    case .signChange: return (result ^ source) >> top & 1 != 0
    case .firstPlace, .adjustment: return outcome.model & flag.mask != 0
    }
  }

  /// SF, ZF, PF as an operand has them, whose topmost bit is the one of this number.
  private static func value(of flag: StatusFlag, in word: UInt64, _ top: UInt64) -> Bool {
    switch flag {
    case .pf: (word & 0xff).nonzeroBitCount & 1 == 0
    case .zf: word << (63 - top) == 0
    default: word >> top & 1 != 0
    }
  }

  // MARK: Results

  private func longDoubleShift() -> UndefinedProfile.LongDoubleShift {
    let samples: [(UInt64, UInt64, UInt64)] = [(0x1234, 0xabcd, 20), (0xffff, 0x8001, 17), (0x8421, 0x7ffe, 31)]
    func fits(_ choice: UndefinedProfile.LongDoubleShift) -> Bool {
      samples.allSatisfy { a, b, by in
        [false, true].allSatisfy { right in
          let code: [UInt8] = [0x66, 0x0f, right ? 0xac : 0xa4, 0xd8, UInt8(by)]
          let end = execute(code, Registers(rax: a, rbx: b, flags: 0))
          let wanted = LongDoubleShiftResult(choice, a, b, by: by, right: right)
          return UInt64(wanted.value) == end.rax & 0xffff
            && wanted.carry == (end.flags & StatusFlag.cf.mask != 0)
        }
      }
    }
    return [.secondTwice, .firstAgain].first { fits($0) } ?? .other
  }

  /// DPPS of a NaN in lane 0 and another in lane 1.
  private func sumsDotProductsByLane() -> Bool {
    let code: [UInt8] = [
      // MOVD XMM0, EAX; MOVD XMM1, EBX; PUNPCKLDQ XMM0, XMM1; DPPS XMM0, XMM0, 31H; MOVD EAX, XMM0
      0x66, 0x0f, 0x6e, 0xc0, 0x66, 0x0f, 0x6e, 0xcb, 0x66, 0x0f, 0x62, 0xc1, 0x66, 0x0f, 0x3a, 0x40, 0xc0, 0x31, 0x66,
      0x0f, 0x7e, 0xc0,
    ]
    return execute(code, Registers(rax: 0x7fc0_0010, rbx: 0x7fc0_0011)).rax == 0x7fc0_0011
  }

  /// FXSAVE64 behind FNINIT and FLD1, with no exception pending: whether FIP is there, and whether FOP.
  private func x87Pointers() -> (instruction: Bool, opcode: Bool) {
    let code: [UInt8] = [
      // MOV RCX, RSP; AND RSP, -16; SUB RSP, 512; FNINIT; FLD1; FXSAVE64 [RSP]
      0x48, 0x89, 0xe1, 0x48, 0x83, 0xe4, 0xf0, 0x48, 0x81, 0xec, 0, 2, 0, 0, 0xdb, 0xe3, 0xd9, 0xe8, 0x48, 0x0f, 0xae,
      0x04, 0x24,
      // MOV RAX, [RSP + 8]; MOVZX EDX, WORD [RSP + 6]; FNINIT; MOV RSP, RCX
      0x48, 0x8b, 0x44, 0x24, 0x08, 0x0f, 0xb7, 0x54, 0x24, 0x06, 0xdb, 0xe3, 0x48, 0x89, 0xcc,
    ]
    let end = execute(code, Registers())
    return (end.rax != 0, end.rdx != 0)
  }

  /// Of 57 bits that are positive, and of 48 that are negative.
  private static let pointer: UInt64 = 0x55_8000_0000_0001

  /// What comes back of pointers of the last x87 instruction that FXRSTOR64 has loaded, with an exception pending: to
  /// itself, and, with bit 60 set, to its operand.
  private func loadedX87Pointers() -> (instruction: UInt64, operand: UInt64) {
    let code: [UInt8] = [
      // MOV RCX, RSP; AND RSP, -16; SUB RSP, 512; FNINIT; FXSAVE64 [RSP]
      0x48, 0x89, 0xe1, 0x48, 0x83, 0xe4, 0xf0, 0x48, 0x81, 0xec, 0, 2, 0, 0, 0xdb, 0xe3, 0x48, 0x0f, 0xae, 0x04, 0x24,
      // MOV DWORD [RSP], control and status: invalid operation, unmasked; MOV [RSP + 8], RAX; MOV [RSP + 16], RDX
      0xc7, 0x04, 0x24, 0x7e, 0x03, 0x81, 0x80, 0x48, 0x89, 0x44, 0x24, 0x08, 0x48, 0x89, 0x54, 0x24, 0x10,
      // FXRSTOR64 [RSP]; FXSAVE64 [RSP]; MOV RAX, [RSP + 8]; MOV RDX, [RSP + 16]; FNINIT; MOV RSP, RCX
      0x48, 0x0f, 0xae, 0x0c, 0x24, 0x48, 0x0f, 0xae, 0x04, 0x24, 0x48, 0x8b, 0x44, 0x24, 0x08, 0x48, 0x8b, 0x54, 0x24,
      0x10, 0xdb, 0xe3, 0x48, 0x89, 0xcc,
    ]
    let end = execute(code, Registers(rax: Self.pointer, rdx: Self.pointer | 1 << 60))
    return (end.rax, end.rdx)
  }

  /// PUSH FS over ones.
  private func pushesSegmentsAsWords(_ execute: Execute) -> Bool {
    // MOV ESP, EBX; PUSH -1; POP EAX; PUSH FS; POP EAX
    let code: [UInt8] = [0x89, 0xdc, 0x6a, 0xff, 0x58, 0x0f, 0xa0, 0x58]
    return execute(code, Registers()).rax >> 16 & 0xffff == 0xffff
  }

  /// What FXSAVE64 leaves behind the first x87 register of memory that was all ones.
  private func leavesX87Gaps() -> Bool {
    let code: [UInt8] = [
      // MOV RCX, RSP; AND RSP, -16; SUB RSP, 512; FNINIT; MOV QWORD [RSP + 40], -1
      0x48, 0x89, 0xe1, 0x48, 0x83, 0xe4, 0xf0, 0x48, 0x81, 0xec, 0, 2, 0, 0, 0xdb, 0xe3, 0x48, 0xc7, 0x44, 0x24, 0x28,
      0xff, 0xff, 0xff, 0xff,
      // FXSAVE64 [RSP]; MOV RAX, [RSP + 40]; MOV RSP, RCX
      0x48, 0x0f, 0xae, 0x04, 0x24, 0x48, 0x8b, 0x44, 0x24, 0x28, 0x48, 0x89, 0xcc,
    ]
    return execute(code, Registers(rax: 0)).rax >> 16 != 0
  }

  /// A digest of samples, 32 bits.
  public func digest(of result: UndefinedProfile.Result) -> UInt32 {
    var digest = Digest()
    for (code, value) in result.samples {
      let end = execute(code, Registers(rax: value))
      digest.fold(end.rax)
      digest.fold(end.rdx)
    }
    return UInt32(truncatingIfNeeded: digest.value ^ digest.value >> 32)
  }
}

/// SHLD or SHRD of 16 bits by 17 to 31 places.
public struct LongDoubleShiftResult: Equatable, Sendable {
  public var value: UInt16
  public var carry: Bool

  public init(
    _ choice: UndefinedProfile.LongDoubleShift, _ first: UInt64, _ second: UInt64, by: UInt64, right: Bool
  ) {
    let (a, b) = (first & 0xffff, second & 0xffff)
    // Three words in a row, of which the wanted one is cut out; the topmost is the first operand of SHLD.
    let row = choice == .firstAgain ? a << 32 | b << 16 | a : right ? b << 32 | b << 16 | a : a << 32 | b << 16 | b
    value = UInt16(truncatingIfNeeded: right ? row >> by : (row << by) >> 32)
    carry = choice == .firstAgain && (right ? row >> (by - 1) : row >> (48 - by)) & 1 != 0
  }
}

extension UndefinedProfile.Result {
  /// What the samples' digest is on AMD's family 1Ah.
  public var reference: UInt32 {
    switch self {
    case .approximations: 0xe6d4_0624
    case .x87Conditions: 0xd9c6_2201
    // Measured on family 19h, model 11h.
    case .transcendentals: 0xa432_626f
    }
  }

  /// Code that takes RAX, and leaves results in RAX and RDX.
  var samples: [(code: [UInt8], value: UInt64)] {
    switch self {
    case .approximations:
      // MOVD XMM0, EAX; RCPPS XMM1, XMM0; RSQRTPS XMM0, XMM0; MOVD EAX, XMM0; MOVD EDX, XMM1.
      let code: [UInt8] = [
        0x66, 0x0f, 0x6e, 0xc0, 0x0f, 0x53, 0xc8, 0x0f, 0x52, 0xc0, 0x66, 0x0f, 0x7e, 0xc0, 0x66, 0x0f, 0x7e, 0xca,
      ]
      return (0..<128).map { (code, 0x3f80_0000 + $0 * 0x1_5555) } + [(code, 1), (code, 0x7f7f_ffff)]
    case .x87Conditions:
      // FCOM, so that C0 or C3 is set, then an operation, and FNSTSW.
      let operations: [[UInt8]] = [
        [0xd9, 0xe8], [0xd9, 0xe0], [0xd9, 0xe1], [0xd8, 0xc1], [0xd8, 0xc9], [0xd9, 0xfa], [0xd9, 0xfc], [0xd9, 0xfd],
        [0xd9, 0xc9], [0xd9, 0xd0], [0xdf, 0x3c, 0x24], [0xdd, 0xc1], [0xd9, 0xf7],
      ]
      return operations.flatMap { operation in
        [0, 1, 0xffff_ffff_ffff_fff9].map { value in
          (
            [0x50, 0xdb, 0xe3, 0xdf, 0x2c, 0x24, 0xd9, 0xe8, 0xd8, 0xd1] + operation
              + [0x31, 0xc0, 0xdf, 0xe0, 0x5a, 0xdb, 0xe3], value
          )
        }
      }
    case .transcendentals:
      // FSIN; FCOS; FPATAN of it and 1; F2XM1 and FYL2X of one over it.
      let operations: [[UInt8]] = [
        [0xd9, 0xfe], [0xd9, 0xff], [0xd9, 0xe8, 0xd9, 0xf3], [0xd9, 0xe8, 0xde, 0xf1, 0xd9, 0xf0],
        [0xd9, 0xe8, 0xd9, 0xc9, 0xd9, 0xf1],
      ]
      return operations.flatMap { operation in
        (1..<20).map { value in
          (
            [0x48, 0x83, 0xec, 0x10, 0x48, 0x89, 0x04, 0x24, 0xdb, 0xe3, 0xdf, 0x2c, 0x24] + operation
              + [0xdb, 0x3c, 0x24, 0x58, 0x5a, 0x0f, 0xb7, 0xd2, 0xdb, 0xe3], value
          )
        }
      }
    }
  }
}
