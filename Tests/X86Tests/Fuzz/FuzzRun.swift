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
  private(set) var counts: [Int]
  private(set) var programs = 0
  /// Instructions of the forms, and those that only prepared for them.
  private(set) var instructions = 0
  private(set) var preparations = 0
  /// Programs that ended in an exception, by vector.
  private(set) var exceptions = [Int](repeating: 0, count: 32)
  /// Approximate results compared, and those that were the same to the bit.
  private(set) var approximations = 0
  private(set) var exactApproximations = 0
  /// The first two of each kind, and how many there were.
  private(set) var differences: [Difference] = []
  private(set) var kinds: [String: Int] = [:]
  /// Programs that end in a form with a mask, and what was masked, by `maskKey`.
  private(set) var maskedPrograms = 0
  private(set) var masked: [String: OracleMask] = [:]
  /// Programs that QEMU ends in another way, by the reason.
  private(set) var notRaised: [String: Int] = [:]
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
    } else if mode.isNative {
      found.append(Comparison(whom: "host", notes: compareWithHost(program)))
    }
    found.append(Comparison(whom: "KVM", notes: compareWithKVM(program)))
    found.append(Comparison(whom: "blocks", notes: compareWithBlocks(program)))
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

  private var mode: FuzzMode { machine.mode }

  // MARK: Comparing

  private mutating func compareWithHost(_ program: FuzzProgram) -> [String] {
    var state = program.start
    var memory = program.memory
    let vector = state.run(program.code, memory: &memory)
    var expected = program.after
    var notes: [String] = []
    switch program.end {
    case .event(let event):
      if vector != Int(event.vector) {
        notes.append("vector \(vector.map { "\($0)" } ?? "none"), here \(event.vector)")
      } else {
        notes += compareFault(event, state, expected)
      }
    default:
      if let vector { notes.append("vector \(vector) at \(state.rip), here none") }
    }
    if program.isApproximate { approximate(&expected, state, program) }
    if Emulator.isOracle { Emulator.level(&state, expected) }
    notes += difference(host: state, here: expected) + difference(memory, program.memoryAfter)
    return unmasked(notes, program)
  }

  /// What is left of the notes under the mask of the program's last form.
  private mutating func unmasked(_ notes: [String], _ program: FuzzProgram) -> [String] {
    guard !program.mask.isEmpty, let form = program.forms.last else { return notes }
    let found: OracleMask = notes.reduce(into: []) { $0.insert(OracleMask(note: $1)) }
    masked[forms[form].maskKey(in: mode), default: []].formUnion(found.intersection(program.mask))
    maskedPrograms += 1
    if program.mask.contains(.end) && found.contains(.end) { return [] }
    return notes.filter { !program.mask.contains(OracleMask(note: $0)) }
  }

  private func compareWithKVM(_ program: FuzzProgram) -> [String] {
    guard let kvm, kvm.isComparable(program, forms) else { return [] }
    guard let outcome = try? kvm.run(program) else {
      return kvm.isStringBeyondMemory(program, forms) ? [] : ["end: it failed"]
    }
    var notes: [String] = []
    // KVM looks at the limit of SS before the alignment of a vector.
    let isAlignment = outcome.end.vector == ExceptionVector.stackFault && program.end.vector == 13
    if outcome.end != program.end && !isAlignment { notes.append("end \(outcome.end), here \(program.end)") }
    var (state, expected) = (outcome.state, program.after)
    (state.cr2, expected.cr2) = (0, 0)
    if case .event = program.end, mode == .real {
      // The upper half of ESP does not outlive an exception that KVM delivers.
      (state.gpr.4, expected.gpr.4) = (state.gpr.4 & 0xffff, expected.gpr.4 & 0xffff)
    }
    notes += difference(host: state, here: expected) + difference(outcome.operands, program.memoryAfter)
    notes += difference(outcome.system, program.systemAfter)
    // The state goes in and out by FXRSTOR and FXSAVE, which on AMD's processors carry the pointers of the last x87
    // instruction only while an exception is pending.
    notes.removeAll { note in ["fop", "fip", "fdp"].contains { note.hasPrefix($0 + " ") } }
    return notes
  }

  private mutating func compareWithQEMU(_ program: FuzzProgram) -> [String] {
    guard let qemu else { return [] }
    guard qemu.reachesFrame(program) else {
      notRaised["frames outside of the operands", default: 0] += 1
      return []
    }
    let outcome: QEMUOracle.Outcome
    do { outcome = try qemu.run(program) } catch {
      return unmasked(["end \(error)"], program)
    }
    var (state, expected) = (outcome.state, program.after)
    var notes: [String] = []
    if let reason = knownEnd(outcome.end, program) {
      notRaised[reason, default: 0] += 1
      return []
    }
    if outcome.end != program.end { notes.append("end \(outcome.end), here \(program.end)") }
    if program.isApproximate { approximate(&expected, state, program) }
    qemu.level(&state, expected)
    notes += difference(host: state, here: expected)
    notes += difference(qemu.leveled(outcome.operands, program), qemu.leveled(program.memoryAfter, program))
    notes += difference(outcome.system, program.systemAfter)
    return unmasked(notes, program)
  }

  /// Why QEMU's machine ends in another way, where that is known and no matter of the form.
  private func knownEnd(_ end: FuzzEnd, _ program: FuzzProgram) -> String? {
    guard case .event(let event) = program.end, end != program.end, let form = program.forms.last.map({ forms[$0] })
    else { return nil }
    let isSegment = [ExceptionVector.generalProtection, ExceptionVector.stackFault].contains(event.vector)
    let isString = form.handler == .ins || form.handler == .outs
    let isOperand = form.isMemory || isString || form.family != .privileged || program.owners.last == .some(nil)
    if mode == .kernel32 && isSegment && event.errorCode == 0 && isOperand {
      return "no rights and limits of segments"
    }
    if event.vector == ExceptionVector.pageFault && event.errorCode & 2 != 0,
      end == .event(FuzzEvent(vector: event.vector, errorCode: event.errorCode & ~2))
    {
      return "#PF of a read that is to be a write"
    }
    // The manuals leave the order open.
    let isMissing = program.systemAfter.contains { $0.name == "cr0" && $0.value & (CR0.ts | CR0.em) != 0 }
    let isDeviceFirst = end.vector == ExceptionVector.deviceNotAvailable
    return isDeviceFirst && event.vector == ExceptionVector.invalidOpcode && isMissing ? "#NM before #UD" : nil
  }

  private func difference(
    _ a: [(name: String, value: UInt64)], _ b: [(name: String, value: UInt64)]
  ) -> [String] {
    zip(a, b).filter { $0.value != $1.value }.map { "\($0.name) \(hex($0.value)), here \(hex($1.value))" }
  }

  private func compareFault(_ event: FuzzEvent, _ host: NativeState, _ here: NativeState) -> [String] {
    var notes: [String] = []
    if event.vector == ExceptionVector.pageFault {
      if host.cr2 != here.cr2 { notes.append("cr2 \(hex(host.cr2)), here \(hex(here.cr2))") }
      // Linux hides whether a page of the kernel is present: from the last page below the gap on.
      let mask: UInt64 = here.cr2 >= 0x7fff_ffff_f000 ? ~1 : .max
      if (host.error_code ^ UInt64(event.errorCode)) & mask != 0 {
        notes.append("error code \(hex(host.error_code)), here \(hex(event.errorCode))")
      }
    } else if [10, 11, 12, 13].contains(event.vector) && host.error_code != UInt64(event.errorCode) {
      notes.append("error code \(hex(host.error_code)), here \(hex(event.errorCode))")
    }
    return notes
  }

  /// The program ends in the same way now that all of it is there: it has not read its own bytes.
  private func stepsAgain(_ program: FuzzProgram) -> Bool {
    machine.load(program.start, memory: program.memory)
    machine.place(program.code + machine.closing, at: 0)
    guard machine.step(to: machine.code + UInt64(program.code.count)) == program.end else { return false }
    var state = program.start
    machine.store(to: &state)
    return difference(host: state, here: program.after).isEmpty && machine.operands() == program.memoryAfter
  }

  private mutating func compareWithBlocks(_ program: FuzzProgram) -> [String] {
    machine.load(program.start, memory: program.memory)
    machine.place(program.code + machine.closing, at: 0)
    let end = machine.runBlocks(program.code.count)
    var state = program.start
    machine.store(to: &state)
    var notes: [String] = []
    if end != program.end { notes.append("\(end), stepped \(program.end)") }
    // The UD2 behind the code has left RF in the image of the flags.
    var expected = program.after
    if program.end == .arrived { (state.cr2, expected.cr2) = (0, 0) }
    notes += difference(host: state, here: expected) + difference(machine.operands(), program.memoryAfter)
    notes += difference(machine.system(), program.systemAfter)
    return notes
  }

  private func difference(host: NativeState, here: NativeState) -> [String] {
    var notes: [String] = []
    func check(_ name: String, _ a: UInt64, _ b: UInt64) {
      if a != b { notes.append("\(name) \(hex(a)), here \(hex(b))") }
    }
    check("rip", host.rip, here.rip)
    check("rflags", host.rflags, here.rflags)
    for number in 0..<(mode.is64 ? 16 : 8) {
      let mask: UInt64 = mode.is64 ? .max : 0xffff_ffff
      check("r\(number)", host.register(number) & mask, here.register(number) & mask)
    }
    if mode.is64 {
      check("fs base", host.fs_base, here.fs_base)
      check("gs base", host.gs_base, here.gs_base)
    }
    check("es", host.es, here.es)
    check("ds", host.ds, here.ds)
    check("fs", host.fs, here.fs)
    check("gs", host.gs, here.gs)
    check("ss", host.ss, here.ss)
    if mode.isReal || mode.isKernel { check("cs", host.cs, here.cs) }
    let (status, expected) = (UInt64(host.field(2, as: UInt16.self)), UInt64(here.field(2, as: UInt16.self)))
    check("conditions", status & 0x4700, expected & 0x4700)
    check("fsw", status & ~0x4700, expected & ~0x4700)
    for (name, offset, size) in FuzzRun.fields {
      if size == 8 {
        check(name, host.field(offset), here.field(offset))
      } else {
        check(name, UInt64(host.field(offset, as: UInt16.self)), UInt64(here.field(offset, as: UInt16.self)))
      }
    }
    return notes
  }

  /// The FXSAVE image: name, offset, bytes.
  private static let fields: [(String, Int, Int)] = {
    var list = [
      ("fcw", 0, 2), ("ftw", 4, 2), ("fop", 6, 2), ("fip", 8, 8), ("fdp", 16, 8), ("mxcsr", 24, 8),
    ]
    for number in 0..<8 { list += [("st\(number)", 32 + 16 * number, 8), ("st\(number).se", 40 + 16 * number, 2)] }
    for lane in 0..<32 { list.append(("xmm\(lane / 2).\(lane & 1)", 160 + 8 * lane, 8)) }
    return list
  }()

  private func difference(_ a: [UInt8], _ b: [UInt8]) -> [String] {
    guard a != b, let at = a.indices.first(where: { a[$0] != b[$0] }) else { return [] }
    let count = a.indices.filter { a[$0] != b[$0] }.count
    return ["memory at +\(hex(at)): \(hex(a[at])), here \(hex(b[at])) (\(count) bytes differ)"]
  }

  // MARK: Approximate results

  /// Takes over the host's value where it differs by one unit of the last place, and C1, which says how it was rounded.
  private mutating func approximate(_ here: inout NativeState, _ host: NativeState, _ program: FuzzProgram) {
    approximations += 1
    let before = here
    for position in 0..<2 { here.forgiveLastPlace(position, host) }
    let (mine, theirs): (UInt16, UInt16) = (here.field(2), host.field(2))
    here.setField(2, mine & ~0x200 | theirs & 0x200)
    if difference(host: before, here: here).isEmpty { exactApproximations += 1 }
  }

  // MARK: Reports

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
