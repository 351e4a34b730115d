internal import VMMCore

/// Guests have one vCPU: it is thread 1.
extension Session {
  /// A thread identifier that may name thread 1: `1`, `0` (any) and `-1` (all), also with a process (`p1.1`).
  func expectThread(_ reader: inout PacketReader) throws(PacketError) {
    if reader.skip("p") {
      try expectOne(&reader)
      if !reader.skip(".") { return }
    }
    try expectOne(&reader)
  }

  private func expectOne(_ reader: inout PacketReader) throws(PacketError) {
    let isNegative = reader.skip("-")
    let number = try reader.number()
    guard isNegative ? number == 1 : number <= 1 else { throw .notFound }
  }

  /// `H OPERATION THREAD`
  func selectThread(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    guard let operation = reader.take(), operation == UInt8(ascii: "g") || operation == UInt8(ascii: "c") else {
      throw .malformed
    }
    try expectThread(&reader)
    try reader.expectEnd()
    return .ok
  }

  /// `T THREAD`
  func isThreadAlive(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    try expectThread(&reader)
    try reader.expectEnd()
    return .ok
  }

  /// `qC`
  func currentThread(_ reader: inout PacketReader) throws(PacketError) -> Reply { .text("QC1") }

  /// `qAttached[:PROCESS]`: leaving detaches, it does not kill.
  func attached(_ reader: inout PacketReader) throws(PacketError) -> Reply { .text("1") }

  /// `qfThreadInfo`: gdb asks after every stop. That it is not told the rest too (`qXfer:threads:read`) saves it an XML
  /// document at each step, an eighth of a `stepi`.
  func firstThreads(_ reader: inout PacketReader) throws(PacketError) -> Reply { .text("m1") }

  /// `qsThreadInfo`
  func moreThreads(_ reader: inout PacketReader) throws(PacketError) -> Reply { .text("l") }

  /// `qThreadExtraInfo,THREAD`: the line of `info threads`.
  func threadExtraInfo(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    try expectThread(&reader)
    try reader.expectEnd()
    return .hex(Array(threadLine.utf8))
  }

  private var threadLine: String {
    var text = "CPU 0"
    if let state = try? target.registers() {
      text += state.halted ? " [halted]" : " [ring \(state.privilegeLevel)]"
    }
    return "\(text) at \(target.position)"
  }
}
