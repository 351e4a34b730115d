public import VMMCore

/// One record of a trace's event stream.
public enum TraceEvent: Equatable, Sendable {
  /// A synchronous interaction with the answer that it got. Writes are held whole, so that a replay is compared with
  /// what the guest really sent.
  case interaction(VCPUExit, Answer)
  /// An asynchronous delivery. What is rare and large lies apart: most events are interactions.
  indirect case delivery(Delivery, at: Place)
  /// What the state was right here: a check, not an event (it has no ordinal).
  indirect case digest(StateDigest)
  /// What the next digest was made of, so that a divergence can name what differs.
  indirect case detail(StateDetail)
  /// How far the guest is known to have gone: not an event. Readers hand out the last one alone.
  indirect case mark(Mark)
  /// The last record of a recording that ended in order.
  case end(EndReason)
}

/// A place to which the guest came, and behind which the trace holds nothing but, maybe, how the recording ended.
public struct Mark: Equatable, Sendable {
  public var place: Place
  /// Instructions retired since the begin, where they were counted; 0 otherwise.
  public var instructions: UInt64

  public init(at place: Place, instructions: UInt64) {
    self.place = place
    self.instructions = instructions
  }
}

/// What an interaction got back.
public enum Answer: Equatable, Sendable {
  /// It takes nothing in (a write, HLT).
  case none
  /// The value read.
  case value(UInt64)
  /// #GP(0), from RDMSR or WRMSR.
  case fault
}

/// What entered the CPU or guest memory without being asked for.
public enum Delivery: Equatable, Sendable {
  case interrupt(vector: UInt8)
  case nmi
  /// A device wrote guest memory.
  case memoryWrite(address: GuestPhysicalAddress, bytes: [UInt8])
}

/// Where a delivery happened, counted from the event before it.
public enum Place: Equatable, Sendable {
  /// Exactly this many retired instructions, and iterations of a REP instruction under way, after it; 0 and 0 for right
  /// at it.
  case instructions(UInt64, iterations: UInt64)
  /// Where the state first equalled this one after it.
  case fingerprint(Fingerprint)

  public static let here = Place.instructions(0, iterations: 0)
}

/// A state that names a place: equal full state means equal future.
public struct Fingerprint: Equatable, Hashable, Sendable {
  /// The linear address of the next instruction.
  public var rip: UInt64
  /// `CPUState.placeDigest`.
  public var cpu: UInt64
  /// The digest of the whole guest memory (`MemoryDigest`).
  public var memory: UInt64
  /// The general registers, by which an engine can pass by quickly where the state is another.
  public var registers: SIMD16<UInt64>?
  /// Nanoseconds from the begin of the recording, by the clock of the chunks; only with registers.
  public var time: UInt64?
  /// A word of memory that the code at hand was changing, by which an engine can pass by where the registers repeat;
  /// only with a time.
  public var word: MemoryWord?

  public init(
    rip: UInt64, cpu: UInt64, memory: UInt64, registers: SIMD16<UInt64>? = nil, time: UInt64? = nil,
    word: MemoryWord? = nil
  ) {
    self.rip = rip
    self.cpu = cpu
    self.memory = memory
    self.registers = registers
    self.time = registers == nil ? nil : time
    self.word = self.time == nil ? nil : word
  }

  /// What an engine that looks for it may pass by; `nil` for nothing.
  public var filter: StopFilter? {
    registers.map { StopFilter(address: rip, registers: $0, word: word) }
  }
}

/// The digests of everything that a replay must reproduce.
public struct StateDigest: Equatable, Hashable, Sendable {
  public var cpu: UInt64
  public var memory: UInt64
  /// The running digest of all interactions so far.
  public var output: UInt64
  /// Instructions retired since the begin, from engines that count them; 0 otherwise.
  public var instructions: UInt64

  public init(cpu: UInt64, memory: UInt64, output: UInt64, instructions: UInt64) {
    self.cpu = cpu
    self.memory = memory
    self.output = output
    self.instructions = instructions
  }
}

/// The registers of a state, and short checks of the memory that changed since the detail before it.
public struct StateDetail: Equatable, Sendable {
  /// The fields of the CPU state, in the order of `CPUState.fields`; missing ones are 0.
  public var words: [UInt64]
  /// A range of memory is `1 << pageShift` pages.
  public var pageShift: UInt8
  /// Ascending.
  public var ranges: [RangeCheck]

  public init(words: [UInt64], pageShift: UInt8, ranges: [RangeCheck]) {
    self.words = words
    self.pageShift = pageShift
    self.ranges = ranges
  }
}

/// A check of a range of guest memory.
public struct RangeCheck: Equatable, Sendable {
  /// The range's number: its first page index, shifted.
  public var number: UInt32
  /// The low bits of the sum of its page digests.
  public var check: UInt16

  public init(number: UInt32, check: UInt16) {
    self.number = number
    self.check = check
  }
}

/// Why a recording ended.
public enum EndReason: Equatable, Sendable {
  /// Powered off by a device (ACPI).
  case powerOff
  /// Reset by a device (i8042, port 0xcf9).
  case reset
  /// HLT with interrupts off and none coming.
  case haltedForGood
  /// A triple fault.
  case shutdown
  /// Wrote this to the debug-exit port 0xf4.
  case debugExit(value: UInt32)
  /// The time limit of the recording.
  case timeout
  /// The user stopped it.
  case interrupted
  /// The engine could go no further; the text is the message that the recorder printed.
  case engineStopped(String)
}
