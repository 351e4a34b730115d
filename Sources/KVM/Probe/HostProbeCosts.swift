internal import VMMCore

// What things cost.
extension HostProbe {
  private typealias M = MachineCode

  static func costs() -> [HostFinding] {
    let load = M.loadRAX(size: 4)
    return [
      exitCost("cost.out.kernel", M.out(0x10)) { try ProbeMachine(kernel: $0) },
      exitCost("cost.in.kernel", M.input(0x10)) { try ProbeMachine(kernel: $0) },
      exitCost("cost.mmio.kernel", load) { try ProbeMachine(kernel: M.mov(.rsi, ProbeGuest.device) + $0) },
      exitCost("cost.mmio.user", M.report(0x10)) { try ProbeMachine(user: $0) },
      cost("cost.step", rounds: 200, "an instruction") {
        let machine = try ProbeMachine(kernel: [UInt8](repeating: 0x90, count: 1000))
        return { _ = try machine.engine.run(.instructions(1)) }
      },
      cost("cost.kick", rounds: 50, "after its time") {
        let machine = try ProbeMachine(kernel: M.jump(0))
        let timer = KickTimer(machine.engine)
        return {
          try timer.arm(deadline: KickTimer.now)
          _ = try machine.engine.run(.free)
        }
      },
      cost("cost.state", rounds: 50, "to read it all") {
        let machine = try ProbeMachine(kernel: M.hlt)
        return { _ = try machine.engine.state() }
      },
      cost("cost.restore", rounds: 5, "to forget the memory, for a checkpoint") {
        let machine = try ProbeMachine(kernel: M.hlt)
        return { try machine.engine.prepareToRestore() }
      },
    ]
  }

  /// The median of some rounds of an exit in a loop.
  private static func exitCost(
    _ name: String, _ instruction: [UInt8], _ make: ([UInt8]) throws -> ProbeMachine
  ) -> HostFinding {
    cost(name, rounds: 500, "an exit and back") {
      let machine = try make(instruction + M.jump(-Int8(instruction.count)))
      return {
        let exit = try machine.engine.run(.free)
        if exit.wantsReply { machine.engine.reply(0) }
      }
    }
  }

  private static func cost(
    _ name: String, rounds: Int, _ unit: String, _ prepare: () throws -> () throws -> Void
  ) -> HostFinding {
    finding(name) {
      let round = try prepare()
      var times: [UInt64] = []
      for _ in 0..<rounds {
        let start = KickTimer.now
        try round()
        times.append(KickTimer.now - start)
      }
      let median = times.sorted()[rounds / 2]
      return HostFinding(name, "\(median / 1000).\(median % 1000 / 100) us \(unit)", .figure)
    }
  }
}
