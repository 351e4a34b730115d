import Trace
import VMMCore

/// A small trace with an event of every kind, as `info`, `dump`, `diff` and `ls` are shown.
struct SampleTrace {
  var commandLine = "console=ttyS0"
  /// What the guest writes to its console.
  var text = "hello"
  var isClosed = true
  /// The digest at the end.
  var memory: UInt64 = 2

  static let events: [TraceEvent] = [
    .delivery(.interrupt(vector: 0x30), at: .instructions(123, iterations: 0)),
    .delivery(.interrupt(vector: 0x31), at: .instructions(12, iterations: 5)),
    .delivery(.nmi, at: .fingerprint(Fingerprint(rip: 0xffff_ffff_8100_0000, cpu: 5, memory: 6))),
    .delivery(.memoryWrite(address: GuestPhysicalAddress(0x5000), bytes: [1, 2, 3]), at: .here),
    .interaction(.mmioRead(address: GuestPhysicalAddress(0xfee0_0020), size: 4), .value(7)),
    .interaction(.mmioWrite(address: GuestPhysicalAddress(0xfee0_00b0), size: 4, value: 0), .none),
    .interaction(.msrRead(index: 0x10), .fault), .interaction(.msrWrite(index: 0x10, value: 5), .none),
    .interaction(.timestampRead, .value(1000)), .interaction(.randomRead, .value(4)), .interaction(.halt, .none),
  ]

  func write(to path: String) throws {
    let header = TraceHeader(
      producer: "a test", engine: "kvm", cpuModel: CPUModel(name: "base", leaves: []), clock: .host, seed: 3,
      hostCPUID: 0x1234, host: "a host", guestKind: "an \u{1b}[1mELF64 image", commandLine: commandLine,
      startEpoch: 1_770_000_000_000_000_000)
    let machine = InitialMachine(
      memorySize: 1 << 20, images: [GuestImage(role: .kernel, name: "kernel.elf", bytes: [1, 2, 3])], placements: [],
      state: CPUState())
    let writer = try TraceWriter(path: path, header: header, machine: machine)
    for character in text.utf8 {
      try writer.append(.interaction(.portRead(port: 0x3fd, size: 1), .value(0x60)))
      try writer.append(.interaction(.portWrite(port: 0x3f8, size: 1, value: UInt32(character)), .none))
    }
    try writer.flush(elapsed: 1_000_000)
    for event in SampleTrace.events { try writer.append(event) }
    try writer.append(.digest(StateDigest(cpu: 1, memory: memory, output: 3, instructions: 44)))
    try writer.append(.end(.debugExit(value: 3)))
    if isClosed { try writer.close(elapsed: 1_234_567_890) }
  }
}
