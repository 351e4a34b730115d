internal import Trace
internal import VMMCore

/// `chronovisor diff A B`.
enum DiffCommand: Command {
  static let name = "diff"
  static let synopsis = "[--context N] A B"
  static let summary = "two traces: how their guests differ, and the first event in which they do; 0 when equal, else 1"
  static let options = [Option("--context", value: "N", help: "events shown before and after the difference (5)")]

  static func run(_ arguments: Arguments) throws -> Int32 {
    guard arguments.operands.count == 2 else { throw UsageError("give two traces: chronovisor diff A B") }
    let readers = try arguments.operands.map { try TraceReader(path: TraceDirectory.find($0)) }
    let context = Int(clamping: min(try arguments.number("--context") ?? 5, 1000))
    var output = LineOutput()
    defer { output.flush() }
    output.line("a: \(printable(readers[0].path))")
    output.line("b: \(printable(readers[1].path))")
    for line in recordingDifferences(readers[0].header, readers[1].header) { output.line(line) }
    let guests = try guestDifferences(readers[0], readers[1])
    for line in guests { output.line(line) }
    var comparison = TraceComparison(readers[0], readers[1], context: context)
    let difference = try comparison.run()
    for line in difference ?? [] { output.line(line) }
    guard guests.isEmpty, difference == nil else { return ExitStatus.failure }
    output.line("equal: \(comparison.events) events")
    return ExitStatus.success
  }

  /// What says where and how they were recorded, and does not make them differ.
  private static func recordingDifferences(_ a: TraceHeader, _ b: TraceHeader) -> [String] {
    lines(
      prefix: "recording",
      [
        ("engine", a.engine, b.engine), ("clock", a.clock.rawValue, b.clock.rawValue),
        ("seed", "\(a.seed)", "\(b.seed)"), ("program", a.producer, b.producer), ("host", a.host, b.host),
        ("begin", timestamp(a.startEpoch), timestamp(b.startEpoch)),
      ])
  }

  /// What makes them traces of different guests.
  private static func guestDifferences(_ a: TraceReader, _ b: TraceReader) throws -> [String] {
    func images(_ reader: TraceReader) -> String {
      reader.images.map { "\($0.role) \($0.name) (\(hex($0.digest)))" }.joined(separator: ", ")
    }
    var found = lines(
      prefix: "guest",
      [
        ("memory", byteSize(a.header.memorySize), byteSize(b.header.memorySize)),
        ("command line", a.header.commandLine, b.header.commandLine),
        ("CPU model", a.header.cpuModel.name, b.header.cpuModel.name),
        ("undefined behaviour", a.header.cpuModel.undefined.name, b.header.cpuModel.undefined.name),
        ("images", images(a), images(b)),
      ])
    if a.header.cpuModel.leaves != b.header.cpuModel.leaves { found.append("guest CPUID: differs") }
    let (first, second) = (try a.initialMachine(), try b.initialMachine())
    if first.placements != second.placements { found.append("guest memory: differs before the first instruction") }
    for field in second.state.differences(from: first.state) {
      found.append("guest \(field.name): a \(hex(field.expected)), b \(hex(field.actual))")
    }
    return found
  }

  private static func lines(prefix: String, _ fields: [(name: String, a: String, b: String)]) -> [String] {
    fields.filter { $0.a != $0.b }.map { "\(prefix) \($0.name): a \(printable($0.a)), b \(printable($0.b))" }
  }
}

/// Goes through two traces side by side to the first event or digest in which they differ. Digests are compared where
/// both have one, since where they stand is up to each recorder.
struct TraceComparison {
  private struct Side {
    var cursor: TraceCursor
    let isComplete: Bool
    /// The digest that stands right before the next event.
    var digest: StateDigest?

    init(_ reader: TraceReader) {
      cursor = reader.makeCursor()
      isComplete = reader.isComplete
    }

    /// The next interaction, delivery or end; takes note of digests before it.
    mutating func advance() throws(TraceError) -> TraceEvent? {
      digest = nil
      while let event = try cursor.next() {
        switch event {
        case .digest(let found): digest = found
        case .detail, .mark: break
        default: return event
        }
      }
      return nil
    }
  }

  private var a: Side
  private var b: Side
  private let context: Int
  private var recent: [String] = []
  /// How many events were found equal.
  private(set) var events: UInt64 = 0

  init(_ a: TraceReader, _ b: TraceReader, context: Int) {
    self.a = Side(a)
    self.b = Side(b)
    self.context = context
  }

  /// The lines that show the first difference; `nil` when there is none.
  mutating func run() throws -> [String]? {
    while true {
      let ordinal = a.cursor.ordinal
      let first = try a.advance()
      let second = try b.advance()
      if let x = a.digest, let y = b.digest, differ(x, y) {
        return report(ordinal, "the state right before event \(ordinal) differs", "\(x)", "\(y)")
      }
      if first != second {
        return try report(ordinal, first, second)
      }
      guard let first else { return nil }
      if case .end = first { continue }
      events += 1
      remember(DumpCommand.line(first, at: first.position(ordinal: ordinal)))
    }
  }

  private func differ(_ x: StateDigest, _ y: StateDigest) -> Bool {
    let isCountDifferent = x.instructions != y.instructions && x.instructions != 0 && y.instructions != 0
    return x.cpu != y.cpu || x.memory != y.memory || x.output != y.output || isCountDifferent
  }

  private mutating func remember(_ line: String) {
    guard context > 0 else { return }
    if recent.count == context { recent.removeFirst() }
    recent.append(line)
  }

  private func report(_ ordinal: UInt64, _ what: String, _ x: String, _ y: String) -> [String] {
    ["first difference: \(what)"] + recent.map { "    " + $0 } + ["  a " + x, "  b " + y]
  }

  private mutating func report(_ ordinal: UInt64, _ x: TraceEvent?, _ y: TraceEvent?) throws -> [String] {
    var lines = ["first difference: event \(ordinal)"] + recent.map { "    " + $0 }
    lines += try side("a", &a, ordinal, x)
    lines += try side("b", &b, ordinal, y)
    return lines
  }

  /// One side's event and those after it.
  private func side(_ name: String, _ side: inout Side, _ ordinal: UInt64, _ event: TraceEvent?) throws -> [String] {
    var lines: [String] = []
    var next = event
    var number = ordinal
    while lines.count <= context {
      guard let event = next else {
        lines.append("  \(name) ends here" + (side.isComplete ? "" : ": it is incomplete"))
        break
      }
      lines.append("  \(name) " + DumpCommand.line(event, at: event.position(ordinal: number)))
      if case .end = event { break }
      number = side.cursor.ordinal
      next = try side.advance()
    }
    return lines
  }
}
