internal import VMMCore

/// Why a session with one client ended.
public enum SessionEnd: Equatable, Sendable {
  /// The client detached in order.
  case detached
  /// The client killed the machine.
  case killed
  /// The connection went away, or the server was asked to stop.
  case closed
}

/// One client's conversation about one target: takes packets, answers each, until the client leaves. Everything that
/// is bound to a connection (breakpoints, modes, the history of stops) is here; the target outlives it.
public final class Session {
  let target: any DebugTarget
  private let transport: any Transport
  let clock: () -> UInt64

  /// What the client was told when it last read target.xml.
  private(set) var layout: RegisterLayout
  private let options: Server.Options
  var breakpoints = BreakpointTable()
  var spaces = PointSpaces()
  /// What the client knows of the guest, when that is a Linux with symbols.
  var linuxTasks: LinuxTasks?
  /// What the client sees instead of the machine's own registers, until the machine moves.
  var sleeping: SleepingTask?
  /// What monitor commands have made for `remote get`, and the one that the client reads.
  var files: [String: [UInt8]] = [:]
  var openedFile: [UInt8]?
  /// The client leaves its points set while the machine stands.
  var keepsPoints = false
  var history = StopHistory()
  var client = ClientFeatures()

  /// Long moves tell how they get on.
  var showsProgress = true
  /// The stop that `?` tells again.
  var lastStop = StopReport.step
  /// `m`, `M` and `X` name guest-physical addresses (Qqemu.PhyMemMode).
  var usesPhysicalMemory = false
  /// What the next resume does instead of running: how `monitor seek` makes the client see the new place as a stop.
  var pendingMove: PendingMove?
  /// An interrupt has found the machine stopped, as one between two steps of many does: the next run ends at once (gdb
  /// manual, E.5). A command that the user gives meanwhile says that this is over.
  var interruptIsQueued = false
  /// Where gdb believes the machine to be: see `skipsBreakpoint`. For a step it runs to a breakpoint there.
  var skippedBreakpoint: UInt64?
  /// How many steps in a row have gone nowhere, because the recording ends here.
  var stepsAtTheEdge = 0
  /// What the last refused change of registers or memory was refused for.
  var lastRefusal: String?
  /// Told of refused changes of memory, whose reason gdb does not show.
  var onRefusedWrite: (String) -> Void = { _ in }
  /// target.xml.
  private(set) lazy var targetDescription = TargetDescription(layout).xml
  /// The client reads target.xml anew when the machine's mode has changed.
  var followsModes = false
  var hasWarnedAboutArchitecture = false
  /// Extended mode: the client stays after `kill` and may start again.
  var isExtended = false
  /// The client has killed the machine and not started it again.
  var wasKilled = false
  /// Set by a packet that ends the session.
  var ending: SessionEnd?
  /// Set by QStartNoAckMode once its answer is acknowledged.
  var acknowledges = true

  private let packets = PacketTable()
  let monitorTable = MonitorTable()
  private var parser = PacketParser()
  private var input: [UInt8] = []
  private var inputIndex = 0
  /// Events that came while the machine ran.
  private var deferred: [ClientEvent] = []
  private var lastFrame: [UInt8] = []

  /// A client that sends so much while the machine runs is not a debugger.
  private static let maximumDeferred = 256
  private static let maximumDeferredBytes = 4 * PacketParser.maximumPayload

  public convenience init(target: any DebugTarget, transport: any Transport, options: Server.Options = .init()) {
    self.init(target: target, transport: transport, options: options, clock: monotonicTime)
  }

  /// - Parameter clock: nanoseconds; does not go back.
  init(
    target: any DebugTarget, transport: any Transport, options: Server.Options, clock: @escaping () -> UInt64
  ) {
    self.target = target
    self.transport = transport
    self.options = options
    self.clock = clock
    layout = Session.layout(for: target, options)
    history.record(target.position)
  }

  private static func layout(for target: any DebugTarget, _ options: Server.Options) -> RegisterLayout {
    let fitting = (try? target.registers()).map { ClientArchitecture(for: $0) }
    return RegisterLayout(options.architecture ?? fitting ?? .x64, showsWideAddresses: options.hasWideSymbols)
  }

  /// The client asks for target.xml: it gets the description that fits the code that the machine is in now.
  func describeAnew() {
    let fitting = Session.layout(for: target, options)
    guard fitting.architecture != layout.architecture else { return }
    layout = fitting
    targetDescription = TargetDescription(layout).xml
  }

  /// Serves the client until it leaves. A diversion that it has begun ends with it.
  public func run() -> SessionEnd {
    while ending == nil, let event = nextEvent() { handle(event) }
    if target.isDiverted { try? target.endDiversion() }
    return wasKilled ? .killed : ending ?? .closed
  }

  private func handle(_ event: ClientEvent) {
    switch event {
    case .packet(let payload):
      acknowledge("+")
      answer(payload)
    case .damaged: acknowledge("-")
    case .oversized:
      acknowledge("+")
      send(.payload(PacketError.tooMuch.payload))
    case .rejected: if !lastFrame.isEmpty, acknowledges { transmit(lastFrame) }
    case .interrupt: interruptIsQueued = true
    case .acknowledged: break
    }
  }

  private func answer(_ payload: [UInt8]) {
    let wasAcknowledging = acknowledges
    do {
      send(try packets.reply(to: payload, in: self))
    } catch {
      if case .refused(let reason) = error { lastRefusal = reason }
      send(.payload(error.payload))
    }
    if wasAcknowledging, !acknowledges { parser.verifiesChecksums = false }
  }

  private func acknowledge(_ sign: String) {
    if acknowledges { transmit(Array(sign.utf8)) }
  }

  private func send(_ reply: Reply) {
    guard case .payload(let payload) = reply else { return }
    lastFrame = payload.framed
    transmit(lastFrame)
  }

  private func transmit(_ bytes: [UInt8]) {
    if ending != .closed, !transport.send(bytes) { ending = .closed }
  }

  /// Shows text on the client's console. Clients accept it only while they wait for the machine to stop, or for the
  /// answer to `qRcmd`.
  func showOnConsole(_ text: [UInt8]) {
    transmit(([UInt8(ascii: "O")] + text.hexText).framed)
  }
}

// MARK: - Input

extension Session {
  /// The next thing that the client sends; `nil` when it is gone.
  private func nextEvent() -> ClientEvent? {
    if !deferred.isEmpty { return deferred.removeFirst() }
    while true {
      if let event = parsedEvent() { return event }
      guard transport.receive(into: &input, wait: true) != .closed else { return nil }
    }
  }

  private func parsedEvent() -> ClientEvent? {
    while inputIndex < input.count {
      let byte = input[inputIndex]
      inputIndex += 1
      if let event = parser.take(byte) { return event }
    }
    input.removeAll(keepingCapacity: input.capacity <= 65536)
    inputIndex = 0
    return nil
  }

  /// Looks at what has come while the machine runs: true when it should stop. Packets that came too early are kept.
  func pollForInterrupt() -> Bool {
    if ending != nil { return true }
    while true {
      while let event = parsedEvent() {
        switch event {
        case .interrupt: return true
        case .acknowledged, .rejected: break
        default: keep(event)
        }
        if ending != nil { return true }
      }
      switch transport.receive(into: &input, wait: false) {
      case .bytes: continue
      case .nothing: return false
      case .closed:
        ending = .closed
        return true
      }
    }
  }

  private func keep(_ event: ClientEvent) {
    deferred.append(event)
    let bytes = deferred.reduce(0) { total, event in
      if case .packet(let payload) = event { total + payload.count } else { total }
    }
    if deferred.count > Session.maximumDeferred || bytes > Session.maximumDeferredBytes { ending = .closed }
  }
}

/// See `Session.pendingMove`.
enum PendingMove: Equatable {
  case go(Destination)
  /// The machine is there already: the step that the gdb script takes next only shows the place.
  case stay
}

/// What the client said it understands.
struct ClientFeatures {
  var swbreak = false
  var hwbreak = false
}
