internal import VMMCore

// MARK: - Where the machine stands, and going elsewhere

extension Session {
  func monitorWhen(_ arguments: [String]) throws(PacketError) -> String { placeText }

  /// Where the machine stands, for people.
  var placeText: String {
    var text = "position \(target.position) of \(target.recording.end)"
    if let count = target.instructionCount {
      text += ", instruction \(count)"
      if let total = target.recording.instructions { text += " of \(total)" }
    }
    return target.isDiverted ? text + " (in a diversion)" : text
  }

  func monitorRecording(_ arguments: [String]) throws(PacketError) -> String {
    let recording = target.recording
    var facts = [RecordingInfo.Fact("recording", recording.name), .init("end", "\(recording.end)")]
    if let instructions = recording.instructions { facts.append(.init("instructions", "\(instructions)")) }
    facts += recording.facts
    facts.append(.init("here", try monitorWhen([])))
    let width = facts.map(\.name.count).max() ?? 0
    return facts.map { fact in
      "\(fact.name):\(String(repeating: " ", count: width - fact.name.count)) \(fact.value)"
    }.joined(separator: "\n")
  }

  func monitorSeek(_ arguments: [String]) throws(PacketError) -> String {
    pendingMove = .go(try Destination(words: arguments))
    return ""
  }

  func monitorGoto(_ arguments: [String]) throws(PacketError) -> String {
    _ = try move(to: try Destination(words: arguments))
    return try monitorWhen([]) + "\nIn gdb, `maintenance flush register-cache` shows it."
  }

  func monitorBack(_ arguments: [String]) throws(PacketError) -> String {
    let count = try stopCount(arguments)
    guard let position = history.back(count) else { throw .refused("there is no earlier stop in the history") }
    pendingMove = .go(.position(position))
    return ""
  }

  func monitorForward(_ arguments: [String]) throws(PacketError) -> String {
    let count = try stopCount(arguments)
    guard let position = history.forward(count) else { throw .refused("there is no later stop in the history") }
    pendingMove = .go(.position(position))
    return ""
  }

  private func stopCount(_ arguments: [String]) throws(PacketError) -> Int {
    guard let word = arguments.first else { return 1 }
    guard arguments.count == 1, let count = Int(word), (1...StopHistory.maximumCount).contains(count) else {
      throw .malformed
    }
    return count
  }

  func monitorHistory(_ arguments: [String]) throws(PacketError) -> String {
    history.positions.enumerated().map { number, position in
      "\(number == history.index ? "*" : " ") \(position)"
    }.joined(separator: "\n")
  }
}

extension Session {
  func monitorProgress(_ arguments: [String]) throws(PacketError) -> String {
    switch arguments {
    case []: break
    case ["on"]: showsProgress = true
    case ["off"]: showsProgress = false
    default: throw .malformed
    }
    return "long moves \(showsProgress ? "tell every second how they get on" : "say nothing on their way")"
  }
}

// MARK: - Checkpoints and diversions

extension Session {
  func monitorCheckpoint(_ arguments: [String]) throws(PacketError) -> String {
    let note = arguments.joined(separator: " ")
    let checkpoint = try forUser { () throws(TargetError) in try self.target.createCheckpoint(note: note) }
    return "Checkpoint \(checkpoint.number) at \(checkpoint.position), \(hex(checkpoint.address))"
  }

  func monitorCheckpoints(_ arguments: [String]) throws(PacketError) -> String {
    let checkpoints = target.checkpoints
    if checkpoints.isEmpty { return "No checkpoints." }
    return "Num  Position  Address\n"
      + checkpoints.map { checkpoint in
        let note = checkpoint.note.isEmpty ? "" : "  \(checkpoint.note)"
        return "\(checkpoint.number)    \(checkpoint.position)  \(hex(checkpoint.address))\(note)"
      }.joined(separator: "\n")
  }

  func monitorRestart(_ arguments: [String]) throws(PacketError) -> String {
    let number = try checkpointNumber(arguments)
    pendingMove = .go(.checkpoint(number))
    return ""
  }

  func monitorDelete(_ arguments: [String]) throws(PacketError) -> String {
    let number = try checkpointNumber(arguments)
    try forUser { () throws(TargetError) in try self.target.deleteCheckpoint(number) }
    return "Checkpoint \(number) deleted."
  }

  private func checkpointNumber(_ arguments: [String]) throws(PacketError) -> Int {
    guard arguments.count == 1, let number = Int(arguments[0]) else { throw .malformed }
    guard target.checkpoints.contains(where: { $0.number == number }) else {
      throw .refused("there is no checkpoint \(number)")
    }
    return number
  }

  func monitorDiversion(_ arguments: [String]) throws(PacketError) -> String {
    switch arguments {
    case ["begin"]:
      try forUser { () throws(TargetError) in try self.target.beginDiversion() }
      return "A diversion begins: registers and memory may be changed until `monitor diversion end`."
    case ["end"]:
      // The next step only shows the old place.
      pendingMove = .stay
      try forUser { () throws(TargetError) in try self.target.endDiversion() }
      return "The diversion is over: the machine stands at \(target.position)."
    case []: return target.isDiverted ? "a diversion is under way" : "no diversion is under way"
    default: throw .malformed
    }
  }
}
