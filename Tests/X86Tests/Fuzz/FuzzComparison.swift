internal import NativeOracle

@testable internal import X86

// Where a program ends on the host's CPU, on KVM and in blocks, compared with where it ended step by step.
extension FuzzRun {
  mutating func compareWithHost(_ program: FuzzProgram) -> [String] {
    var state = program.start
    var memory = program.memory
    let vector = state.run(program.code, memory: &memory)
    var expected = program.after
    var notes: [String] = []
    switch program.end {
    case .event(let event):
      if goesOverTheEnd(event, vector, state) { return [] }
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
    notes += difference(host: state, here: expected)
    if !pushesFirst(program) { notes += difference(memory, program.memoryAfter) }
    return unmasked(notes, program)
  }

  /// An operand that goes over the end of a segment of 4 GiB: whether that is an exception is up to the CPU (Intel SDM
  /// vol. 3, 5.3). Here it is one, as on AMD's.
  private func goesOverTheEnd(_ event: FuzzEvent, _ vector: Int?, _ host: NativeState) -> Bool {
    let isHere = event.vector == ExceptionVector.generalProtection || event.vector == ExceptionVector.stackFault
    return !OracleProfile.isAMD && mode == .compat32 && isHere && vector == Int(ExceptionVector.pageFault)
      && (host.cr2 >= 0xffff_f000 || host.cr2 < 0x1000)
  }

  /// A call to what lies beyond the limit of CS has pushed already: not on AMD's.
  private func pushesFirst(_ program: FuzzProgram) -> Bool {
    guard !OracleProfile.isAMD, program.end.vector == ExceptionVector.generalProtection,
      let form = program.forms.last.map({ forms[$0] })
    else { return false }
    return form.handler == .call || form.handler == .callRM
  }

  /// What is left of the notes under the mask of the program's last form.
  mutating func unmasked(_ notes: [String], _ program: FuzzProgram) -> [String] {
    guard !program.mask.isEmpty, let form = program.forms.last else { return notes }
    let found: OracleMask = notes.reduce(into: []) { $0.insert(OracleMask(note: $1)) }
    masked[forms[form].maskKey(in: mode), default: []].formUnion(found.intersection(program.mask))
    maskedPrograms += 1
    if program.mask.contains(.end) && found.contains(.end) { return [] }
    return notes.filter { !program.mask.contains(OracleMask(note: $0)) }
  }

  func compareWithKVM(_ program: FuzzProgram) -> [String] {
    guard let kvm, program.end != .shutdown, kvm.isComparable(program, forms) else { return [] }
    guard let outcome = try? kvm.run(program) else {
      return kvm.isStringBeyondMemory(program, forms) ? [] : ["end: it failed"]
    }
    if kvm.isKnown(outcome.end, program, forms) { return [] }
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
    notes += difference(host: state, here: expected)
    notes += difference(kvm.leveled(outcome.operands, program, forms), program.memoryAfter)
    notes += difference(outcome.system, program.systemAfter)
    // The state goes in and out by FXRSTOR and FXSAVE, which on AMD's processors carry the pointers of the last x87
    // instruction only while an exception is pending.
    notes.removeAll { note in ["fop", "fip", "fdp"].contains { note.hasPrefix($0 + " ") } }
    return notes
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
  func stepsAgain(_ program: FuzzProgram) -> Bool {
    machine.load(program.start, memory: program.memory)
    machine.place(program.code + machine.closing, at: 0)
    guard machine.step(to: machine.code + UInt64(program.code.count)) == program.end else { return false }
    var state = program.start
    machine.store(to: &state)
    return difference(host: state, here: program.after).isEmpty && machine.operands() == program.memoryAfter
  }

  /// - Parameter isTranslated: every block is translated before it is executed; otherwise none is.
  mutating func compareWithBlocks(_ program: FuzzProgram, isTranslated: Bool) -> [String] {
    machine.core.cpu[SystemSlot.translatesAfter] = isTranslated ? 1 : 0
    machine.core.code.flush()
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

  /// Takes over the host's value where it differs by one unit of the last place, and C1, which says how it was rounded.
  mutating func approximate(_ here: inout NativeState, _ host: NativeState, _ program: FuzzProgram) {
    approximations += 1
    let before = here
    for position in 0..<2 { here.forgiveLastPlace(position, host) }
    let (mine, theirs): (UInt16, UInt16) = (here.field(2), host.field(2))
    here.setField(2, mine & ~0x200 | theirs & 0x200)
    if difference(host: before, here: here).isEmpty { exactApproximations += 1 }
  }
}
