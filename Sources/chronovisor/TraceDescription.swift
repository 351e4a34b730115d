internal import Trace
internal import VMMCore

/// Everything that `info` tells about a trace.
struct TraceDescription {
  let reader: TraceReader
  private(set) var counts: [(kind: String, count: UInt64)] = []
  private(set) var events: UInt64 = 0
  private(set) var end: EndReason?
  /// What the first damaged place is, wherever it was found.
  private(set) var damage: String?

  /// Reads the whole trace.
  init(of reader: TraceReader) {
    self.reader = reader
    var numbers = [UInt64](repeating: 0, count: TraceDescription.kinds.count)
    var cursor = reader.makeCursor()
    do throws(TraceError) {
      _ = try reader.initialMachine()
      while let event = try cursor.next() {
        if let kind = TraceDescription.kinds.firstIndex(of: event.kindName) { numbers[kind] += 1 }
        if case .end(let reason) = event { end = reason }
      }
    } catch {
      let path = reader.path + ": "
      damage = error.description.hasPrefix(path) ? String(error.description.dropFirst(path.count)) : error.description
    }
    events = cursor.ordinal
    counts = zip(TraceDescription.kinds, numbers).filter { $0.1 > 0 }.map { (kind: $0.0, count: $0.1) }
  }

  /// In the order in which they are listed.
  private static let kinds = [
    "in", "out", "mmio-read", "mmio-write", "rdmsr", "wrmsr", "rdtsc", "rdrand", "hlt", "interrupt", "nmi",
    "device-write", "digest", "detail",
  ]

  var state: String { damage != nil ? "damaged" : reader.state }

  private var endText: String {
    if let end { return printable(end.description) }
    return damage != nil ? "unknown" : reader.isComplete ? "not said" : "cut off"
  }
}

extension TraceDescription {
  var lines: [String] {
    let header = reader.header
    var rows = [
      ["trace", printable(reader.path)],
      ["state", damage.map { printable($0) } ?? state],
      ["written by", "\(printable(header.producer)), format \(reader.formatVersion)"],
      [
        "recorded",
        "\(timestamp(header.startEpoch)) on \(printable(header.host)), CPUID digest \(hex(header.hostCPUID))",
      ],
      ["engine", "\(printable(header.engine)), CPU model \(printable(header.cpuModel.name))"],
      ["undefined", header.cpuModel.undefined.name],
      ["clock", "\(header.clock.rawValue), seed \(header.seed)"],
      ["guest", "\(printable(header.guestKind)), \(byteSize(header.memorySize)) of memory"],
    ]
    if !header.commandLine.isEmpty { rows.append(["command line", printable(header.commandLine)]) }
    for image in reader.images {
      rows.append(["\(image.role)", "\(printable(image.name)), \(byteSize(image.size)), digest \(hex(image.digest))"])
    }
    rows.append(["duration", seconds(reader.duration)])
    let chunks = reader.eventChunks.count
    rows.append(["size", "\(byteSize(reader.fileSize)), events in \(chunks) chunk\(chunks == 1 ? "" : "s")"])
    rows.append(["events", "\(events)"])
    for (kind, count) in counts { rows.append(["  \(kind)", "\(count)"]) }
    rows.append(["instructions", reader.ending.instructions.map { "\($0)" } ?? "not counted"])
    rows.append(["end", endText])
    if end == nil { rows.append(["known up to", reader.ending.place]) }
    return columns(rows)
  }

  /// What the recording grew by, in bytes: the file from its first event on.
  private var eventBytes: UInt64 { reader.eventChunks.first.map { reader.fileSize - $0.offset } ?? 0 }

  var json: JSON {
    let header = reader.header
    let leaves = header.cpuModel.leaves.map { leaf in
      JSON.object([
        ("leaf", .string(hex(leaf.leaf))), ("subleaf", leaf.subleaf.map { .string(hex($0)) } ?? .null),
        ("eax", .string(hex(leaf.eax))), ("ebx", .string(hex(leaf.ebx))), ("ecx", .string(hex(leaf.ecx))),
        ("edx", .string(hex(leaf.edx))),
      ])
    }
    let images = reader.images.map { image in
      JSON.object([
        ("role", .string("\(image.role)")), ("name", .string(image.name)), ("size", .number(image.size)),
        ("digest", .string(hex(image.digest))),
      ])
    }
    return .object([
      ("trace", .string(reader.path)), ("state", .string(state)), ("damage", damage.map { .string($0) } ?? .null),
      ("formatVersion", .number(UInt64(reader.formatVersion))), ("producer", .string(header.producer)),
      ("recorded", .string(timestamp(header.startEpoch))), ("host", .string(header.host)),
      ("hostCPUID", .string(hex(header.hostCPUID))), ("engine", .string(header.engine)),
      (
        "cpuModel",
        .object([
          ("name", .string(header.cpuModel.name)),
          ("features", .array(header.cpuModel.features.map { .string($0.name) })), ("leaves", .array(leaves)),
          ("undefined", .undefined(header.cpuModel.undefined)),
        ])
      ),
      ("clock", .string(header.clock.rawValue)), ("seed", .string(String(header.seed))),
      ("guest", .string(header.guestKind)), ("memorySize", .number(header.memorySize)),
      ("commandLine", .string(header.commandLine)), ("images", .array(images)),
      ("durationNanoseconds", .number(reader.duration)), ("fileSize", .number(reader.fileSize)),
      ("eventChunks", .number(UInt64(reader.eventChunks.count))), ("eventBytes", .number(eventBytes)),
      ("events", .number(events)), ("instructions", reader.ending.instructions.map { .number($0) } ?? .null),
      ("endPosition", .string(reader.ending.position.description)),
      ("counts", .object(counts.map { ($0.kind, .number($0.count)) })), ("end", end?.json ?? .null),
    ])
  }
}

extension JSON {
  /// What a CPU does where the manuals leave it open.
  static func undefined(_ profile: UndefinedProfile) -> JSON {
    .object([
      ("name", .string(profile.name)),
      ("unlikeReference", .array(profile.items(unlike: .reference).map { .string($0) })),
      ("inimitable", .array(profile.inimitable.map { .string($0) })),
    ])
  }
}
