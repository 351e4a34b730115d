import GuestMemory
import Testing
import VMMCore

@testable import X86

/// The guest's own debug registers against what a processor does (Intel SDM vol. 3, 17.2 and 17.3).
@Suite struct WatchedCodeTests {
  private static let data = SystemMachine.code + 0x2000

  @Test(arguments: WatchedCode.all)
  func stopsAsMeasured(_ watched: WatchedCode) throws {
    #expect(try stops(of: watched) == watched.stops)
  }

  @Test func nothingIsMissing() {
    #expect(WatchedCode.all.count == 103)
  }

  /// Runs it in user mode under a kernel that does what a debugger does.
  private func stops(of watched: WatchedCode) throws -> [String] {
    let machine = try machine(for: watched)
    var stops: [String] = []
    while stops.count < 14 {
      let vector = try #require(try runToHandler(machine))
      var frame = machine.frame(6)
      if vector == 13 { frame.removeFirst() }
      let hits = machine.cpu[Slot.dr + 6] & 0xe00f
      if vector == 1 && watched.kind == 0 && hits & 15 != 0 { frame[2] |= RFlags.rf }
      let signal = vector == 13 ? 11 : vector == 6 ? 4 : 5
      stops.append(
        "\(signal) +\(Int64(frame[0]) - Int64(SystemMachine.code)) cx\(machine.cpu.rcx) "
          + "dr6 \(String(hits, radix: 16))\(frame[2] & RFlags.rf != 0 ? " rf" : "")")
      guard signal == 5 else { break }
      machine.cpu[Slot.dr + 6] = 0xffff_0ff0
      if watched.steps { frame[2] |= RFlags.tf }
      try goOn(machine, frame)
    }
    return stops
  }

  private func machine(for watched: WatchedCode) throws -> SystemMachine {
    let data = WatchedCodeTests.data
    let machine = try SystemMachine([], user: true) {
      for number in [0, 1, 2] { $0.gpr[number] = 0 }
      $0.gpr[7] = data
      $0.dr0 = (watched.kind == 0 ? SystemMachine.code : data) &+ UInt64(bitPattern: Int64(watched.offset))
      let size: UInt64 = watched.length == 1 ? 0 : watched.length == 2 ? 1 : watched.length == 4 ? 3 : 2
      $0.dr7 = 0x401 | (watched.kind | size << 2) << 16
      if watched.steps { $0.rflags |= RFlags.tf }
    }
    machine.memory.write([UInt8](repeating: 0xf4, count: 0x1000), at: GuestPhysicalAddress(SystemMachine.code))
    machine.memory.write(watched.code, at: GuestPhysicalAddress(SystemMachine.code))
    machine.memory.write([UInt8](repeating: 0x11, count: 0x4000), at: GuestPhysicalAddress(data - 0x1000))
    return machine
  }

  private func runToHandler(_ machine: SystemMachine) throws -> UInt64? {
    for _ in 0..<400 {
      try machine.run(1)
      let place = machine.cpu.rip &- SystemMachine.handlers
      if machine.cpu.privilegeLevel == 0, place < 0x1000 { return place / 16 }
    }
    return nil
  }

  /// IRET, as the kernel would.
  private func goOn(_ machine: SystemMachine, _ frame: [UInt64]) throws {
    var state = try machine.engine.state()
    state.rip = frame[0]
    state.cs = Segment(selector: UInt16(frame[1]), base: 0, limit: .max, attributes: 0xa0fb)
    state.rflags = frame[2]
    state.gpr[4] = frame[3]
    state.ss = Segment(selector: UInt16(frame[4]), base: 0, limit: .max, attributes: 0xc0f3)
    try machine.engine.setState(state)
  }
}
