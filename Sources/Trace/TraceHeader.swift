public import VMMCore

/// What devices took for the time while recording.
public enum ClockKind: String, Sendable, CaseIterable {
  /// The host's monotonic clock; what devices made of it is in the events.
  case host
  /// Retired instructions at a set rate.
  case virtual
}

/// What a trace says about its recording, beside the guest itself.
public struct TraceHeader: Equatable, Sendable {
  /// The program that wrote the trace, with its version.
  public var producer: String
  /// `kvm` or `software`.
  public var engine: String
  public var cpuModel: CPUModel
  /// Bytes of guest RAM; the writer takes it from the initial machine.
  public internal(set) var memorySize: UInt64 = 0
  public var clock: ClockKind
  public var seed: UInt64
  /// A digest of what CPUID says on the recording host: another value is a reason to look, not to refuse.
  public var hostCPUID: UInt64
  /// The recording host's CPU and kernel, for people.
  public var host: String
  /// What the guest was recognised as, for people.
  public var guestKind: String
  /// The kernel command line; empty when there is none.
  public var commandLine: String
  /// Nanoseconds since 1970 when the recording began, for people.
  public var startEpoch: UInt64
  /// What its digests of CPU states follow.
  public var stateRule = StateRule.current

  public init(
    producer: String, engine: String, cpuModel: CPUModel, clock: ClockKind, seed: UInt64 = 0, hostCPUID: UInt64 = 0,
    host: String = "", guestKind: String = "", commandLine: String = "", startEpoch: UInt64 = 0
  ) {
    self.producer = producer
    self.engine = engine
    self.cpuModel = cpuModel
    self.clock = clock
    self.seed = seed
    self.hostCPUID = hostCPUID
    self.host = host
    self.guestKind = guestKind
    self.commandLine = commandLine
    self.startEpoch = startEpoch
  }
}

/// The fields of the machine chunk. Tags below `firstMandatory` are skipped by a reader that does not know them.
private enum Tag {
  static let producer: UInt8 = 1
  static let engine: UInt8 = 2
  static let cpuModelName: UInt8 = 3
  static let cpuidLeaf: UInt8 = 4
  static let memorySize: UInt8 = 5
  static let clock: UInt8 = 6
  static let seed: UInt8 = 7
  static let hostCPUID: UInt8 = 8
  static let host: UInt8 = 9
  static let guestKind: UInt8 = 10
  static let commandLine: UInt8 = 11
  static let startEpoch: UInt8 = 12
  static let undefined: UInt8 = 13
  static let firstMandatory: UInt8 = 128
  static let stateRule: UInt8 = 128
}

extension TraceHeader {
  /// The payload of the machine chunk; `nil` when a text is too long for the format.
  func encoded() -> [UInt8]? {
    var out = ByteWriter()
    var fits = true
    func add(_ tag: UInt8, _ content: [UInt8]) {
      if content.count > TraceFormat.maximumText { fits = false }
      out.append(tag)
      out.append(counted: content)
    }
    func add(_ tag: UInt8, _ text: String) { add(tag, [UInt8](text.utf8)) }
    func add(_ tag: UInt8, _ value: UInt64) {
      var word = ByteWriter()
      word.append64(value)
      add(tag, word.bytes)
    }
    add(Tag.producer, producer)
    add(Tag.engine, engine)
    add(Tag.cpuModelName, cpuModel.name)
    for leaf in cpuModel.leaves { add(Tag.cpuidLeaf, leaf.encoded()) }
    add(Tag.memorySize, memorySize)
    add(Tag.clock, clock.rawValue)
    add(Tag.seed, seed)
    add(Tag.hostCPUID, hostCPUID)
    add(Tag.host, host)
    add(Tag.guestKind, guestKind)
    add(Tag.commandLine, commandLine)
    add(Tag.startEpoch, startEpoch)
    if cpuModel.undefined != .reference { add(Tag.undefined, cpuModel.undefined.encodedBytes()) }
    if stateRule != .first { add(Tag.stateRule, stateRule.rawValue) }
    return fits ? out.bytes : nil
  }

  /// Reads what `encoded` wrote. Fields that are missing stay empty or 0.
  init(decoding bytes: [UInt8]) throws(DecodingError) {
    self.init(producer: "", engine: "", cpuModel: CPUModel(name: "", leaves: []), clock: .host)
    stateRule = .first
    var input = ByteReader(bytes)
    var known = Set<UInt8>()
    while !input.isAtEnd {
      let tag = try input.byte()
      let content = try input.counted(upTo: TraceFormat.maximumText, "a field")
      var field = ByteReader([UInt8](content))
      do throws(DecodingError) {
        guard try read(tag, &field) else { continue }
        guard field.isAtEnd else { throw field.fail("more than the field holds") }
        guard known.insert(tag).inserted || tag == Tag.cpuidLeaf else { throw field.fail("a second one") }
      } catch {
        throw input.fail("field \(tag): \(error.reason)")
      }
    }
    guard TraceFormat.memorySizes.contains(memorySize), memorySize % UInt64(pageSize) == 0 else {
      throw input.fail("a memory size of \(memorySize) bytes")
    }
  }

  /// False for a field that is skipped.
  private mutating func read(_ tag: UInt8, _ field: inout ByteReader) throws(DecodingError) -> Bool {
    switch tag {
    case Tag.producer: producer = try field.restAsText()
    case Tag.engine: engine = try field.restAsText()
    case Tag.cpuModelName: cpuModel.name = try field.restAsText()
    case Tag.cpuidLeaf: try add(CPUIDLeaf(decoding: &field), field)
    case Tag.memorySize: memorySize = try field.read64()
    case Tag.clock:
      guard let kind = ClockKind(rawValue: try field.restAsText()) else { throw field.fail("an unknown clock") }
      clock = kind
    case Tag.seed: seed = try field.read64()
    case Tag.hostCPUID: hostCPUID = try field.read64()
    case Tag.host: host = try field.restAsText()
    case Tag.guestKind: guestKind = try field.restAsText()
    case Tag.commandLine: commandLine = try field.restAsText()
    case Tag.startEpoch: startEpoch = try field.read64()
    case Tag.undefined: cpuModel.undefined = try UndefinedProfile(decoding: &field)
    case Tag.stateRule:
      let number = try field.read64()
      guard let rule = StateRule(rawValue: number) else { throw field.fail("unknown rule \(number) of CPU states") }
      stateRule = rule
    default:
      if tag >= Tag.firstMandatory { throw field.fail("unknown") }
      return false
    }
    return true
  }

  private mutating func add(_ leaf: CPUIDLeaf, _ field: ByteReader) throws(DecodingError) {
    let isDoubled = cpuModel.leaves.contains {
      $0.leaf == leaf.leaf && ($0.subleaf == leaf.subleaf || $0.subleaf == nil || leaf.subleaf == nil)
    }
    if isDoubled { throw field.fail("CPUID leaf \(hex(leaf.leaf)) twice") }
    guard cpuModel.leaves.count < TraceFormat.maximumLeaves else { throw field.fail("too many CPUID leaves") }
    cpuModel.leaves.append(leaf)
  }
}

extension UndefinedProfile {
  fileprivate func encodedBytes() -> [UInt8] {
    var out = ByteWriter()
    for (number, word) in encoded {
      out.append(number)
      out.append32(word)
    }
    return out.bytes
  }

  fileprivate init(decoding input: inout ByteReader) throws(DecodingError) {
    self.init()
    while !input.isAtEnd {
      let (number, word) = (try input.byte(), try input.read32())
      guard decode(number: number, word: word) else {
        throw input.fail("unknown undefined behaviour \(number): \(hex(word))")
      }
    }
  }
}

extension CPUIDLeaf {
  fileprivate func encoded() -> [UInt8] {
    var out = ByteWriter()
    out.append32(leaf)
    out.append(subleaf == nil ? 0 : 1)
    for word in [subleaf ?? 0, eax, ebx, ecx, edx] { out.append32(word) }
    return out.bytes
  }

  fileprivate init(decoding input: inout ByteReader) throws(DecodingError) {
    let leaf = try input.read32()
    let flag = try input.byte()
    let hasSubleaf = flag == 1
    let subleaf = try input.read32()
    guard hasSubleaf || flag == 0 && subleaf == 0 else { throw input.fail("subleaf \(subleaf) with flag \(flag)") }
    self.init(
      leaf, subleaf: hasSubleaf ? subleaf : nil, eax: try input.read32(), ebx: try input.read32(),
      ecx: try input.read32(), edx: try input.read32())
  }
}
