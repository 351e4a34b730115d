extension Session {
  /// `qSupported[:FEATURE;…]` (gdb manual, E.4): what the client understands, and what we do.
  func supported(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    if reader.skip(":") {
      while !reader.isAtEnd {
        switch reader.text(until: ";") {
        case "swbreak+": client.swbreak = true
        case "hwbreak+": client.hwbreak = true
        default: break
        }
        _ = reader.skip(";")
      }
    }
    return .text(
      "PacketSize=\(String(PacketParser.maximumPayload, radix: 16));QStartNoAckMode+;qXfer:features:read+;"
        + "ReverseStep+;ReverseContinue+;swbreak+;hwbreak+;vContSupported+;ConditionalBreakpoints+;BreakpointCommands+")
  }

  /// `QStartNoAckMode`: the answer itself is still acknowledged.
  func startNoAckMode(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    acknowledges = false
    return .ok
  }

  /// `!`
  func extendedMode(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    isExtended = true
    return .ok
  }

  /// `qXfer:features:read:ANNEX:OFFSET,LENGTH`: whoever begins at offset 0 reads anew.
  func readFeatures(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    let annex = reader.text(until: ":")
    try reader.expect(":")
    guard annex == "target.xml" else { throw .notFound }
    if reader.peek == UInt8(ascii: "0") { describeAnew() }
    return try sendPiece(of: targetDescription, &reader)
  }

  /// The `OFFSET,LENGTH` that ends a `qXfer` packet, and that part of a document.
  func sendPiece(of document: [UInt8], _ reader: inout PacketReader) throws(PacketError) -> Reply {
    let offset = try reader.length(limit: Int.max)
    try reader.expect(",")
    let length = try reader.length(limit: Int.max)
    try reader.expectEnd()
    guard offset <= document.count else { throw .malformed }
    let end = offset + min(length, document.count - offset, PacketParser.maximumPayload / 2 - 1)
    let mark = UInt8(ascii: end == document.count ? "l" : "m")
    return .payload([mark] + Array(document[offset..<end]).escaped)
  }

  /// `qHostInfo`: LLDB asks before it knows an architecture.
  func hostInfo(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    .text("triple:\(tripleHex);endian:little;ptrsize:\(layout.wordBytes);")
  }

  /// `qProcessInfo`: LLDB.
  func processInfo(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    .text("pid:1;parent-pid:0;triple:\(tripleHex);endian:little;ptrsize:\(layout.wordBytes);")
  }

  private var tripleHex: String {
    let name = layout.architecture == .x64 ? "x86_64" : "i386"
    return String(decoding: Array("\(name)-unknown-unknown".utf8).hexText, as: UTF8.self)
  }
}
