/// The time that the devices see, in nanoseconds since the machine started. Devices never ask the host.
public protocol MachineClock: AnyObject {
  /// `host` or `virtual`, as traces name it.
  var name: String { get }
  func now() -> UInt64
  /// Nanoseconds that the calling thread has worked: other than `now`, nothing passes while it is stopped or waits for
  /// a CPU. Slower to ask for.
  func work() -> UInt64
  /// The vCPU has nothing to do until `deadline` (`nil`: until input comes). Waits for it, or lets the time pass at
  /// once; may return early.
  func idle(until deadline: UInt64?)
  /// Makes the engine's `run` end at `deadline`: sets an alarm, or says how many instructions are left until then.
  func limit(until deadline: UInt64) throws(EngineError) -> RunLimit
  /// The vCPU has waited so many nanoseconds for a device. On the host's clock they pass by themselves.
  func spend(_ nanoseconds: UInt64)
  /// Does what costs the guest no time: on a host's clock, what takes the recorder so long that a guest with a fast
  /// timer would see nothing but its interrupts.
  func standStill<Result>(during work: () throws -> Result) rethrows -> Result
}

extension MachineClock {
  public func spend(_ nanoseconds: UInt64) {}
  public func standStill<Result>(during work: () throws -> Result) rethrows -> Result { try work() }
}
