internal import GuestMemory
internal import KVM
internal import VMMCore
internal import X86

/// KVM, with the software engine for what this host's KVM cannot do: instructions that it does not execute
/// (KVM_EXIT_INTERNAL_ERROR), places that it cannot stop at, the first place where an interrupt is accepted. The state
/// goes over, the partner does its part, and the state goes back. The partner is made when it is first needed, so where
/// KVM lacks nothing this is KVM alone.
final class PartneredKVMEngine: Engine, DeadlineEngine {
  let name = EngineKind.kvm.rawValue
  let kvm: KVMEngine
  var duties = PartnerDuties.ofThisHost
  private let memory: GuestMemory
  private let cpuModel: CPUModel
  private var partner: SoftwareEngine?
  /// The partner holds the state.
  private var isWithPartner = false
  /// Pages that were dirty before the partner took over.
  private var earlierPages: [Int] = []
  /// KVM may keep translations that the partner has made void.
  private var translationsAreOld = false
  private var search = PlaceSearch()

  /// Instructions that the partner has executed because KVM does not.
  private(set) var repairedInstructions: UInt64 = 0
  /// How often the partner has taken over to stop somewhere.
  private(set) var handOvers: UInt64 = 0
  private(set) var instructionsOfLastRun: UInt64?

  /// Instructions of the partner between two looks at whether it is to stop.
  private let slice: UInt64 = 25_000
  /// More single steps than this take KVM longer than the partner needs for them and for the way there and back.
  private let longestWalk: UInt64 = 200
  /// Code of so many instructions without an addition, subtraction or comparison does not look at flags.
  private let mostUndefined = 64

  init(memory: GuestMemory, cpuModel: CPUModel) throws(EngineError) {
    self.memory = memory
    self.cpuModel = cpuModel
    kvm = try KVMEngine(memory: memory, cpuModel: cpuModel)
  }

  private var software: SoftwareEngine {
    if let partner { return partner }
    let made = SoftwareEngine(memory: memory, cpuModel: cpuModel)
    partner = made
    return made
  }

  // MARK: running

  func run(_ limit: RunLimit) throws(EngineError) -> VCPUExit {
    instructionsOfLastRun = nil
    if isWithPartner, try !software.settle() { return try software.run(.instructions(1)) }
    if isForPartner(limit), try settle() { return try runPartner(limit) }
    if case .until(let rip, _) = limit {
      return rip == search.address ? try lookFor(rip, limit) : try runToAddress(rip)
    }
    try comeBack()
    return try runKVM(limit)
  }

  /// The partner does this part: because KVM cannot, or would take longer.
  private func isForPartner(_ limit: RunLimit) -> Bool {
    switch limit {
    case .free: (stopsWhenInterruptible || stopsAtLowerTaskPriority) && !HostFitness.stopsAtWindows
    case .instructions(let count): duties.steps || duties.stopsInUserMode || count > longestWalk
    case .until(let rip, _): duties.searches || duties.stopsInUserMode || rip == search.address && search.isLong
    }
  }

  private func runKVM(_ limit: RunLimit) throws(EngineError) -> VCPUExit {
    guard case .instructions(let count) = limit else { return try runRepaired(limit) }
    var done: UInt64 = 0
    defer { instructionsOfLastRun = done }
    while done < count {
      let exit = try kvm.run(.instructions(count - done))
      done += kvm.steppedInstructions
      guard case .notEmulated(let code) = exit else { return exit }
      if let exit = try repair(code) { return exit }
      done += 1
    }
    return .stopped
  }

  private func runRepaired(_ limit: RunLimit) throws(EngineError) -> VCPUExit {
    while true {
      let exit = try kvm.run(limit)
      guard case .notEmulated(let code) = exit else { return exit }
      if let exit = try repair(code) { return exit }
      if case .until(let rip, _) = limit, software.linearRIP == rip { return .stopped }
    }
  }

  /// From one pass of an address to the next, while the registers are not those looked for and there are not too many.
  private func lookFor(_ rip: UInt64, _ limit: RunLimit) throws(EngineError) -> VCPUExit {
    while true {
      let exit = try runToAddress(rip)
      guard exit == .stopped, try search.passes(state().gpr, memory) else { return exit }
      if search.isLong { return try runPartner(limit) }
    }
  }

  /// To the next pass of an address, by KVM's breakpoint. The first instruction is not looked at: KVM would step over
  /// it.
  private func runToAddress(_ rip: UInt64) throws(EngineError) -> VCPUExit {
    if duties.steps, try settle() {
      let exit = try runPartner(.until(rip: rip, within: 1))
      guard exit == .stopped, try state().linearRIP != rip else { return exit }
    }
    instructionsOfLastRun = nil
    try comeBack()
    return try runKVM(.until(rip: rip))
  }

  func setStopFilter(_ filter: StopFilter?) { search = PlaceSearch(filter: filter) }

  // MARK: the partner

  private func runPartner(_ limit: RunLimit) throws(EngineError) -> VCPUExit {
    try goOver()
    software.stopsWhenInterruptible = stopsWhenInterruptible
    software.stopsAtLowerTaskPriority = stopsAtLowerTaskPriority
    software.setStopFilter(search.filter)
    defer {
      software.stopsWhenInterruptible = false
      software.stopsAtLowerTaskPriority = false
      software.setStopFilter(nil)
    }
    var done: UInt64 = 0
    defer { instructionsOfLastRun = done }
    while true {
      let start = software.retiredInstructions ?? 0
      let piece = limit.piece(after: done, slice)
      let exit = try software.run(piece)
      done += (software.retiredInstructions ?? 0) &- start
      switch exit {
      case .stopped:
        if limit.isOver(after: done) { return .stopped }
        if case .until(let rip, _) = limit, software.linearRIP == rip { return .stopped }
        if try kvm.takeKick() { return .kicked }
      case .timestampRead, .randomRead:
        // Whether it is asked for, KVM decides.
        software.withdrawInteraction()
        try comeBack()
        let exit = try runKVM(.instructions(1))
        guard exit == .stopped else { return exit }
        done += 1
        if limit.isOver(after: done) { return .stopped }
        try goOver()
      case .halt, .shutdown:
        try comeBack()
        return exit
      default: return exit
      }
    }
  }

  private func goOver() throws(EngineError) {
    guard !isWithPartner else { return }
    handOvers += 1
    try takeOver()
    // It may execute INVLPG and its like.
    translationsAreOld = true
  }

  private func takeOver() throws(EngineError) {
    let state = try kvm.state()
    earlierPages = memory.takeDirtyPages()
    try software.setState(state)
    isWithPartner = true
  }

  /// The partner executes the next instruction. An exit when it is an interaction, or the end.
  private func repair(_ code: [UInt8]) throws(EngineError) -> VCPUExit? {
    repairedInstructions += 1
    try takeOver()
    // INVPCID.
    translationsAreOld = code.indices.dropLast(2).contains { Array(code[$0...($0 + 2)]) == [0x0f, 0x38, 0x82] }
    let exit = try software.run(.instructions(1))
    if exit.isInteraction, exit != .halt { return exit }
    try comeBack()
    return exit == .stopped ? nil : exit
  }

  /// Gives KVM what the partner has changed. Only where the partner is settled.
  private func comeBack() throws(EngineError) {
    guard isWithPartner else { return }
    let state = try software.state()
    // The partner may have written to page tables that KVM keeps translations of.
    if try leavePartner() { try kvm.prepareToRestore() }
    try kvm.setState(state)
  }

  /// The partner holds the state no longer. True when KVM has to forget what it derived from memory.
  private func leavePartner() throws(EngineError) -> Bool {
    guard isWithPartner else { return false }
    isWithPartner = false
    defer { translationsAreOld = false }
    try software.collectDirtyPages()
    let written = memory.putBackDirtyPages(earlierPages)
    earlierPages = []
    return !written.isEmpty || translationsAreOld
  }

  /// KVM, with nothing left to do for the partner.
  private func onKVM() throws(EngineError) -> KVMEngine {
    try checkSettled()
    try comeBack()
    return kvm
  }

  /// Who holds the state, at a boundary.
  private func holder() throws(EngineError) -> any Engine {
    try checkSettled()
    return isWithPartner ? software : kvm
  }

  private func checkSettled() throws(EngineError) {
    guard try settle() else { throw EngineError("the state was asked for inside an interaction") }
  }

  // MARK: answers

  func reply(_ value: UInt64) { isWithPartner ? software.reply(value) : kvm.reply(value) }
  func replyFault() { isWithPartner ? software.replyFault() : kvm.replyFault() }
  func acknowledge() { isWithPartner ? software.acknowledge() : kvm.acknowledge() }

  func settle() throws(EngineError) -> Bool { try isWithPartner ? software.settle() : kvm.settle() }

  // MARK: state and events

  func state() throws(EngineError) -> CPUState { try holder().state() }

  func setState(_ state: CPUState) throws(EngineError) {
    if try leavePartner() { try kvm.prepareToRestore() }
    try kvm.setState(state)
  }

  func prepareToRestore() throws(EngineError) {
    _ = try leavePartner()
    try kvm.prepareToRestore()
  }

  func isInterruptible() throws(EngineError) -> Bool {
    guard try settle() else { return false }
    return try holder().isInterruptible()
  }

  func inject(interrupt vector: UInt8) throws(EngineError) { try onKVM().inject(interrupt: vector) }
  func injectNMI() throws(EngineError) { try onKVM().injectNMI() }

  func collectDirtyPages() throws(EngineError) {
    if try settle() { try comeBack() }
    try kvm.collectDirtyPages()
  }

  /// Where the partner steps it carries on further, to where every flag has its defined value: a host's CPU may leave
  /// others behind IMUL and its like than the engine that will look for the place. It goes past no place where
  /// interrupts come to be accepted, or are for the last time.
  func finishInstruction() throws(EngineError) -> VCPUExit? {
    let engine = try holder()
    guard duties.steps, !isWithPartner else {
      let start = engine.retiredInstructions
      defer { instructionsOfLastRun = start.flatMap { start in engine.retiredInstructions.map { $0 &- start } } }
      return try engine.finishInstruction()
    }
    var isAtPlace = kvm.stoppedAtWindow
    var isOpen = try isInterruptible()
    var done: UInt64 = 0
    defer { instructionsOfLastRun = done }
    for _ in 0..<mostUndefined {
      let state = try state()
      let code = LinearMemory(state.paging, memory).read(state.linearRIP, count: 15)
      let isInside = repeatedStringLength(code, is64Bit: state.is64Bit) != nil
      if !isInside, isAtPlace || isOpen && mayCloseWindow(code, is64Bit: state.is64Bit) { return nil }
      let exit = try runPartner(.instructions(1))
      done += instructionsOfLastRun ?? 0
      guard exit == .stopped else { return exit }
      let wasOpen = isOpen
      isOpen = try isInterruptible()
      isAtPlace = definesFlags(code, is64Bit: state.is64Bit) || isOpen && !wasOpen
    }
    return nil
  }

  func privilegeLevel() throws(EngineError) -> UInt8 { try holder().privilegeLevel() }
  /// Where KVM cannot, the partner can.
  func canStep() throws(EngineError) -> Bool { try duties.stopsInUserMode || duties.steps ? true : onKVM().canStep() }
  func follow(_ rule: StateRule) { kvm.follow(rule) }
  /// What the partner has executed, if there was one.
  func takeDoubts() -> [UndefinedDoubt] { partner?.takeDoubts() ?? [] }
  var taskPriority: UInt8 { isWithPartner ? software.taskPriority : kvm.taskPriority }
  func setTaskPriority(_ priority: UInt8) {
    isWithPartner ? software.setTaskPriority(priority) : kvm.setTaskPriority(priority)
  }
  var apicBase: UInt64 { isWithPartner ? software.apicBase : kvm.apicBase }
  var stopsAtLowerTaskPriority: Bool {
    get { kvm.stopsAtLowerTaskPriority }
    set { kvm.stopsAtLowerTaskPriority = newValue }
  }
  var stopsWhenInterruptible: Bool {
    get { kvm.stopsWhenInterruptible }
    set { kvm.stopsWhenInterruptible = newValue }
  }
  var retiredInstructions: UInt64? { nil }
  func kick() { kvm.kick() }
  func setDeadline(_ deadline: UInt64) throws(EngineError) { try kvm.setDeadline(deadline) }
}

/// The search for the place where an address is passed with certain registers.
private struct PlaceSearch {
  /// `nil` when nothing is looked for.
  var filter: StopFilter?
  /// The linear address.
  var address: UInt64? { filter?.address }
  private var misses = 0

  /// Each pass costs KVM an exit; the partner runs over a million of them while KVM makes some thousands.
  private static let mostMisses = 64

  init(filter: StopFilter? = nil) { self.filter = filter }

  /// KVM takes longer than the partner would.
  var isLong: Bool { misses >= PlaceSearch.mostMisses }

  /// The address was met with these registers: whether that is of no interest.
  mutating func passes(_ found: SIMD16<UInt64>, _ memory: GuestMemory) -> Bool {
    guard let filter else { return false }
    if found == filter.registers && filter.word.map({ memory.holds($0) }) ?? true { return false }
    misses += 1
    return true
  }
}

extension RunLimit {
  /// The next piece of at most `slice` instructions, when so many are done.
  fileprivate func piece(after done: UInt64, _ slice: UInt64) -> RunLimit {
    switch self {
    case .free: .instructions(slice)
    case .instructions(let count): .instructions(min(count - done, slice))
    case .until(let rip, let within): .until(rip: rip, within: min(within - done, slice))
    }
  }

  /// So many instructions are all that it allows.
  fileprivate func isOver(after done: UInt64) -> Bool {
    switch self {
    case .free: false
    case .instructions(let count): done >= count
    case .until(_, let within): done >= within
    }
  }
}
