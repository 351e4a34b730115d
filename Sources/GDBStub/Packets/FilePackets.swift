// MARK: - Files of the stub's making (gdb manual, E.7, "Host I/O Packets"): gdb's `remote get`

extension Session {
  private static let noEntry = "F-1,2"
  private static let badDescriptor = "F-1,9"

  /// `vFile:open:NAME,FLAGS,MODE`: for reading alone; files are not the host's, but what monitor commands have made.
  func openFile(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    let encoded = reader.text(until: ",")
    try reader.expect(",")
    let flags = try reader.number()
    try reader.expect(",")
    _ = try reader.number()
    try reader.expectEnd()
    var name = PacketReader(encoded)
    guard flags == 0, let file = files[String(decoding: try name.hexBytes(), as: UTF8.self)] else {
      return .text(Session.noEntry)
    }
    openedFile = file
    return .text("F0")
  }

  /// `vFile:pread:DESCRIPTOR,COUNT,OFFSET`
  func readFile(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    guard try reader.number() == 0, let file = openedFile else { return .text(Session.badDescriptor) }
    try reader.expect(",")
    let count = try reader.length(limit: Int.max)
    try reader.expect(",")
    let offset = try reader.length(limit: Int.max)
    try reader.expectEnd()
    let start = min(offset, file.count)
    let piece = file[start..<(start + min(count, file.count - start, PacketParser.maximumPayload / 2 - 32))]
    return .payload(Array("F\(String(piece.count, radix: 16));".utf8) + Array(piece).escaped)
  }

  /// `vFile:close:DESCRIPTOR`
  func closeFile(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    guard try reader.number() == 0, openedFile != nil else { return .text(Session.badDescriptor) }
    openedFile = nil
    return .text("F0")
  }
}
