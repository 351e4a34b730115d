internal import VMMCore

extension Session {
  /// `Z TYPE,ADDRESS,KIND[;CONDITIONS][;cmds:PERSIST,COMMANDS]`
  func insertPoint(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    let (type, address, kind) = try takePoint(&reader)
    if let breakpoint = BreakpointTable.Kind(rawValue: type) {
      var details = try takeDetails(&reader)
      details.space = space(of: type, address, 0)
      try breakpoints.insert(breakpoint, at: address, details)
    } else {
      try reader.expectEnd()
      var watchpoint = try watchpoint(type, address, kind)
      watchpoint.space = space(of: type, address, kind)
      try breakpoints.insert(watchpoint)
    }
    return .ok
  }

  private func space(of type: UInt8, _ address: UInt64, _ count: UInt64) -> AddressSpace? {
    // A client that sets points and takes them away without ever running the machine is not a debugger.
    if spaces.count > BreakpointTable.maximumCount { forgetPoints(except: { _ in false }) }
    let here = (try? shownState()).flatMap { AddressSpace($0) }
    return spaces.space(of: .init(type: type, address: address, count: count), here: here, in: target)
  }

  /// `z TYPE,ADDRESS,KIND`
  func removePoint(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    let (type, address, kind) = try takePoint(&reader)
    if let breakpoint = BreakpointTable.Kind(rawValue: type) {
      breakpoints.remove(breakpoint, at: address)
    } else {
      breakpoints.remove(try watchpoint(type, address, kind))
    }
    return .ok
  }

  /// For breakpoints `kind` is the length of the instruction that would be replaced: of no interest here. For
  /// watchpoints it is the number of bytes.
  private func takePoint(
    _ reader: inout PacketReader
  ) throws(PacketError) -> (type: UInt8, address: UInt64, kind: UInt64) {
    let type = try reader.number()
    guard type <= 4 else { throw .malformed }
    try reader.expect(",")
    let address = try reader.number()
    try reader.expect(",")
    return (UInt8(type), address, try reader.number())
  }

  private func watchpoint(_ type: UInt8, _ address: UInt64, _ count: UInt64) throws(PacketError) -> Watchpoint {
    guard let kind = Watchpoint.Kind(rawValue: type), let point = Watchpoint(kind, at: address, count: count) else {
      throw .malformed
    }
    return point
  }

  private func takeDetails(_ reader: inout PacketReader) throws(PacketError) -> BreakpointTable.Breakpoint {
    var breakpoint = BreakpointTable.Breakpoint()
    while !reader.isAtEnd {
      _ = reader.skip(";")
      if reader.peek == UInt8(ascii: "X") {
        try takeExpressions(&reader, into: &breakpoint.conditions)
      } else {
        guard reader.text(until: ":") == "cmds" else { throw .malformed }
        try reader.expect(":")
        _ = try reader.number()
        try reader.expect(",")
        try takeExpressions(&reader, into: &breakpoint.commands)
      }
    }
    return breakpoint
  }

  /// `X LENGTH,HEX`, one after another.
  private func takeExpressions(
    _ reader: inout PacketReader, into expressions: inout [AgentExpression]
  ) throws(PacketError) {
    repeat {
      try reader.expect("X")
      let length = try reader.length(limit: AgentExpression.maximumLength)
      try reader.expect(",")
      guard expressions.count < BreakpointTable.maximumExpressions else { throw .tooMuch }
      guard let expression = AgentExpression(try reader.hexBytes(count: length)) else { throw .tooMuch }
      expressions.append(expression)
    } while reader.peek == UInt8(ascii: "X")
  }
}
