internal import GDBStub
internal import Glibc
internal import Machine
internal import Replay
internal import Trace
internal import VMMCore

/// `chronovisor replay [TRACE]`: re-executes a trace, under gdb or on its own.
enum ReplayCommand: Command {
  static let name = "replay"
  static let synopsis = "[OPTIONS] [TRACE] [-- GDB-ARGUMENTS]"
  static let summary = "re-execute a trace (default: the latest) under gdb, forwards and backwards"
  static let options = [
    Option("--autopilot", "-a", help: "no gdb: replay to the end, check everything, print the console"),
    Option("--serve", "-s", value: "[HOST:]PORT", help: "serve a debugger here (loopback unless HOST says otherwise)"),
    Option("--socket", value: "PATH", help: "serve a debugger on a Unix socket"),
    Option("--stdio", help: "serve a debugger on stdin and stdout: target remote | chronovisor replay --stdio"),
    Option("--keep-listening", "-k", help: "serve one debugger after another"),
    Option(
      "--gdb-script", value: "FILE", help: "with -s: write the commands that replay's own gdb has, for source FILE"),
    Option(
      "--goto", "-g", value: "PLACE",
      help: "start there: begin, end, a position, an instruction count i123, a share 50%"),
    Option("--debugger", "-d", value: "GDB", help: "the gdb to start (default: gdb)"),
    Option(
      "--symbols", value: "FILE", help: "take symbols from this ELF file, and gdb commands from FILE-gdb.py"),
    Option("--script", "-x", value: "FILE", help: "gdb commands to carry out at the begin"),
    translationOption,
    Option("--checkpoint-memory", value: "SIZE", help: "memory for checkpoints: 256M, 1G, ... (default 1G)"),
    Option(
      "--engine", value: "ENGINE",
      help: "auto (default: with -a as verify; under gdb software, and KVM to get near), kvm or software"),
  ]

  static func run(_ arguments: Arguments) throws -> Int32 {
    let path = try arguments.traceOperand()
    try arguments.chooseTranslation()
    if arguments.has("--autopilot") { return try runAlone(path, try arguments.engineKind()) }
    var options = Timeline.Options()
    if let bytes = try arguments.size("--checkpoint-memory") { options.checkpointMemory = Int(min(bytes, 1 << 46)) }
    if let kind = try arguments.engineKind() { options.fastForward = .with(kind) }
    let timeline = try Timeline(path: path, options: options)
    try go(to: arguments.value("--goto"), timeline)
    let target = ReplayTarget(timeline, name: path)
    let isLinux = timeline.reader.header.guestKind.hasPrefix("Linux")
    if let file = arguments.value("--gdb-script") {
      let images = timeline.initial.images
      let code = isLinux ? try DebugSymbols.entryCode(named: arguments.value("--symbols"), images: images) : nil
      try writeFile(GDBScript.settingUp(isLinux: isLinux, entryCode: code), to: file, as: "gdb script")
    }
    if let endpoint = try arguments.endpoint() {
      return try serve(target, endpoint, keepsListening: arguments.has("--keep-listening"))
    }
    var gdb = GDBLauncher()
    if let program = arguments.value("--debugger") { gdb.program = program }
    gdb.script = arguments.value("--script")
    gdb.symbols = arguments.value("--symbols")
    gdb.isLinux = isLinux
    gdb.arguments = arguments.rest
    return try gdb.run(target, images: timeline.initial.images)
  }

  // MARK: under a debugger

  private static func go(to text: String?, _ timeline: Timeline) throws {
    guard let text else { return }
    guard let destination = Destination(text) else {
      throw UsageError("--goto \(text): not a place (\(Destination.choices))")
    }
    do {
      guard let place = try place(of: destination, timeline) else {
        throw UsageError("--goto \(text): there are no checkpoints yet (\(Destination.choices))")
      }
      _ = try timeline.seek(place, control: Unattended())
    } catch let divergence as Divergence {
      // The debugger finds the machine where it left the recorded path.
      for line in divergence.report { complain(line) }
    }
  }

  /// `nil` for a checkpoint: who takes them is not there yet.
  private static func place(of destination: Destination, _ timeline: Timeline) throws -> TimelinePlace? {
    switch destination {
    case .begin: return .begin
    case .end: return .end
    case .position(let position): return .position(position)
    case .instruction(let count): return .instruction(count)
    case .share(let share):
      if timeline.totalInstructions == nil { _ = try timeline.countInstructions(control: Unattended()) }
      return .instruction(Destination.instruction(at: share, of: timeline.totalInstructions ?? 0))
    case .checkpoint: return nil
    }
  }

  private static func serve(_ target: ReplayTarget, _ endpoint: Endpoint, keepsListening: Bool) throws -> Int32 {
    let server = try Server(endpoint, options: .init(keepsListening: keepsListening))
    for notice in server.notices { complain("chronovisor: \(notice)") }
    if endpoint != .standardIO { complain("chronovisor: waiting for gdb: target remote \(server.name)") }
    let stopper = server.stopper
    // Ctrl-C at a gdb whose pipe we are is for gdb.
    let signals = EndSignals(endpoint == .standardIO ? [SIGTERM, SIGHUP] : [SIGTERM, SIGHUP, SIGINT])
    try signals.start(EndSignals.Response(begin: { _ in stopper.stop() }, insist: { _exit(128 + $0) }))
    let say: (String) -> Void = { complain("chronovisor: \($0)") }
    _ = server.serve(target, event: say, refusal: say)
    return signals.exitStatus ?? ExitStatus.success
  }

  // MARK: alone

  private static func runAlone(_ path: String, _ engine: EngineKind?) throws -> Int32 {
    let console = ConsoleWriter()
    defer { console.flush() }
    do {
      let stop = try ReplayStop()
      let replayer = try TraceReplayer(path: path, engine: engine)
      replayer.shouldStop = { stop.isRequested }
      let outcome: ReplayOutcome
      do { outcome = try replayer.replay { console.put($0) } } catch let interrupted as ReplayInterrupted {
        console.flush()
        complain("chronovisor replay: stopped by the user after \(interrupted.events) events")
        return stop.exitStatus ?? ExitStatus.failure
      }
      console.flush()
      complain("chronovisor: replay exact: " + replayer.summary(of: outcome, repeats: 1))
      for note in replayer.notes { complain(note) }
      return ExitStatus.success
    } catch let divergence as Divergence {
      console.flush()
      for line in divergence.report { complain(line) }
      complain("  reproduce with: chronovisor replay -a \(path)")
      return ExitStatus.dataError
    } catch let error as TraceError where error.isDataError {
      console.flush()
      complain("chronovisor replay: \(error)")
      return ExitStatus.dataError
    }
  }
}

/// Nobody stops a run.
private final class Unattended: TimelineControl {
  func shouldStop() -> Bool { false }
  func shouldReport(breakpointAt address: UInt64) -> Bool { true }
}

extension Arguments {
  /// The engine that `--engine` names; `nil` for `auto`.
  func engineKind() throws -> EngineKind? {
    guard let text = value("--engine"), text != "auto" else { return nil }
    guard let kind = EngineKind(rawValue: text) else {
      throw UsageError("--engine \(text): give one of auto, kvm, software, kvm+software")
    }
    return kind
  }

  /// Where to serve; `nil` for a gdb of our own.
  fileprivate func endpoint() throws -> Endpoint? {
    let ways = ["--serve", "--socket", "--stdio"].filter { has($0) }
    guard ways.count < 2 else { throw UsageError("\(ways[0]) and \(ways[1]) do not go together") }
    if has("--stdio") { return .standardIO }
    if let path = value("--socket") { return .unix(path: path) }
    guard let text = value("--serve") else { return nil }
    guard case .tcp(let host, let port)? = Endpoint(text) else {
      throw UsageError("--serve \(text): give a port, or HOST:PORT")
    }
    return .tcp(host: host, port: port)
  }

  /// `512K`, `64M`, `2G` or bytes.
  fileprivate func size(_ name: String) throws -> UInt64? {
    guard let text = value(name) else { return nil }
    let shifts: [Character: UInt64] = ["K": 10, "M": 20, "G": 30]
    let shift = text.last.flatMap { shifts[Character($0.uppercased())] }
    guard let number = UInt64(shift == nil ? text[...] : text.dropLast()), number < 1 << 33 else {
      throw UsageError("\(name) \(text): give a size such as 256M or 1G")
    }
    return number << (shift ?? 0)
  }
}
