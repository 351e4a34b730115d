extension Session {
  /// Bytes of text that one command may answer with.
  private static let maximumText = PacketParser.maximumPayload / 2 - 16

  /// `qRcmd,COMMAND` in hexadecimal. The text travels as console output before the OK, which both gdb and LLDB show. So
  /// does what went wrong, before an error, which ends a script.
  func monitorCommand(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    let line = String(decoding: try reader.hexBytes(), as: UTF8.self)
    interruptIsQueued = false
    let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\n" }).map(String.init)
    var text: String
    do {
      text = try carryOut(words.first ?? "help", Array(words.dropFirst()))
    } catch {
      if case .refused(let reason) = error { lastRefusal = reason }
      // Nobody goes on to the step that would carry it out.
      pendingMove = nil
      showOnConsole(Array("error: \(error.monitorText)\n".utf8.prefix(Session.maximumText)))
      return .text("E01")
    }
    if text.isEmpty { return .ok }
    if !text.hasSuffix("\n") { text += "\n" }
    showOnConsole(Array(text.utf8.prefix(Session.maximumText)))
    return .ok
  }

  /// A command by its name, or by what only one name begins with.
  private func carryOut(_ name: String, _ arguments: [String]) throws(PacketError) -> String {
    let own = monitorTable.commands
    let foreign = target.monitorCommands.map(\.name)
    let names = own.map(\.info.name) + foreign
    let candidates = names.contains(name) ? [name] : names.filter { $0.hasPrefix(name) }
    guard let chosen = candidates.first else {
      throw .refused("no such command: \(name) (`monitor help` lists them)")
    }
    guard candidates.count == 1 else {
      throw .refused("\(name) is ambiguous: \(candidates.joined(separator: ", "))")
    }
    if let command = own.first(where: { $0.info.name == chosen }) { return try command.handler(self)(arguments) }
    return try forUser { () throws(TargetError) in try self.target.monitor(chosen, arguments: arguments) }
  }

  /// Carries out what the target may refuse.
  func forUser<T>(_ body: () throws(TargetError) -> T) throws(PacketError) -> T {
    do {
      return try body()
    } catch {
      throw PacketError(error)
    }
  }

  func monitorHelp(_ arguments: [String]) throws(PacketError) -> String {
    let infos = monitorTable.commands.map(\.info) + target.monitorCommands
    let heads = infos.map { $0.usage.isEmpty ? $0.name : "\($0.name) \($0.usage)" }
    let width = heads.map(\.count).max() ?? 0
    let lines = zip(heads, infos).map { head, info in
      "  \(head)\(String(repeating: " ", count: width - head.count))  \(info.summary)"
    }
    return "commands (names may be shortened):\n" + lines.joined(separator: "\n")
      + "\nPLACE is begin, end, a position (1234+56), `instruction N` or iN, a share (50%), or `checkpoint N`."
  }

  func monitorModes(_ arguments: [String]) throws(PacketError) -> String {
    switch arguments {
    case []: return "the client was told of \(layout.architecture.rawValue)"
    case ["follow"]:
      followsModes = true
      return ""
    default: throw .malformed
    }
  }

  func monitorWhy(_ arguments: [String]) throws(PacketError) -> String {
    lastRefusal ?? "nothing has been refused"
  }
}

extension PacketError {
  fileprivate var monitorText: String {
    switch self {
    case .malformed: "wrong arguments (`monitor help` shows the usage)"
    case .tooMuch: "that is too much"
    case .noMemory: "there is no memory"
    case .notFound: "there is no such thing"
    case .refused(let reason): reason
    }
  }
}
