import Support
import VMMCore

@testable import Trace

extension SeededRandom {
  /// Numbers of every magnitude alike.
  mutating func number() -> UInt64 { next() >> UInt64(below(64)) }

  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}

extension SeededRandom {
  /// An event of any kind but an end, as it comes back from a trace (no value wider than its access).
  mutating func event() -> TraceEvent {
    switch below(20) {
    case 0..<14: return interaction()
    case 14..<18: return .delivery(delivery(), at: place())
    case 18: return .detail(detail())
    default:
      return .digest(StateDigest(cpu: next(), memory: next(), output: next(), instructions: number()))
    }
  }

  /// A detail with as many words as a reader gives back.
  mutating func detail() -> StateDetail {
    let words = CPUState.fields.map { _ in below(3) == 0 ? number() : 0 }
    var ranges: [RangeCheck] = []
    var range: UInt32 = 0
    for _ in 0..<below(20) {
      range += UInt32(below(1000))
      ranges.append(RangeCheck(number: range, check: UInt16(truncatingIfNeeded: next())))
      range += 1
    }
    return StateDetail(words: words, pageShift: UInt8(below(32)), ranges: ranges)
  }

  mutating func interaction() -> TraceEvent {
    let port = UInt16([0x20, 0x21, 0x3f8, 0x3f9, 0x3fd, 0xcf8, below(65536)][below(7)])
    let size = UInt8([1, 2, 4][below(3)])
    let wide = UInt8(1 + below(8))
    let address = GuestPhysicalAddress(below(2) == 0 ? 0xfee0_0000 : number())
    let index = UInt32(truncatingIfNeeded: number())
    switch below(11) {
    case 0, 1: return .interaction(.portRead(port: port, size: size), .value(next() & mask(size)))
    case 2, 3:
      return .interaction(
        .portWrite(port: port, size: size, value: UInt32(truncatingIfNeeded: next() & mask(size))), .none)
    case 4: return .interaction(.mmioRead(address: address, size: wide), .value(next() & mask(wide)))
    case 5: return .interaction(.mmioWrite(address: address, size: wide, value: next() & mask(wide)), .none)
    case 6: return .interaction(.msrRead(index: index), below(3) == 0 ? .fault : .value(next()))
    case 7: return .interaction(.msrWrite(index: index, value: next()), below(3) == 0 ? .fault : .none)
    case 8: return .interaction(.timestampRead, .value(number()))
    case 9: return .interaction(.randomRead, .value(next()))
    default: return .interaction(.halt, .none)
    }
  }

  private func mask(_ size: UInt8) -> UInt64 { UInt64.max >> (64 - 8 * UInt64(size)) }

  mutating func delivery() -> Delivery {
    switch below(4) {
    case 0: .nmi
    case 1: .memoryWrite(address: GuestPhysicalAddress(number()), bytes: bytes(below(200)))
    default: .interrupt(vector: UInt8(below(256)))
    }
  }

  mutating func place() -> Place {
    switch below(6) {
    case 0: .here
    case 1: .instructions(number(), iterations: 0)
    case 2: .instructions(number(), iterations: number())
    case 3: .fingerprint(Fingerprint(rip: next(), cpu: next(), memory: next()))
    case 4:
      .fingerprint(
        Fingerprint(
          rip: next(), cpu: next(), memory: next(), registers: SIMD16((0..<16).map { _ in next() }), time: number(),
          word: oneIn(2) ? nil : MemoryWord(address: GuestPhysicalAddress(number() & ~7), value: next())))
    default:
      .fingerprint(
        Fingerprint(rip: next(), cpu: next(), memory: next(), registers: SIMD16((0..<16).map { _ in next() })))
    }
  }

  mutating func endReason() -> EndReason {
    switch below(8) {
    case 0: .powerOff
    case 1: .reset
    case 2: .haltedForGood
    case 3: .shutdown
    case 4: .debugExit(value: UInt32(truncatingIfNeeded: next()))
    case 5: .timeout
    case 6: .interrupted
    default: .engineStopped("stopped at \(hex(next())) — “why”")
    }
  }

  mutating func events(_ count: Int) -> [TraceEvent] {
    var events = (0..<count).map { _ in event() }
    events.append(.end(endReason()))
    return events
  }
}

/// A header and a guest with everything that they can hold.
enum Sample {
  /// Something of each kind.
  static var undefined: UndefinedProfile {
    var profile = UndefinedProfile()
    profile[.bitScan] = FlagRule([.of: .other, .pf: .source])
    profile.longDoubleShift = .firstAgain
    profile[.scanOfZeroClearsUpperHalf] = true
    profile[.faultsKeepResumeFlag] = true
    profile[.narrowsX87Pointers] = true
    profile[.leavesX87Gaps] = true
    profile[.readsBeforeUpdates] = true
    profile[.transcendentals] = 0xfedc_ba98
    return profile
  }

  static var header: TraceHeader {
    let leaves = [
      CPUIDLeaf(0, eax: 1, ebx: 2, ecx: 3, edx: 4), CPUIDLeaf(7, subleaf: 0, eax: 5, ebx: 6, ecx: 7, edx: 8),
    ]
    return TraceHeader(
      producer: "chronovisor 0.1", engine: "kvm",
      cpuModel: CPUModel(name: "base", leaves: leaves, undefined: undefined), clock: .virtual,
      seed: 42, hostCPUID: 0x1234_5678_9abc_def0, host: "a CPU, Linux 6.1", guestKind: "Linux bzImage",
      commandLine: "console=ttyS0 naïve", startEpoch: 1_700_000_000_000_000_000)
  }

  static func machine(imageSize: Int = 300) -> InitialMachine {
    var random = SeededRandom(seed: 7)
    var state = CPUState()
    state.rip = 0x10_0000
    state.rax = 0xdead_beef
    let half = imageSize / 2
    let image = random.bytes(half) + [UInt8](repeating: 0, count: imageSize - half)
    return InitialMachine(
      memorySize: 16 << 20,
      images: [
        GuestImage(role: .kernel, name: "kernel.elf", bytes: image),
        GuestImage(role: .initrd, name: "nothing", bytes: []),
      ],
      placements: [
        Placement(address: GuestPhysicalAddress(0x10_0000), source: .image(index: 0, offset: half / 2, count: half)),
        Placement(address: GuestPhysicalAddress(0x7000), source: .bytes(random.bytes(40))),
      ],
      state: state)
  }
}

/// Writes a trace; flushes after every `flushEvery` events, so that there are many chunks.
func writeTrace(
  _ path: String, _ events: [TraceEvent], machine: InitialMachine = Sample.machine(), flushEvery: Int = 1000,
  close: Bool = true
) throws {
  let writer = try TraceWriter(path: path, header: Sample.header, machine: machine)
  for (number, event) in events.enumerated() {
    try writer.append(event)
    if number % flushEvery == flushEvery - 1 { try writer.flush(elapsed: UInt64(number)) }
  }
  if close { try writer.close(elapsed: UInt64(events.count)) } else { try writer.flush(elapsed: UInt64(events.count)) }
}

/// All events of a trace up to its end or to the first error.
func readAll(_ path: String) throws -> (events: [TraceEvent], error: TraceError?) {
  let reader = try TraceReader(path: path)
  var cursor = reader.makeCursor()
  var events: [TraceEvent] = []
  do throws(TraceError) {
    while let event = try cursor.next() { events.append(event) }
  } catch {
    return (events, error)
  }
  return (events, nil)
}

/// How many interactions and deliveries there are.
func ordinals(_ events: some Sequence<TraceEvent>) -> UInt64 {
  events.reduce(0) { count, event in
    switch event {
    case .interaction, .delivery: count + 1
    case .digest, .detail, .mark, .end: count
    }
  }
}
