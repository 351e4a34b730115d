internal import VMMCore

// MARK: - Address spaces and processes

extension Session {
  /// `monitor space [auto|any|this|CR3|PID [once]]`: CR3 begins with 0x; once: for the next point alone.
  func monitorSpace(_ arguments: [String]) throws(PacketError) -> String {
    guard arguments.count <= 1 || arguments.count == 2 && arguments[1] == "once" else { throw .malformed }
    if let word = arguments.first {
      let choice = try choice(word)
      if arguments.count == 1 { spaces.choice = choice } else { spaces.choiceOnce = choice }
      // What is not set now is set anew after this; whether it is, is known of clients that leave points set only.
      if keepsPoints { forgetPoints(except: { _ in false }) }
    }
    return "points at user addresses that are set from now on stop in \(spaces.choice.words)"
  }

  private func choice(_ word: String) throws(PacketError) -> PointSpaces.Choice {
    switch word {
    case "auto": return .automatic
    case "any": return .any
    case "this": return .this
    default: break
    }
    if word.hasPrefix("0x"), let cr3 = UInt64(word.dropFirst(2), radix: 16) {
      let pae: UInt64 = 1 << 5
      let state = try registerSource().state
      return .one(AddressSpace(cr3: cr3, isNarrowPAE: state.cr4 & pae != 0 && state.efer & 1 << 10 == 0))
    }
    guard let pid = UInt64(word) else { throw .refused("give auto, any, this, CR3 (0x...) or a process's number") }
    guard let linuxTasks else {
      throw .refused("processes have no numbers here: they need a Linux with symbols, and gdb's Python")
    }
    guard let space = linuxTasks.space(ofProcess: pid) else {
      throw .refused("there is no process \(pid) here, or it has no memory of its own")
    }
    return .one(space)
  }

  /// `monitor linux FIELD=VALUE...`: see `LinuxTasks`.
  func monitorLinux(_ arguments: [String]) throws(PacketError) -> String {
    linuxTasks = arguments.isEmpty ? nil : LinuxTasks(arguments, in: target)
    guard arguments.isEmpty || linuxTasks != nil else { throw .malformed }
    return ""
  }

  /// Points are remembered that are set, and those that `isKept`.
  func forgetPoints(except isKept: (PointSpaces.Point) -> Bool) {
    spaces.keep { breakpoints.contains($0) || isKept($0) }
  }

  /// A run begins: what is not set now is gone, but for the breakpoint where the machine stands, which clients take
  /// away to step over it.
  func forgetPoints(before mode: ResumeRequest.Mode) {
    let here = mode == .continue ? nil : (try? target.registers())?.linearRIP
    forgetPoints { $0.type <= 1 && $0.address == here }
  }

  /// What the user should know about points that are bound to a process: once for each.
  func tellOfSpaces() {
    guard let space = spaces.takeUntold() else { return }
    let name = linuxTasks?.current.map { "process \($0)" } ?? "address space \(space)"
    tell(["points at user addresses that are set here stop in \(name) only (`monitor space any`: in all)"])
  }

  /// Says which process it is that has come to a point at a user address.
  func tellProcess(_ report: StopReport) {
    let address: UInt64? =
      switch report {
      case .watchpoint(_, let address): address
      case .breakpoint: (try? target.registers())?.linearRIP
      default: nil
      }
    guard let address, address >> 63 == 0, let task = linuxTasks?.current else { return }
    tell(["in process \(task)"])
  }
}

extension PointSpaces.Choice {
  fileprivate var words: String {
    switch self {
    case .automatic: "the process that the machine is in then, others in all spaces (auto)"
    case .any: "all address spaces (any)"
    case .this: "the address space that the machine is in then (this)"
    case .one(let space): "address space \(space)"
    }
  }
}
