extension Session {
  /// `D[;PROCESS]`
  func detach(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    if reader.skip(";") { _ = try reader.number() }
    try reader.expectEnd()
    ending = .detached
    return .ok
  }

  /// `k`: has no answer.
  func kill(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    ending = .killed
    return .silence
  }

  /// `vKill;PROCESS`: in extended mode the client stays, and may `run`.
  func killProcess(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    _ = try reader.number()
    try reader.expectEnd()
    wasKilled = true
    if !isExtended { ending = .killed }
    return .ok
  }

  /// `vRun;FILE[;ARGUMENT]…`, all in hexadecimal: starts again, at the position that the first argument gives or at
  /// the begin.
  func startAgain(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    var words: [String] = []
    while !reader.isAtEnd {
      var word = PacketReader(reader.text(until: ";"))
      _ = reader.skip(";")
      words.append(String(decoding: try word.hexBytes(), as: UTF8.self))
    }
    wasKilled = false
    let place = Array(words.dropFirst())
    return try move(to: place.isEmpty ? .begin : try Destination(words: place), isFollowed: false)
  }

  /// `R XX`: back to the begin; has no answer.
  func restart(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    _ = try reader.number()
    _ = try move(to: .begin, isFollowed: false)
    return .silence
  }
}
