internal import Glibc
internal import KVM
internal import Loaders
internal import Machine
internal import Replay
internal import Trace
internal import VMMCore

/// One run of a guest as the command line asks for it: loads it, makes its machine, runs it to its end.
final class GuestRun {
  let options: MachineOptions
  let guest: LoadedGuest
  let engine: EngineKind
  let cpuModel: CPUModel
  let clock: ClockKind
  private let machine: VirtualMachine
  private let input: any InputSource

  /// Everything that can be refused is refused here, before there is a trace.
  init(_ options: MachineOptions) throws {
    self.options = options
    input = try GuestRun.makeInput(options)
    let images = try options.readImages()
    engine = options.engine.resolved
    do {
      cpuModel = try engine.cpuModels.model(options.cpu)
    } catch {
      throw UsageError("--cpu \(options.cpu): \(error)")
    }
    var guest = try GuestLoader.load(
      kernel: images.kernel, initrd: images.initrd, commandLine: options.commandLine, memorySize: options.memorySize,
      firmware: Firmware.tables(for: cpuModel))
    // A CPU without an APIC has it switched off for good.
    if !cpuModel.has(.apic) { guest.machine.state.apicBase &= ~APICBase.enabled }
    self.guest = guest
    clock = try options.clock.resolved(for: engine)
    machine = try VirtualMachine(guest.machine, kind: engine, cpuModel: cpuModel)
  }

  /// What a trace says of this run.
  var header: TraceHeader {
    let host = HostDescription.current()
    return TraceHeader(
      producer: "chronovisor \(version)", engine: engine.rawValue, cpuModel: cpuModel, clock: clock,
      seed: options.seed, hostCPUID: host.cpuidDigest, host: host.text, guestKind: guest.kind.rawValue,
      commandLine: options.commandLine, startEpoch: startEpoch * 1_000_000_000)
  }

  /// Runs the guest, once, with its console on stdout, with a trace or without.
  func execute(writer: TraceWriter?) throws -> RunOutcome {
    let console = ConsoleWriter()
    defer { console.flush() }
    let prompted = input as? PromptedInput
    let board = try Board(
      startEpoch: startEpoch, seed: options.seed, memorySize: guest.machine.memorySize, input: input
    ) { character in
      console.put(character)
      prompted?.observe(character)
    }
    let stop = try StopSignal(kicking: machine.engine)
    defer { stop.end() }
    if let timeout = options.session.timeout { try stop.limit(to: timeout) }
    let session = RecordSession(
      engine: machine.engine, board: board, clock: machine.makeClock(clock), memory: machine.memory,
      writer: writer, options: options.session, endRequested: { stop.reason })
    return try session.run()
  }

  /// Has the engine count what it does from now on: what there is to say of it when the run is over.
  func measure() -> () -> String {
    let (engine, start) = (machine.engine, KickTimer.now)
    engine.measureTranslation(by: { KickTimer.now })
    return {
      let time = KickTimer.now - start
      var text = engine.retiredInstructions.map { "\($0) instructions" } ?? "instructions are not counted"
      text += ", \(milliseconds(time)) ms"
      guard let made = engine.translation, made.blocks > 0 else { return text + "; nothing was translated" }
      let share = Double(made.time) / Double(max(time, 1)) * 100
      return text + "; \(made.blocks) blocks of \(made.instructions) instructions were translated into "
        + "\(byteSize(made.bytes)) of host code, \(milliseconds(made.time)) ms (\(Int(share.rounded())) %)"
    }
  }

  private static func makeInput(_ options: MachineOptions) throws -> any InputSource {
    if let path = options.inputPath {
      let bytes = try readFile(path, as: "input")
      return options.prompt.map { PromptedInput(bytes, prompt: $0) } ?? BytesInput(bytes)
    }
    return DescriptorInput(STDIN_FILENO)
  }

  /// The time of day at the begin, in seconds since 1970: the host's, or a fixed one where the clock is virtual.
  private lazy var startEpoch: UInt64 = clock == .virtual ? 1_767_225_600 : UInt64(max(0, time(nil)))
}

extension EngineChoice {
  /// The engine that carries every guest to its end. `auto` is KVM where that runs user mode as the manuals say, and
  /// the software engine elsewhere: where KVM emulates kernel mode, it is the faster one. Where KVM needs the software
  /// engine beside it, whoever asks for KVM gets both as one.
  var resolved: EngineKind {
    switch self {
    case .kvm: !HostFitness.runsUserSpace && EngineKind.hybrid.isOffered ? .hybrid : .kvm
    case .software: .software
    case .hybrid: .hybrid
    case .auto: HostFitness.hasKVM && HostFitness.runsUserSpace ? .kvm : .software
    }
  }
}

extension ClockChoice {
  func resolved(for engine: EngineKind) throws -> ClockKind {
    switch (self, engine) {
    case (.host, _): return .host
    case (.byEngine, let engine): return engine.defaultClock
    case (.virtual, let engine) where engine.counts: return .virtual
    case (.virtual, _):
      throw UsageError("--clock virtual counts instructions, which KVM does not: use --engine software")
    }
  }
}

private func milliseconds(_ nanoseconds: UInt64) -> UInt64 { (nanoseconds + 500_000) / 1_000_000 }
