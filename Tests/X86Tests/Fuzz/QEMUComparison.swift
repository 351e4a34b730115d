internal import NativeOracle
internal import VMMCore

@testable internal import X86

// The same for QEMU's machine, with what it is known to end otherwise.
extension FuzzRun {
  mutating func compareWithQEMU(_ program: FuzzProgram) -> [String] {
    guard let qemu else { return [] }
    guard qemu.reachesFrame(program) else {
      notRaised["frames outside of the operands", default: 0] += 1
      return []
    }
    if program.end == .shutdown && shutdowns > Self.mostShutdowns { return [] }
    let outcome: QEMUOracle.Outcome
    do { outcome = try qemu.run(program) } catch {
      let isOver = (error as? QEMUGuest.Silence)?.isEnd == true
      if program.end == .shutdown && isOver { return [] }
      if isOver, program.end.vector == 0, let form = program.forms.last, forms[form].handler == .idivRM {
        // Its own division overflows.
        notRaised["IDIV of 80000000h by -1 ends QEMU", default: 0] += 1
        return []
      }
      return unmasked(["end \(error)"], program)
    }
    var (state, expected) = (outcome.state, program.after)
    var notes: [String] = []
    if let reason = knownEnd(outcome.end, program) {
      notRaised[reason, default: 0] += 1
      return []
    }
    if outcome.end != program.end { notes.append("end \(outcome.end), here \(program.end)") }
    if program.end == .shutdown { return unmasked(notes, program) }
    if program.isApproximate { approximate(&expected, state, program) }
    qemu.level(&state, expected)
    notes += difference(host: state, here: expected)
    notes += difference(qemu.leveled(outcome.operands, program), qemu.leveled(program.memoryAfter, program))
    notes += difference(outcome.system, program.systemAfter)
    return unmasked(notes, program)
  }

  /// Why QEMU's machine ends in another way, where that is known and no matter of the form.
  private func knownEnd(_ end: FuzzEnd, _ program: FuzzProgram) -> String? {
    // An operand is not in its segment, or may not be written, and no frame of an exception fits on the stack.
    if program.end == .shutdown, end.vector != nil || end == .arrived,
      mode == .kernel32 || mode == .real && program.after.gpr.4 & 0xffff < 6
    {
      return "no shutdown for want of limits of segments"
    }
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
    let isSwitchedOff = program.systemAfter.contains {
      $0.name == "cr0" && $0.value & (CR0.ts | CR0.em) != 0 || $0.name == "cr4" && $0.value & CR4.osfxsr == 0
    }
    if end == .arrived && isSwitchedOff && form.isBetweenVectorAndMMX {
      return "EMMS and moves between vector registers and MMX mind no CR0 and CR4"
    }
    // The manuals leave the order open.
    let isMissing = program.systemAfter.contains { $0.name == "cr0" && $0.value & (CR0.ts | CR0.em) != 0 }
    let isDeviceFirst = end.vector == ExceptionVector.deviceNotAvailable
    return isDeviceFirst && event.vector == ExceptionVector.invalidOpcode && isMissing ? "#NM before #UD" : nil
  }
}
