internal import NativeOracle

@testable internal import X86

/// Executes random programs on the host, instruction by instruction and in blocks, and compares where they end.
struct FuzzRun {
  struct Difference {
    var seed: UInt64
    /// The form that the program was made for, if any.
    var first: Int?
    var text: String
  }

  /// What differs from one of those that a program is compared with: notes that begin with a name.
  struct Comparison {
    var whom: String
    var notes: [String]

    /// What the notes are about.
    var subject: String {
      let names = notes.map { String($0.prefix { $0 != " " }) }
      let distinct = names.indices.filter { names.firstIndex(of: names[$0]) == $0 }.map { names[$0] }
      return whom + ": " + distinct.joined(separator: " ")
    }
  }

  let machine: FuzzMachine
  /// For modes that no process can be in; `nil` without KVM.
  let kvm: KVMOracle?
  /// Where it is the oracle.
  let qemu: QEMUOracle?
  private var maker: ProgramMaker
  let forms: [InstructionForm]
  /// How often each form of the mode was executed.
  var counts: [Int]
  var programs = 0
  /// Instructions of the forms, and those that only prepared for them.
  var instructions = 0
  var preparations = 0
  /// Programs that ended in an exception, by vector.
  var exceptions = [Int](repeating: 0, count: 32)
  /// Approximate results compared, and those that were the same to the bit.
  var approximations = 0
  var exactApproximations = 0
  /// The first two of each kind, and how many there were.
  var differences: [Difference] = []
  var kinds: [String: Int] = [:]
  /// Programs that end in a form with a mask, and what was masked, by `maskKey`.
  var maskedPrograms = 0
  var masked: [String: OracleMask] = [:]
  /// Programs that ended in a shutdown, after which QEMU has to be started anew: the first are compared with it.
  var shutdowns = 0
  static let mostShutdowns = 200
  /// Programs that QEMU ends in another way, by the reason.
  var notRaised: [String: Int] = [:]
  /// The masks that this run has found, where they are measured.
  var learned: [String: OracleMask] { maker.learned }

  init(_ mode: FuzzMode = .long, _ oracle: FuzzOracle = .host) throws {
    machine = try FuzzMachine(mode, oracle)
    maker = ProgramMaker(machine: machine)
    // Not every KVM emulates virtual-8086 mode.
    kvm = oracle == .host && (mode == .real || mode.isKernel) ? try? KVMOracle(mode) : nil
    qemu = oracle == .qemu ? try QEMUOracle(mode) : nil
    forms = mode.forms
    counts = [Int](repeating: 0, count: forms.count)
  }

  /// Makes and compares one program. `first` makes it begin with that form.
  mutating func runProgram(seed: UInt64, first: Int? = nil) {
    let program = maker.makeProgram(seed: seed, first: first)
    // Code that wrote to itself, or that the software CPU cannot finish, is no test.
    guard program.end != .stuck, machine.placed(program.code.count) == program.code, mode.is64 || stepsAgain(program)
    else { return }
    if program.end == .shutdown { shutdowns += 1 }
    programs += 1
    instructions += program.forms.count
    preparations += program.preparations
    for form in program.forms { counts[form] += 1 }
    if case .event(let event) = program.end { exceptions[Int(event.vector & 31)] += 1 }
    let found = compare(program)
    if !found.isEmpty { note(program, found, seed, first) }
  }

  private mutating func compare(_ program: FuzzProgram) -> [Comparison] {
    var found: [Comparison] = []
    if machine.oracle == .qemu {
      found.append(Comparison(whom: "QEMU", notes: compareWithQEMU(program)))
    } else if machine.oracle == .host && mode.isNative {
      found.append(Comparison(whom: "host", notes: compareWithHost(program)))
    }
    found.append(Comparison(whom: "KVM", notes: compareWithKVM(program)))
    found.append(Comparison(whom: "blocks", notes: compareWithBlocks(program, isTranslated: true)))
    found.append(Comparison(whom: "interpreted blocks", notes: compareWithBlocks(program, isTranslated: false)))
    return found.filter { !$0.notes.isEmpty }
  }

  /// Counts a difference by what it is about, and keeps it if it is one of the first two of its kind.
  private mutating func note(_ whole: FuzzProgram, _ all: [Comparison], _ seed: UInt64, _ first: Int?) {
    let (program, found) = shortest(whole, all)
    let form = program.owners.last.flatMap { $0 }.map { forms[$0] }
    let oracle = found.first { $0.whom == "QEMU" || $0.whom == "host" }
    if Emulator.isMeasured, let form, let notes = oracle?.notes {
      let mask: OracleMask = notes.reduce(into: []) { $0.insert(OracleMask(note: $1)) }
      maker.learned[form.maskKey(in: mode), default: []].formUnion(mask)
    }
    let kind = ([form?.maskKey ?? "a preparation"] + found.map(\.subject)).joined(separator: "; ")
    kinds[kind, default: 0] += 1
    guard kinds[kind, default: 0] <= 2 else { return }
    let text = found.map { "\n  \($0.whom): " + $0.notes.joined(separator: ", ") }.joined()
    differences.append(Difference(seed: seed, first: first, text: describe(program) + text))
  }

  /// The program up to the instruction behind which the difference shows, and the difference there.
  private mutating func shortest(_ whole: FuzzProgram, _ all: [Comparison]) -> (FuzzProgram, [Comparison]) {
    for count in whole.offsets.indices.dropFirst() {
      guard let program = machine.cut(whole, count) else { continue }
      let found = compare(program)
      if !found.isEmpty { return (program, found) }
    }
    return (whole, all)
  }

  var mode: FuzzMode { machine.mode }

  /// The program in words and bytes, with the state that it starts from.
  private func describe(_ program: FuzzProgram) -> String {
    let names = program.forms.map { forms[$0].name }.joined(separator: "; ")
    var pieces: [String] = []
    for (index, start) in program.offsets.enumerated() {
      let end = index + 1 < program.offsets.count ? program.offsets[index + 1] : program.code.count
      pieces.append(program.code[start..<end].map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined())
    }
    let registers = (0..<16).map { hex(program.start.register($0)) }.joined(separator: " ")
    let stack = (0..<2).map {
      hex(Extended(significand: program.start.field(32 + 16 * $0), signExponent: program.start.field(40 + 16 * $0)))
    }
    return "\(names)\n  code \(pieces.joined(separator: " "))\n  from \(registers) flags \(hex(program.start.rflags)) "
      + "\(program.start.x87Words) \(stack) mxcsr \(hex(program.start.field(24, as: UInt32.self))) ends \(program.end) "
      + "at \(hex(program.after.rip))"
  }
}
