internal import Trace

extension EndReason {
  /// The exit status of `run` and `record` for a guest that ended so.
  var exitStatus: Int32 {
    switch self {
    case .powerOff, .reset, .haltedForGood: ExitStatus.success
    case .debugExit(let value): Int32(truncatingIfNeeded: (value << 1 | 1) & 0xff)
    case .timeout: ExitStatus.timeout
    case .interrupted: 130
    case .shutdown, .engineStopped: ExitStatus.failure
    }
  }

  /// One phrase for people.
  var phrase: String {
    switch self {
    case .powerOff: "the guest powered off"
    case .reset: "the guest reset the machine"
    case .haltedForGood: "the guest halted for good"
    case .shutdown: "triple fault"
    case .debugExit(let value): "the guest wrote \(value) to the debug-exit port (status \(exitStatus))"
    case .timeout: "the time limit ran out"
    case .interrupted: "stopped by the user"
    case .engineStopped(let message): message
    }
  }
}
