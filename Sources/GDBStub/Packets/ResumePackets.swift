internal import VMMCore

extension Session {
  /// `?`
  func stopReason(_ reader: inout PacketReader) throws(PacketError) -> Reply { stopReply(lastStop) }

  /// `c [ADDRESS]`
  func continueForward(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    try takeAddress(&reader)
    return try resume(.forward, .continue)
  }

  /// `C SIGNAL[;ADDRESS]`: a machine takes no signals; it continues.
  func continueWithSignal(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    try takeSignal(&reader)
    return try resume(.forward, .continue)
  }

  /// `s [ADDRESS]`
  func stepForward(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    try takeAddress(&reader)
    return try resume(.forward, .step)
  }

  /// `S SIGNAL[;ADDRESS]`
  func stepWithSignal(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    try takeSignal(&reader)
    return try resume(.forward, .step)
  }

  /// `bc`
  func continueBackward(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    try resume(.backward, .continue)
  }

  /// `bs`
  func stepBackward(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    try resume(.backward, .step)
  }

  /// `vCont?`
  func resumeActions(_ reader: inout PacketReader) throws(PacketError) -> Reply { .text("vCont;c;C;s;S;r") }

  /// `vCont;ACTION[:THREAD][;ACTION[:THREAD]]…`: the first action that names our thread is taken.
  func resumeWithActions(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    var chosen: ResumeRequest.Mode?
    repeat {
      let mode = try takeAction(&reader)
      if reader.skip(":") { try expectThread(&reader) }
      chosen = chosen ?? mode
    } while reader.skip(";")
    try reader.expectEnd()
    guard let chosen else { throw .malformed }
    return try resume(.forward, chosen)
  }

  private func takeAction(_ reader: inout PacketReader) throws(PacketError) -> ResumeRequest.Mode {
    switch reader.take() {
    case UInt8(ascii: "c"): return .continue
    case UInt8(ascii: "s"): return .step
    case UInt8(ascii: "C"):
      _ = try reader.number()
      return .continue
    case UInt8(ascii: "S"):
      _ = try reader.number()
      return .step
    case UInt8(ascii: "r"):
      let start = try reader.number()
      try reader.expect(",")
      return .range(start: start, end: try reader.number())
    default: throw .malformed
    }
  }

  private func takeSignal(_ reader: inout PacketReader) throws(PacketError) {
    _ = try reader.number()
    guard reader.skip(";") else { return try reader.expectEnd() }
    guard !reader.isAtEnd else { throw .malformed }
    try takeAddress(&reader)
  }

  /// An address to go on from changes the machine: only in a diversion.
  private func takeAddress(_ reader: inout PacketReader) throws(PacketError) {
    guard !reader.isAtEnd else { return }
    let address = try reader.number()
    try reader.expectEnd()
    var state = try registerSource().state
    guard state.linearRIP != address else { return }
    state.rip = state.is64Bit ? address : (address &- state.cs.base) & 0xffff_ffff
    _ = try replaceState(state)
  }
}
