import GuestMemory
import KVM
import Loaders
import Machine
import Replay
import Support
import Testing
import Trace
import VMMCore

/// Records guests in this process, for tests that need the session itself.
enum Recorder {
  /// Records a guest of Tests/Guests to `path` and returns how it ended.
  @discardableResult
  static func record(
    _ guest: String, to path: String, commandLine: String = "", engine: EngineKind = .kvm,
    options: RecordOptions = RecordOptions(), input: [UInt8] = [], undefined: UndefinedProfile? = nil,
    prepare: (VirtualMachine) -> Void = { _ in }
  ) throws -> RunOutcome {
    let image = GuestImage(role: .kernel, name: guest, bytes: bytesOfFile(TestGuests.path(guest)))
    let loaded = try GuestLoader.load(kernel: image, commandLine: commandLine, memorySize: 16 << 20)
    var model = engine.defaultCPUModel
    if let undefined { model.undefined = undefined }
    let header = TraceHeader(
      producer: "tests", engine: engine.rawValue, cpuModel: model, clock: engine.defaultClock)
    let writer = try TraceWriter(path: path, header: header, machine: loaded.machine)
    let machine = try VirtualMachine(loaded.machine, kind: engine, cpuModel: model)
    let clock = machine.makeClock(engine.defaultClock)
    prepare(machine)
    let board = try Board(startEpoch: 0, memorySize: loaded.machine.memorySize, input: TestInput(input)) { _ in }
    let session = RecordSession(
      engine: machine.engine, board: board, clock: clock, memory: machine.memory, writer: writer, options: options,
      endRequested: { nil })
    return try session.run()
  }

  /// All events of a trace.
  static func events(of path: String) throws -> (TraceReader, [TraceEvent]) {
    let reader = try TraceReader(path: path)
    var cursor = reader.makeCursor()
    var events: [TraceEvent] = []
    while let event = try cursor.next() { events.append(event) }
    return (reader, events)
  }
}

/// All of it is typed at once.
final class TestInput: InputSource {
  private var bytes: [UInt8]
  init(_ bytes: [UInt8]) { self.bytes = bytes }
  func poll() -> [UInt8] {
    defer { bytes = [] }
    return bytes
  }
  var isOpen: Bool { !bytes.isEmpty }
}
