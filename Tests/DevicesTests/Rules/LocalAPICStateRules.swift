@testable import Devices

/// Local APIC (Intel SDM vol. 3, chapter 11 "APIC"): switching it on and off, errors, and the timer.
extension LocalAPICRules {
  private typealias Rule = DeviceRule<APICBench>

  static let switching: [DeviceRule<APICBench>] = [
    Rule("off by SVR: every local vector is masked, and stays so", "11.4.7.2", [0x1_0040, 0x1_0041]) { bench in
      bench[0x320] = 0x40
      bench[0xf0] = 0xff
      let masked = bench[0x320]
      bench[0x320] = 0x41
      return [masked, bench[0x320]]
    },
    Rule("on again: they are still masked", "11.4.7.2", 0x1_0040) { bench in
      bench[0x320] = 0x40
      bench[0xf0] = 0xff
      bench[0xf0] = 0x1ff
      return bench[0x320]
    },
    Rule("off by SVR: interrupts are not accepted, NMIs are", "11.4.7.2", [0, 1]) { bench in
      bench[0xf0] = 0xff
      bench.send(0x40)
      bench[0x300] = 0x0400
      return [bench.apic.hasInterrupt ? 1 : 0, bench.nmis]
    },
    Rule("off by SVR: what has been requested is held", "11.4.7.2", 1) { bench in
      bench.send(0x40)
      bench[0xf0] = 0xff
      return bench.has(0x40, in: 0x200) ? 1 : 0
    },
    Rule("off by IA32_APIC_BASE and on: a reset", "11.4.3", [0, 0xff, 0xffff_ffff, 0x1_0000, 0]) { bench in
      bench[0x80] = 0x20
      bench[0xe0] = 0
      bench[0x350] = 0x700
      bench[0x380] = 1000
      bench.cycleBase()
      return [0x80, 0xf0, 0xe0, 0x350, 0x390].map { (offset: UInt64) in bench[offset] }
    },
    Rule("off by IA32_APIC_BASE: the 8259A is wired to the CPU", "11.4.3", [false, true, false]) { bench in
      bench[0x350] = 0x1_0700
      let before = bench.apic.passesExternalInterrupts
      bench.apic.base = 0xfee0_0100
      let off = bench.apic.passesExternalInterrupts
      bench.apic.base = 0xfee0_0900
      return [before, off, bench.apic.passesExternalInterrupts]
    },
    Rule("off by IA32_APIC_BASE: no message arrives", "11.4.3", 0) { bench in
      bench.apic.base = 0xfee0_0100
      _ = bench.apic.deliver(InterruptMessage(word: 0x0041, destination: 0xff))
      bench.apic.base = 0xfee0_0900
      return bench.has(0x41, in: 0x200) ? 1 : 0
    },
    Rule("ExtINT passes whatever the priorities", "11.8.1", true) { bench in
      bench[0x80] = 0xff
      bench[0x350] = 0x700
      return bench.apic.passesExternalInterrupts
    },
    Rule("LINT0 in fixed mode: an edge, its vector", "11.5.1", [0x38]) { bench in
      bench[0x350] = 0x38
      bench.apic.setPin(0, true)
      let vectors = bench.takeAndEndAll()
      bench.apic.setPin(0, true)
      return vectors + bench.takeAndEndAll()
    },
    Rule("LINT0 in fixed mode, level-triggered: until the level is gone", "11.5.1", [0x38, 0x38]) { bench in
      bench[0x350] = 0x8038
      bench.apic.setPin(0, true)
      let first = bench.apic.acknowledge()
      bench[0xb0] = 0
      bench.apic.setPin(0, false)
      let second = bench.apic.acknowledge()
      bench[0xb0] = 0
      return [first, second] + bench.takeAndEndAll()
    },
    Rule("its level is there when the mask goes, and shows in remote IRR until EOI", "11.5.1", [0, 1, 0]) { bench in
      bench[0x350] = 0x1_8038
      bench.apic.setPin(0, true)
      let masked = bench[0x350] >> 14 & 1
      bench[0x350] = 0x8038
      let accepted = bench[0x350] >> 14 & 1
      bench.apic.setPin(0, false)
      _ = bench.takeAndEndAll()
      return [masked, accepted, bench[0x350] >> 14 & 1]
    },
    Rule("an illegal vector of a level is not served: the next one is", "11.5.1", [0, 0x38]) { bench in
      bench[0x350] = 0x8005
      bench.apic.setPin(0, true)
      let refused = bench[0x350] >> 14 & 1
      bench[0x350] = 0x8038
      return [refused, UInt32(bench.apic.acknowledge())]
    },
    Rule("remote IRR goes with the level mode, and the level is served anew", "11.5.1", [0, 1]) { bench in
      bench[0x350] = 0x8038
      bench.apic.setPin(0, true)
      bench[0x350] = 0x0038
      let edge = bench[0x350] >> 14 & 1
      bench[0x350] = 0x8038
      return [edge, bench[0x350] >> 14 & 1]
    },
    Rule("LINT1 in NMI mode: an edge", "11.5.1", 1) { bench in
      bench[0x360] = 0x400
      bench.apic.setPin(1, true)
      bench.apic.setPin(1, true)
      return bench.nmis
    },
    Rule("a masked pin's edge is lost", "11.5.1", 0) { bench in
      bench[0x360] = 0x1_0400
      bench.apic.setPin(1, true)
      bench[0x360] = 0x400
      return bench.nmis
    },
  ]

  static let errors: [DeviceRule<APICBench>] = [
    Rule("ESR shows what there was when it was written", "11.5.3", [0, 0x20, 0x20, 0]) { bench in
      bench.send(0x0f)
      let before = bench[0x280]
      bench[0x280] = 0
      let after = [bench[0x280], bench[0x280]]
      bench[0x280] = 0
      return [before] + after + [bench[0x280]]
    },
    Rule("the value that is written does not matter", "11.5.3", 0x20) { bench in
      bench.send(0x05)
      bench[0x280] = .max
      return bench[0x280]
    },
    Rule("errors add up", "11.5.3", 0xa0) { bench in
      bench.send(0x05)
      _ = bench[0x2f0]
      bench[0x280] = 0
      return bench[0x280]
    },
    Rule("vectors 0 to 15 are illegal, 16 is not", "11.5.2", [0x20, 0x20, 0x00]) { bench in
      [0x00, 0x0f, 0x10].map { (vector: UInt32) in
        bench.send(vector)
        bench[0x280] = 0
        return bench[0x280]
      }
    },
    Rule("an illegal vector is not sent", "11.5.3", false) { bench in
      bench.send(0x0f)
      return bench.apic.hasInterrupt
    },
    Rule("an illegal vector that comes is not accepted", "11.5.3", [0x40, 0]) { bench in
      _ = bench.apic.deliver(InterruptMessage(word: 0x0003, destination: 0))
      bench[0x280] = 0
      return [bench[0x280], bench.apic.hasInterrupt ? 1 : 0]
    },
    Rule("the vector of an NMI does not matter", "11.6.1", 0) { bench in
      bench[0x300] = 0x0402
      bench[0x280] = 0
      return bench[0x280]
    },
    Rule("a register that is not there", "11.5.3", [0x80, 0x80]) { bench in
      _ = bench[0x40]
      bench[0x280] = 0
      let read = bench[0x280]
      bench[0x3f0] = 1
      bench[0x280] = 0
      return [read, bench[0x280]]
    },
    Rule("errors interrupt by their vector, unless that is masked", "11.5.1", [0, 0x52]) { bench in
      bench[0x370] = 0x1_0052
      bench.send(0x05)
      let masked: UInt8 = bench.apic.hasInterrupt ? 1 : 0
      bench[0x370] = 0x52
      bench[0x280] = 0
      bench.send(0x05)
      return [masked, bench.apic.acknowledge()]
    },
    Rule("once, until a write to ESR arms them again", "11.5.3", "101") { bench in
      bench[0x370] = 0x52
      return [false, false, true].map { (arms: Bool) in
        if arms { bench[0x280] = 0 }
        bench.send(0x05)
        defer { bench.drop() }
        return bench.apic.hasInterrupt ? "1" : "0"
      }.joined()
    },
  ]

  static let timer: [DeviceRule<APICBench>] = [
    Rule("divides by 1, 2, 4, 8, 16, 32, 64, 128", "figure 11-10", [1, 2, 4, 8, 16, 32, 64, 128]) { bench in
      [0xb, 0, 1, 2, 3, 8, 9, 0xa].map { (code: UInt32) in
        bench[0x3e0] = code
        bench[0x320] = 0x30
        bench[0x380] = 1
        return (bench.apic.nextDeadline ?? 0) - bench.now
      }
    },
    Rule("one-shot: once, and it stays at 0", "11.5.4", [1, 0, 0]) { bench in
      bench.start(mode: 0, count: 100)
      bench.pass(100)
      let first = bench.takeAndEndAll().count
      bench.pass(1000)
      return [UInt32(first), bench[0x390], bench.apic.hasInterrupt ? 1 : 0]
    },
    Rule("periodic: again and again from the initial count", "11.5.4", [1, 1, 70]) { bench in
      bench.start(mode: 1, count: 100)
      let counts = (0..<2).map { _ in
        bench.pass(100)
        return UInt32(bench.takeAndEndAll().count)
      }
      bench.pass(30)
      return counts + [bench[0x390]]
    },
    Rule("the initial count can be read back, the current one counts", "11.5.4", [100, 60]) { bench in
      bench.start(mode: 0, count: 100)
      bench.pass(40)
      return [bench[0x380], bench[0x390]]
    },
    Rule("writing the initial count starts again", "11.5.4", [50, 0]) { bench in
      bench.start(mode: 0, count: 100)
      bench.pass(90)
      bench[0x380] = 50
      let count = bench[0x390]
      bench.pass(20)
      return [count, bench.apic.hasInterrupt ? 1 : 0]
    },
    Rule("0 stops it", "11.5.4", [0, 0]) { bench in
      bench.start(mode: 1, count: 100)
      bench[0x380] = 0
      bench.pass(1000)
      return [bench[0x390], bench.apic.hasInterrupt ? 1 : 0]
    },
    Rule("masked it counts, and the end is lost", "11.5.4", [60, 0, 0]) { bench in
      bench.start(mode: 0, count: 100)
      bench[0x320] = 0x1_0030
      bench.pass(40)
      let count = bench[0x390]
      bench.pass(60)
      bench[0x320] = 0x30
      return [count, bench[0x390], bench.apic.hasInterrupt ? 1 : 0]
    },
    Rule("from one-shot to periodic while it runs: it goes on, and comes again", "11.5.4", [60, 1, 70]) { bench in
      bench.start(mode: 0, count: 100)
      bench.pass(40)
      bench[0x320] = 0x2_0030
      let count = bench[0x390]
      bench.pass(90)
      return [count, UInt32(bench.takeAndEndAll().count), bench[0x390]]
    },
    Rule("from periodic to one-shot: it goes on to 0 and stays there", "11.5.4", [60, 1, 0]) { bench in
      bench.start(mode: 1, count: 100)
      bench.pass(40)
      bench[0x320] = 0x30
      let count = bench[0x390]
      bench.pass(90)
      return [count, UInt32(bench.takeAndEndAll().count), bench[0x390]]
    },
    Rule("to periodic after the end: it stays at 0", "11.5.4", [0, 0]) { bench in
      bench.start(mode: 0, count: 100)
      bench.pass(200)
      _ = bench.takeAndEndAll()
      bench[0x320] = 0x2_0030
      bench.pass(1000)
      return [bench[0x390], bench.apic.hasInterrupt ? 1 : 0]
    },
    Rule("a new divisor keeps the count", "11.5.4", [60, 59]) { bench in
      bench.start(mode: 0, count: 100)
      bench.pass(40)
      bench[0x3e0] = 0x3
      let count = bench[0x390]
      bench.pass(16)
      return [count, bench[0x390]]
    },
    Rule("TSC-deadline mode, which CPUID does not show, cannot be chosen", "11.5.4.1", [0x30, 100, 60]) { bench in
      bench.start(mode: 2, count: 100)
      bench.pass(40)
      return [bench[0x320], bench[0x380], bench[0x390]]
    },
    Rule("a tick that waits swallows the next", "11.8.4", 1) { bench in
      bench.start(mode: 1, count: 100)
      bench.pass(1000)
      return bench.takeAndEndAll().count
    },
  ]
}

extension APICBench {
  /// Starts the timer at 1 ns a count, with vector 0x30.
  func start(mode: UInt32, count: UInt32) {
    self[0x3e0] = 0xb
    self[0x320] = mode << 17 | 0x30
    self[0x380] = count
  }

  /// Off and on again by IA32_APIC_BASE.
  func cycleBase() {
    apic.base = 0xfee0_0100
    apic.base = 0xfee0_0900
  }
}
