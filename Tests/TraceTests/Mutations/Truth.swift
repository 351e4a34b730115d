import VMMCore

@testable import Trace

/// What a trace says of a run, to hold another trace against. A trace that says only what this one says is true, and a
/// replay of it may be exact. Left out is what FORMAT.md lists under "What a trace does not claim", with these reasons:
///
/// * the machine's fields 1 to 3 and 6 to 12, names and roles of images, times of chunks and of places: where a
///   recording comes from; times bound a search, and decide nothing that is found;
/// * CPUID leaves, undefined behaviour, the size of RAM, fields of the state that no digest has: true or false only for
///   a guest that looks at them, and then what it does differs;
/// * counts of instructions, where KVM has replayed it: it has none;
/// * in a recording whose digests have no counts, how often a loop that leaves all as it was went round before an
///   interrupt;
/// * the place of the index: a reader that finds none does without;
/// * what a guest was given behind the last digest: it shows only in what the guest then does.
struct Truth {
  private let reader: TraceReader
  private let events: [TraceEvent]
  private let memory: [UInt64: UInt8]
  private let state: [UInt64]

  init(_ path: String) throws {
    reader = try TraceReader(path: path)
    let machine = try reader.initialMachine()
    memory = Truth.memory(of: machine)
    state = Truth.masked(machine.state, reader.header.stateRule)
    var events: [TraceEvent] = []
    var cursor = reader.makeCursor()
    while let event = try cursor.next() { events.append(event) }
    self.events = events
  }

  /// All that the other one says this one says too; `nil`, or what it says otherwise.
  /// - Parameter counts: counts of instructions count.
  func lie(of other: Truth, counts: Bool) -> String? {
    let rule = reader.header.stateRule
    func covers(_ mine: TraceEvent, _ its: TraceEvent) -> Bool {
      mine.covers(its, rule, counts: counts) || !hasCounts && mine.isDelivered(like: its)
    }
    if other.memory != memory { return "another memory" }
    if other.state != state { return "another state" }
    var rest = events[...]
    /// Checks at the place where the two are.
    var checks: [TraceEvent] = []
    let lastCheck = other.events.lastIndex { $0.isStateCheck } ?? -1
    for (index, event) in other.events.enumerated() {
      while let first = rest.first, first.isCheck, !covers(first, event) { checks.append(rest.removeFirst()) }
      if let first = rest.first, covers(first, event) || index > lastCheck && first.isAsked(event) {
        if event.isCheck { checks.append(first) } else { checks = [] }
        rest.removeFirst()
      } else if !checks.contains(where: { covers($0, event) }) {
        return "another record: \(event)"
      }
    }
    // A recording that broke off says nothing about the rest.
    if let missing = rest.first(where: { !$0.isCheck }), other.reader.isComplete { return "no \(missing)" }
    return nil
  }

  /// A digest says how many instructions there have been.
  private var hasCounts: Bool {
    events.contains {
      if case .digest(let digest) = $0 { return digest.instructions != 0 }
      return false
    }
  }

  private static func memory(of machine: InitialMachine) -> [UInt64: UInt8] {
    var memory: [UInt64: UInt8] = [:]
    for placement in machine.placements {
      let bytes: ArraySlice<UInt8>
      switch placement.source {
      case .bytes(let content): bytes = content[...]
      case .image(let index, let offset, let count): bytes = machine.images[index].bytes[offset..<(offset + count)]
      }
      for (index, byte) in bytes.enumerated() {
        memory[placement.address.rawValue + UInt64(index)] = byte == 0 ? nil : byte
      }
    }
    return memory
  }

  /// The fields that digests of states have. Bit 1 of RFLAGS is set in every CPU, and TSC_AUX has 32 bits, whatever a
  /// state says; hits of data breakpoints that wait behind a shadow are no part of a state that KVM begins with.
  fileprivate static func masked(_ state: CPUState, _ rule: StateRule) -> [UInt64] {
    var state = state.canonical(rule)
    state.rflags |= 2
    state.interruptShadow &= 3
    return CPUState.fields.map { $0.get(state) & ($0.name == "tsc_aux" ? 0xffff_ffff : $0.digestMask) }
  }
}

extension TraceEvent {
  /// It tells of what the guest was given before it.
  fileprivate var isStateCheck: Bool {
    if case .mark = self { return false }
    return isCheck
  }

  fileprivate var isCheck: Bool {
    switch self {
    case .digest, .detail, .mark: true
    case .interaction, .delivery, .end: false
    }
  }

  /// Whatever the other record says this one says too.
  fileprivate func covers(_ other: TraceEvent, _ rule: StateRule, counts: Bool) -> Bool {
    switch (self, other) {
    case (.delivery(let mine, .fingerprint(let place)), .delivery(let its, .fingerprint(let other))):
      // Registers and a word of memory are there to find it sooner: wrong ones and it is not found.
      return mine == its && place.rip == other.rip && place.cpu == other.cpu && place.memory == other.memory
    case (.digest(let mine), .digest(let its)):
      // 0 for a count is none.
      return mine.cpu == its.cpu && mine.memory == its.memory && mine.output == its.output
        && (its.instructions == 0 || mine.instructions == its.instructions || !counts)
    case (.detail(let mine), .detail(let its)):
      // Each check that a detail has is held against the memory, so those that are left say what is so.
      return TraceEvent.masked(mine, rule) == TraceEvent.masked(its, rule)
    // The place is compared as for a delivery, the count as in a digest.
    case (.mark(let mine), .mark(let its)):
      return TraceEvent.delivery(.nmi, at: mine.place).covers(.delivery(.nmi, at: its.place), rule, counts: counts)
        && (its.instructions == 0 || mine.instructions == its.instructions || !counts)
    case (.end(let mine), .end(let its)): return mine == its || TraceEvent.isUnseen(its)
    default: return self == other
    }
  }

  /// The same is delivered, at another count.
  fileprivate func isDelivered(like other: TraceEvent) -> Bool {
    guard case .delivery(let mine, .instructions) = self, case .delivery(let its, .instructions) = other else {
      return false
    }
    return mine == its
  }

  /// The guest asked the same.
  fileprivate func isAsked(_ other: TraceEvent) -> Bool {
    guard case .interaction(let mine, _) = self, case .interaction(let its, _) = other else { return false }
    return mine == its
  }

  private static func masked(_ detail: StateDetail, _ rule: StateRule) -> [UInt64] {
    var state = CPUState()
    for (field, word) in zip(CPUState.fields, detail.words) { field.set(&state, word) }
    return Truth.masked(state, rule)
  }

  /// Nothing in a replay, which has no devices and no user, shows this end: only that the last event allows it, and
  /// that is looked at.
  private static func isUnseen(_ reason: EndReason) -> Bool {
    switch reason {
    case .powerOff, .reset, .debugExit, .timeout, .interrupted, .engineStopped: true
    case .haltedForGood, .shutdown: false
    }
  }
}
