internal import VMMCore

extension Session {
  func registerSource() throws(PacketError) -> RegisterSource {
    do {
      return RegisterSource(
        state: try shownState(), position: target.position, instructionCount: target.instructionCount)
    } catch {
      throw PacketError(error)
    }
  }

  /// `g`: every register, in the order of their numbers.
  func readRegisters(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    let source = try registerSource()
    return .payload(layout.registers.flatMap { $0.text(from: source) })
  }

  /// `p NUMBER`
  func readRegister(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    let register = try takeRegister(&reader)
    try reader.expectEnd()
    return .payload(register.text(from: try registerSource()))
  }

  /// `P NUMBER=VALUE`
  func writeRegister(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    try expectOwnRegisters()
    let register = try takeRegister(&reader)
    try reader.expect("=")
    let bytes = try reader.hexBytes(count: register.byteCount)
    try reader.expectEnd()
    guard let set = register.set else {
      // After a call into the guest gdb puts back every register that it was shown, the place included.
      if target.isDiverted { return .ok }
      throw .refused("\(register.name) cannot be written")
    }
    let before = try registerSource().state
    var state = before
    set(&state, register.value(of: bytes))
    if skipsBreakpoint(from: before, to: state) { return .ok }
    return try replaceState(state)
  }

  /// gdb takes a breakpoint for a permanent one, which stands in memory, when it reads an INT3 there as it sets it:
  /// Linux fills the memory of its start-up code with them once that has run. To go on from there it moves the program
  /// counter over that one byte. It is let believe so: the next run begins where the machine stands.
  private func skipsBreakpoint(from before: CPUState, to after: CPUState) -> Bool {
    guard !target.isDiverted, after.rip == before.rip &+ 1 else { return false }
    var moved = before
    moved.rip = after.rip
    let isBreakpoint = lastStop == .breakpoint || breakpoints.kind(at: before.linearRIP) != nil
    guard moved == after, isBreakpoint else { return false }
    skippedBreakpoint = after.linearRIP
    return true
  }

  /// `G VALUES`: at most as many registers as there are, each whole. Those that do not change are not written, so that
  /// a narrow view of a wide register does not cut it.
  func writeRegisters(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    try expectOwnRegisters()
    let source = try registerSource()
    var state = source.state
    for register in layout.registers where !reader.isAtEnd {
      let bytes = try reader.hexBytes(count: register.byteCount)
      if bytes != register.bytes(from: source) { register.set?(&state, register.value(of: bytes)) }
    }
    try reader.expectEnd()
    return try replaceState(state)
  }

  private func takeRegister(_ reader: inout PacketReader) throws(PacketError) -> Register {
    let number = try reader.number()
    guard number < UInt64(layout.registers.count) else { throw .notFound }
    return layout.registers[Int(number)]
  }

  func replaceState(_ state: CPUState) throws(PacketError) -> Reply {
    do {
      try target.setRegisters(state)
      return .ok
    } catch {
      throw PacketError(error)
    }
  }
}
