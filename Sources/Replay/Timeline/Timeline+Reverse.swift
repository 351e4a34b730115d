internal import X86

// Going back: to a checkpoint, and forward from there to the place that is wanted.
extension Timeline {
  /// Runs backward until something that is asked for happens, or the begin is reached.
  public func backward(_ request: TimelineRequest, control: any TimelineControl) throws -> TimelineStop {
    guard diversion == nil else { throw TimelineError("a diversion goes forward only: end it first") }
    return try onThePath { try runBack(request, control) }
  }

  private func runBack(_ request: TimelineRequest, _ control: any TimelineControl) throws -> TimelineStop {
    switch request.mode {
    case .step: return try stepBack(request.watches, control)
    case .continue: return try continueBack(request, control)
    case .range(let range):
      repeat {
        let stop = try stepBack(request.watches, control)
        guard stop == .step else { return stop }
        if request.breakpoints.contains(machine.engine.linearRIP),
          control.shouldReport(breakpointAt: machine.engine.linearRIP)
        {
          return .breakpoint
        }
        if control.shouldStop() { return .interrupted }
      } while range.contains(machine.engine.linearRIP)
      return .step
    }
  }

  // MARK: one step

  private func stepBack(_ watches: [WatchRange], _ control: any TimelineControl) throws -> TimelineStop {
    let here = moment
    guard here > .begin else { return .begin }
    guard try goToPredecessor(of: here, control) else { return .interrupted }
    guard !watches.isEmpty else { return .step }
    // Over an instruction that hits a watchpoint: once more, to see.
    let before = moment
    machine.arm(breakpoints: [], watches: watches)
    let stop = try machine.advance(to: nextStep, shouldStop: { false })
    try go(to: before, control)
    if case .watch(let range, let address) = stop { return .watch(range, address: address) }
    return .step
  }

  /// Goes to the last place before a moment where a step can end. False when it was interrupted on the way.
  @discardableResult
  private func goToPredecessor(of moment: Moment, _ control: any TimelineControl) throws -> Bool {
    // Without a step there is at most a delivery at the same count; usually the count before has the place.
    guard let count = try numberBefore(moment, control) else { return false }
    guard let start = store.last(before: moment) else { return true }
    let goal = TimelineMachine.Goal(instructions: max(count, start.moment.instructions))
    guard try approach(goal, before: moment, control) else { return false }
    machine.arm(breakpoints: [], watches: [])
    let from = try takeCheckpoint()
    var last = from.moment
    var steps = 0
    while true {
      let stop = try machine.advance(to: nextStep, shouldStop: { false })
      if stop == .end || self.moment >= moment { break }
      last = self.moment
      steps += 1
    }
    try goBack(to: from)
    for _ in 0..<steps { _ = try machine.advance(to: nextStep, shouldStop: { false }) }
    guard self.moment == last else { throw TimelineError("the replay did not come to the same place twice") }
    return true
  }

  /// The number of the instruction before a place; `nil` when it was interrupted while it was being found out.
  private func numberBefore(_ moment: Moment, _ control: any TimelineControl) throws -> UInt64? {
    guard let epoch = machine.epochs.epoch(startingAt: moment.instructions) else {
      return moment.instructions > 0 ? moment.instructions - 1 : 0
    }
    if machine.epochs.numberBefore(epoch) == nil, try !count(before: epoch, control) { return nil }
    return machine.epochs.numberBefore(epoch)
  }

  /// Runs through what lies between the last checkpoint before an epoch and its start, where the software engine has
  /// not been: the numbers there are known then. False when it was interrupted on the way.
  func count(before epoch: Epochs.Epoch, _ control: any TimelineControl) throws -> Bool {
    let start = Moment(instructions: epoch.start, events: epoch.events)
    return try approach(.moment(start), before: Moment(instructions: epoch.start, events: 0), control)
  }

  // MARK: to a moment

  /// Goes to a moment that the machine has been at. False when it was interrupted on the way.
  @discardableResult
  func go(to moment: Moment, _ control: any TimelineControl) throws -> Bool {
    try approach(.moment(moment), before: moment.next, control)
  }

  /// Runs to a goal from the nearest checkpoint before `bound`, or from here if that is nearer, and leaves checkpoints
  /// behind that lie the closer together the nearer they are to the goal.
  func approach(
    _ goal: TimelineMachine.Goal, before bound: Moment, _ control: any TimelineControl
  ) throws -> Bool {
    machine.arm(breakpoints: [], watches: [])
    if let start = store.last(before: bound), moment >= bound || moment < start.moment || !machine.isBetweenInstructions
    {
      try goBack(to: start)
    }
    for distance in Timeline.approachDistances {
      let here = moment.instructions
      guard goal.instructions > distance, goal.instructions - distance > here else { continue }
      let count = goal.instructions - distance
      guard try runQuietly(to: .init(instructions: count), control) else { return false }
      if machine.isAtInstruction, !store.hasOne(within: distance / 2, before: moment) { try leaveCheckpoint() }
    }
    return try runQuietly(to: goal, control)
  }

  /// How far before a place that is gone back to checkpoints are left, in instructions.
  private static let approachDistances: [UInt64] = [8_000_000, 1_000_000, 130_000, 16_000, 2_000, 250, 30]

  /// Runs with nothing armed. False when it was interrupted.
  private func runQuietly(to goal: TimelineMachine.Goal, _ control: any TimelineControl) throws -> Bool {
    while true {
      switch try run(to: goal, control) {
      case .step, .end: return true
      case .interrupted: return false
      default: continue
      }
    }
  }

  // MARK: continue

  private func continueBack(_ request: TimelineRequest, _ control: any TimelineControl) throws -> TimelineStop {
    let here = moment
    guard here > .begin else { return .begin }
    guard !request.breakpoints.isEmpty || !request.watches.isEmpty else {
      return try go(to: .begin, control) ? .begin : .interrupted
    }
    endFootprint()
    if let hits = knownHits?.last(before: here, request), let stop = try goBack(toKnown: hits, control) { return stop }
    let items = request.items(control)
    var end = quietBeginning(items, upTo: here)
    var most = options.mostHits
    while let start = store.last(before: end) {
      try goBack(to: start)
      switch try hits(until: end, before: here, most: most, request, items, control) {
      case .interrupted: return try interrupted(at: end, control)
      case .many:
        // Closer to the end of the segment there are fewer.
        guard try go(to: end, control) else { return try interrupted(at: end, control) }
        most = store.last(before: end) === start ? Int.max : options.mostHits
      case .hits(let hits):
        if let hit = hits.last {
          knownHits = hits
          guard try goBack(to: hit, after: hits.beforeLast, control) else {
            return try interrupted(at: end, control)
          }
          return hit.stop
        }
        end = quietBeginning(items, upTo: start.moment)
        most = options.mostHits
      }
    }
    return try go(to: .begin, control) ? .begin : .interrupted
  }

  /// A search is given up: the machine stands where all behind it has been searched, so that who goes on from there
  /// misses nothing.
  private func interrupted(at end: Moment, _ control: any TimelineControl) throws -> TimelineStop {
    try go(to: end, control)
    return .interrupted
  }

  /// The earliest moment from which on it is known that none of the items is found up to `end`.
  private func quietBeginning(_ items: [SearchItem], upTo end: Moment) -> Moment {
    items.map { item in
      var beginning = end
      while true {
        let known = min(
          stretches.beginning(of: item, upTo: beginning), searched.beginning(of: item, upTo: beginning),
          searchedPages.beginning(of: item, upTo: beginning))
        if known == beginning { return beginning }
        beginning = known
      }
    }.max() ?? end
  }

  /// Goes where a backward run stops for a hit; `previous` is the one before it. False when it was interrupted on the
  /// way.
  private func goBack(to hit: Hit, after previous: Hit?, _ control: any TimelineControl) throws -> Bool {
    guard case .watch = hit.stop else { return try go(to: hit.moment, control) }
    guard try goToPredecessor(of: hit.moment, control) else { return false }
    // The hit before it is nearer when one REP instruction, which an interrupt has split, has both.
    if let previous, previous.moment > moment { return try go(to: previous.moment, control) }
    return true
  }

  /// As a search would have come there; `nil`, and the machine has moved, when the stop is not wanted this time.
  private func goBack(
    toKnown hits: (last: Hit, previous: Hit?), _ control: any TimelineControl
  ) throws -> TimelineStop? {
    let hit = hits.last
    guard try goBack(to: hit, after: hits.previous, control) else { return .interrupted }
    guard hit.stop == .breakpoint, !control.shouldReport(breakpointAt: machine.engine.linearRIP) else {
      return hit.stop
    }
    knownHits = nil
    return nil
  }

  /// What a search for the stops of a segment found.
  private enum SearchResult {
    case hits(KnownHits)
    /// More than it is worth to go through one by one.
    case many
    case interrupted
  }

  /// Runs from a checkpoint to the end of its segment, for the stops on the way.
  private func hits(
    until end: Moment, before here: Moment, most: Int, _ request: TimelineRequest, _ items: [SearchItem],
    _ control: any TimelineControl
  ) throws -> SearchResult {
    machine.arm(request)
    _ = machine.engine.takeWordAccesses()
    _ = machine.engine.takeRefusedStops()
    let start = moment
    var hits = KnownHits(request, from: start, to: end)
    var tally = SearchTally()
    var count = 0
    func take(_ stop: TimelineStop, _ address: UInt64? = nil) {
      if let address { tally.met(breakpointAt: address) } else { tally.metWatch() }
      guard Hit(moment: moment, stop: stop).comes(before: here) else { return }
      if let address {
        guard control.shouldReport(breakpointAt: address) else { return hits.noteRefusal() }
        tally.reported(breakpointAt: address)
      }
      hits.note(Hit(moment: moment, stop: stop))
      count += 1
    }
    func found() -> SearchResult {
      for address in machine.engine.takeRefusedStops() {
        tally.met(breakpointAt: address)
        hits.noteRefusal()
      }
      for item in tally.missing(of: items) { searched.insert(item, from: start, to: end) }
      for accesses in machine.engine.takeWordAccesses() {
        searchedPages.insert(ExploredStretch(from: start, to: end, traces: accesses))
      }
      return .hits(hits)
    }
    if let address = try machine.breakpointHere() { take(.breakpoint, address) }
    while count <= most {
      switch try machine.advance(to: .moment(end), shouldStop: { control.shouldStop() }) {
      case .breakpoint(let address): if moment < end { take(.breakpoint, address) }
      case .watch(let range, let address): take(.watch(range, address: address))
      case .interrupted: return .interrupted
      case .goal, .end, .delivered: return found()
      }
      if moment >= end { return found() }
    }
    return .many
  }
}
