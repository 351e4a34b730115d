import Devices

/// 8254 (Intel order number 231164): the gate, and counts that are written while the counter runs.
extension PITRules {
  private typealias Rule = DeviceRule<PITBench>

  /// Counter 2 in a mode, with its gate open or not.
  private static func start(_ bench: PITBench, mode: UInt8, count: UInt16, gate: UInt8 = 1) {
    bench[4] = gate
    bench.program(2, mode: mode, count: count)
  }

  /// Closes the gate and opens it again.
  private static func trigger(_ bench: PITBench) {
    bench[4] = 0
    bench[4] = 1
  }

  static let gates: [DeviceRule<PITBench>] = [
    Rule("mode 0: the count is loaded while the gate is low", "mode 0", [3, 3]) { bench in
      start(bench, mode: 0, count: 3, gate: 0)
      bench.pass()
      let loaded = bench.count(2)
      bench.pass(5)
      return [loaded, bench.count(2)]
    },
    Rule("mode 0: then N clocks, with none for loading", "mode 0", "0011") { bench in
      start(bench, mode: 0, count: 3, gate: 0)
      bench.pass(5)
      bench[4] = 1
      return bench.wave(2, 4)
    },
    Rule("mode 0: the gate does not touch OUT", "mode 0", "1") { bench in
      start(bench, mode: 0, count: 1)
      bench.pass(2)
      bench[4] = 0
      return bench.out(2) ? "1" : "0"
    },
    Rule("mode 1: a trigger before there is a count does nothing", "mode 1", "1111") { bench in
      bench.program(2, mode: 1)
      trigger(bench)
      bench.write(2, 2)
      return bench.wave(2, 4)
    },
    Rule("mode 1: a low gate goes on counting", "mode 1", "0001") { bench in
      start(bench, mode: 1, count: 3, gate: 0)
      bench[4] = 1
      let first = bench.wave(2, 1)
      bench[4] = 0
      return first + bench.wave(2, 3)
    },
    Rule("mode 1: a trigger is seen though the gate falls before the clock", "gate", "0011") { bench in
      start(bench, mode: 1, count: 2, gate: 0)
      trigger(bench)
      bench[4] = 0
      return bench.wave(2, 4)
    },
    Rule("mode 1: it can be triggered again and again without a new count", "mode 1", "001001") { bench in
      start(bench, mode: 1, count: 2, gate: 0)
      trigger(bench)
      let first = bench.wave(2, 3)
      trigger(bench)
      return first + bench.wave(2, 3)
    },
    Rule("mode 1: a trigger in the pulse makes it longer", "mode 1", "000001") { bench in
      start(bench, mode: 1, count: 3, gate: 0)
      trigger(bench)
      let first = bench.wave(2, 2)
      trigger(bench)
      return first + bench.wave(2, 4)
    },
    Rule("mode 2: a low gate raises OUT at once", "mode 2", "0 1") { bench in
      start(bench, mode: 2, count: 3)
      bench.pass(3)
      let low = bench.out(2) ? "1" : "0"
      bench[4] = 0
      return low + (bench.out(2) ? " 1" : " 0")
    },
    Rule("mode 2: a low gate stops the count where it is", "mode 2", [4, 4]) { bench in
      start(bench, mode: 2, count: 5)
      bench.pass(2)
      bench[4] = 0
      let before = bench.count(2)
      bench.pass(7)
      return [before, bench.count(2)]
    },
    Rule("mode 2: a rising gate starts the period afresh", "mode 2", "1110") { bench in
      start(bench, mode: 2, count: 4)
      bench.pass(3)
      trigger(bench)
      return bench.wave(2, 4)
    },
    Rule("mode 3: a low gate raises OUT at once", "mode 3", "0 1") { bench in
      start(bench, mode: 3, count: 4)
      bench.pass(3)
      let low = bench.out(2) ? "1" : "0"
      bench[4] = 0
      return low + (bench.out(2) ? " 1" : " 0")
    },
    Rule("mode 3: a rising gate starts the period afresh", "mode 3", "11001") { bench in
      start(bench, mode: 3, count: 4)
      bench.pass(2)
      trigger(bench)
      return bench.wave(2, 5)
    },
    Rule("mode 4: the gate holds the count but not OUT", "mode 4", "1111 10") { bench in
      start(bench, mode: 4, count: 2)
      bench.pass()
      bench[4] = 0
      let held = bench.wave(2, 4)
      bench[4] = 1
      return held + " " + bench.wave(2, 2)
    },
    Rule("mode 4: the gate is no trigger", "mode 4", "1111") { bench in
      start(bench, mode: 4, count: 2)
      bench.pass(6)
      trigger(bench)
      return bench.wave(2, 4)
    },
    Rule("mode 5: N + 1 clocks after the trigger, for one clock", "mode 5", "11101") { bench in
      start(bench, mode: 5, count: 3, gate: 0)
      trigger(bench)
      return bench.wave(2, 5)
    },
    Rule("mode 5: a low gate goes on counting", "mode 5", "1101") { bench in
      start(bench, mode: 5, count: 2, gate: 0)
      trigger(bench)
      bench[4] = 0
      return bench.wave(2, 4)
    },
    Rule("mode 5: a trigger before the end begins again", "mode 5", "111101") { bench in
      start(bench, mode: 5, count: 2, gate: 0)
      trigger(bench)
      let first = bench.wave(2, 2)
      trigger(bench)
      return first + bench.wave(2, 4)
    },
  ]

  static let reloads: [DeviceRule<PITBench>] = [
    Rule("mode 0: a new count drops OUT and counts afresh", "mode 0", "0001") { bench in
      start(bench, mode: 0, count: 1)
      bench.pass(5)
      bench.write(2, 3)
      return bench.wave(2, 4)
    },
    Rule("mode 1: a new count waits for the next trigger", "mode 1", "001 0001") { bench in
      start(bench, mode: 1, count: 2, gate: 0)
      trigger(bench)
      bench.pass()
      bench.write(2, 3)
      let running = (bench.out(2) ? "1" : "0") + bench.wave(2, 2)
      trigger(bench)
      return running + " " + bench.wave(2, 4)
    },
    Rule("mode 2: a new count waits for the end of the period", "mode 2", "1011110") { bench in
      start(bench, mode: 2, count: 3)
      bench.pass()
      bench.write(2, 5)
      return bench.wave(2, 7)
    },
    Rule("mode 2: a trigger takes it at once", "mode 2", "10101") { bench in
      start(bench, mode: 2, count: 100)
      bench.pass(3)
      bench.write(2, 2)
      trigger(bench)
      return bench.wave(2, 5)
    },
    Rule("mode 3: a new count waits for the end of the half", "mode 3", "1000111") { bench in
      start(bench, mode: 3, count: 4)
      bench.pass()
      bench.write(2, 6)
      return bench.wave(2, 7)
    },
    Rule("mode 3: a trigger takes it at once", "mode 3", "1010") { bench in
      start(bench, mode: 3, count: 100)
      bench.pass(3)
      bench.write(2, 2)
      trigger(bench)
      return bench.wave(2, 4)
    },
    Rule("mode 4: a new count begins at once", "mode 4", "1110") { bench in
      start(bench, mode: 4, count: 100)
      bench.pass(50)
      bench.write(2, 3)
      return bench.wave(2, 4)
    },
    Rule("mode 5: a new count waits for the next trigger", "mode 5", "101 1110") { bench in
      start(bench, mode: 5, count: 2, gate: 0)
      trigger(bench)
      bench.pass()
      bench.write(2, 3)
      let running = bench.wave(2, 3)
      trigger(bench)
      return running + " " + bench.wave(2, 4)
    },
  ]
}
