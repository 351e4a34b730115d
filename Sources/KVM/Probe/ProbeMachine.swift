internal import CKVM
internal import GuestMemory
internal import VMMCore

/// A probe guest on an engine, with a watchdog: a probe that does not end is `.kicked`.
struct ProbeMachine {
  typealias M = MachineCode
  let guest: ProbeGuest
  let engine: KVMEngine
  private let timer: KickTimer

  /// No probe takes longer than this, in nanoseconds.
  static let limit: UInt64 = 2_000_000_000

  /// Exceptions write their vector's number, 0x80 added, to the port of that number, and halt.
  init(kernel: [UInt8], user: [UInt8] = [], change: (inout CPUState) -> Void = { _ in }) throws {
    var guest = try ProbeGuest(kernel: kernel, user: user)
    for vector in 0..<UInt8(32) { guest.setHandler(vector, M.out(0x80 + vector) + M.hlt) }
    change(&guest.state)
    self.guest = guest
    engine = try KVMEngine(memory: guest.memory)
    try engine.setState(guest.state)
    timer = KickTimer(engine)
    try timer.arm(deadline: KickTimer.now + ProbeMachine.limit)
  }

  /// The same code in user mode, entered by IRETQ.
  init(user: [UInt8], change: (inout CPUState) -> Void = { _ in }) throws {
    try self.init(
      kernel: M.enterUser(entry: ProbeGuest.user, stack: ProbeGuest.userStack), user: user, change: change)
  }

  /// Runs to the first port write, or write to the device, and returns its port (or the number of the `report`) and
  /// value; `nil` for any other end. Reads answer zero.
  func firstWrite() throws -> (port: UInt16, value: UInt32)? {
    while true {
      let exit = try engine.run(.free)
      if case .portWrite(let port, _, let value) = exit { return (port, value) }
      if case .mmioWrite(let address, _, let value) = exit, address.rawValue >= ProbeGuest.device {
        return (UInt16(truncatingIfNeeded: address.rawValue &- ProbeGuest.device), UInt32(truncatingIfNeeded: value))
      }
      guard exit.isInteraction, exit != .halt else { return nil }
      if exit.wantsReply { engine.reply(0) } else if case .msrWrite = exit { engine.acknowledge() }
    }
  }

  /// The value of the first write to `port`; `nil` when something else comes first.
  func value(at port: UInt16) throws -> UInt32? {
    guard let write = try firstWrite(), write.port == port else { return nil }
    return write.value
  }
}
