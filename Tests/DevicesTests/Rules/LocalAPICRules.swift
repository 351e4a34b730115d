import Testing

@testable import Devices

/// Local APIC (Intel SDM vol. 3, chapter 11 "APIC"): registers, priorities and messages.
enum LocalAPICRules {
  private typealias Rule = DeviceRule<APICBench>

  static let registers: [DeviceRule<APICBench>] = [
    Rule("version 0x14, six local vectors", "11.4.8", 0x0005_0014) { $0[0x30] },
    Rule("what is for reading only cannot be written", "table 11-1", [0x0005_0014, 0, 0, 0, 0, 0]) { bench in
      [0x30, 0xa0, 0x110, 0x190, 0x210, 0x390].map { (offset: UInt64) in
        bench[offset] = .max
        return bench[offset]
      }
    },
    Rule("the ID has 8 bits", "11.4.6", 0x5a00_0000) { bench in
      bench[0x20] = 0x5aff_ffff
      return bench[0x20]
    },
    Rule("the logical ID has 8 bits", "11.6.2.2", 0x5a00_0000) { bench in
      bench[0xd0] = 0x5aff_ffff
      return bench[0xd0]
    },
    Rule("the destination format has 4 bits, the others are 1", "11.6.2.2", [0x0fff_ffff, 0xffff_ffff]) { bench in
      [0, .max].map { (value: UInt32) in
        bench[0xe0] = value
        return bench[0xe0]
      }
    },
    Rule("the task priority has 8 bits", "11.8.3.1", 0xa5) { bench in
      bench[0x80] = 0xffff_ffa5
      return bench[0x80]
    },
    Rule("the spurious vector's register holds vector, enable bit and no more", "11.9", 0x1e3) { bench in
      bench[0xf0] = 0xffff_fde3
      return bench[0xf0]
    },
    Rule("ICR's delivery status is idle", "11.6.1", 0x0000_4040) { bench in
      bench[0x310] = 0x0300_0000
      bench[0x300] = 0x0000_5040
      return bench[0x300]
    },
    Rule("ICR's high word holds the destination only", "11.6.1", 0x5a00_0000) { bench in
      bench[0x310] = 0x5aff_ffff
      return bench[0x310]
    },
    Rule("local vectors", "figure 11-8", [0x0003_00ff, 0x0001_07ff, 0x0001_a7ff, 0x0001_00ff]) { bench in
      [0x320, 0x340, 0x350, 0x370].map { (offset: UInt64) in
        bench[offset] = .max
        return bench[offset]
      }
    },
    Rule("the divide configuration has bits 3, 1 and 0", "11.5.4", 0xb) { bench in
      bench[0x3e0] = .max
      return bench[0x3e0]
    },
    Rule("EOI reads nothing", "table 11-1", 0) { $0[0xb0] },
  ]

  static let priorities: [DeviceRule<APICBench>] = [
    Rule("the highest vector first", "11.8.3", [0xe1, 0x52, 0x41]) { bench in
      for vector in [0x41, 0xe1, 0x52] as [UInt32] { bench.send(vector) }
      return bench.takeAndEndAll()
    },
    Rule("in a class, too", "11.8.3", [0x21, 0x20]) { bench in
      for vector in [0x20, 0x21] as [UInt32] { bench.send(vector) }
      return bench.takeAndEndAll()
    },
    Rule("the same class does not nest, a higher one does", "11.8.3.1", [0, 1]) { bench in
      bench.send(0x40)
      _ = bench.apic.acknowledge()
      bench.send(0x4f)
      let same = bench.apic.hasInterrupt ? 1 : 0
      bench.send(0x50)
      return [same, bench.apic.hasInterrupt ? 1 : 0]
    },
    Rule("TPR holds its class and lower ones back", "11.8.3.1", "011") { bench in
      bench[0x80] = 0x40
      return [0x4f, 0x50, 0xff].map { (vector: UInt32) in
        bench.send(vector)
        defer { bench.drop() }
        return bench.apic.hasInterrupt ? "1" : "0"
      }.joined()
    },
    Rule("TPR's low half holds nothing back", "11.8.3.1", true) { bench in
      bench[0x80] = 0x4f
      bench.send(0x50)
      return bench.apic.hasInterrupt
    },
    Rule("TPR 0xff holds everything back", "11.8.3.1", false) { bench in
      bench[0x80] = 0xff
      bench.send(0xff)
      return bench.apic.hasInterrupt
    },
    Rule("PPR: the task's, the class in service, whichever is higher", "11.8.3.1", [0x35, 0x50, 0x65]) { bench in
      bench[0x80] = 0x35
      let task = bench[0xa0]
      bench.send(0x5a)
      _ = bench.apic.acknowledge()
      let service = bench[0xa0]
      bench[0x80] = 0x65
      return [task, service, bench[0xa0]]
    },
    Rule("PPR falls with the end", "11.8.3.1", [0x50, 0x00]) { bench in
      bench.send(0x5a)
      _ = bench.apic.acknowledge()
      let service = bench[0xa0]
      bench.end()
      return [service, bench[0xa0]]
    },
    Rule("CR8 is TPR's high half, and clears the low one", "11.8.6", [0x0a, 0x30]) { bench in
      bench[0x80] = 0xa7
      let before = UInt32(bench.apic.taskPriorityClass)
      bench.apic.taskPriorityClass = 3
      return [before, bench[0x80]]
    },
    Rule("a vector in service can be requested again, once", "11.8.4", [1, 1, 0x44, 0]) { bench in
      bench.send(0x44)
      _ = bench.apic.acknowledge()
      bench.send(0x44)
      bench.send(0x44)
      let both: [UInt8] = [bench.has(0x44, in: 0x100) ? 1 : 0, bench.has(0x44, in: 0x200) ? 1 : 0]
      bench.end()
      let again = bench.apic.acknowledge()
      bench.end()
      return both + [again, bench.apic.hasInterrupt ? 1 : 0]
    },
    Rule("an EOI ends the highest in service", "11.8.5", [0, 1]) { bench in
      for vector in [0x41, 0x81] as [UInt32] {
        bench.send(vector)
        _ = bench.apic.acknowledge()
      }
      bench.end()
      return [bench.has(0x81, in: 0x100) ? 1 : 0, bench.has(0x41, in: 0x100) ? 1 : 0]
    },
    Rule("an EOI with nothing in service does nothing", "11.8.5", [0, 0]) { bench in
      bench.end()
      return [bench[0xa0], UInt32(bench.ended.count)]
    },
    Rule("an interrupt that is held back when the CPU takes it is the spurious one", "11.9", [0xe7, 0, 1]) { bench in
      bench[0xf0] = 0x1e7
      bench.send(0x40)
      bench[0x80] = 0x40
      let vector = bench.apic.acknowledge()
      return [vector, bench[0xa0] == 0x40 ? 0 : 1, bench.has(0x40, in: 0x200) ? 1 : 0]
    },
  ]

  static let messages: [DeviceRule<APICBench>] = [
    Rule("to itself, to all with itself, to all others", "11.6.1", "110") { bench in
      [0x4_0040, 0x8_0040, 0xc_0040].map { (command: UInt32) in
        bench[0x300] = command
        defer { bench.drop() }
        return bench.apic.hasInterrupt ? "1" : "0"
      }.joined()
    },
    Rule("physical: its ID, another, all", "11.6.2.1", "101") { bench in
      bench[0x20] = 0x0300_0000
      return bench.row([0x0300_0000, 0x0200_0000, 0xff00_0000], command: 0x0040)
    },
    Rule("flat: any common bit", "11.6.2.2", "1101") { bench in
      bench[0xd0] = 0x0600_0000
      return bench.row([0x0200_0000, 0x0c00_0000, 0x0900_0000, 0xff00_0000], command: 0x0840)
    },
    Rule("cluster: the same cluster and a common bit", "11.6.2.2", "10001") { bench in
      bench[0xe0] = 0
      bench[0xd0] = 0x1200_0000
      return bench.row([0x1600_0000, 0x1400_0000, 0x2200_0000, 0x0200_0000, 0xff00_0000], command: 0x0840)
    },
    Rule("a logical ID of 0 is nobody's but all's", "11.6.2.2", "01") { bench in
      bench.row([0x0100_0000, 0xff00_0000], command: 0x0840)
    },
    Rule("lowest priority is fixed for one processor", "11.6.2.4", true) { bench in
      bench[0x300] = 0x0000_0140
      return bench.apic.hasInterrupt
    },
    Rule("an NMI leaves no request", "11.6.1", [1, 0]) { bench in
      bench[0x300] = 0x0000_0440
      return [bench.nmis, bench.apic.hasInterrupt ? 1 : 0]
    },
    Rule("INIT and start-up do nothing to the only processor", "11.6.1", 0) { bench in
      for command in [0x4500, 0x8500, 0x4600] as [UInt32] { bench[0x300] = command }
      return bench.nmis + (bench.apic.hasInterrupt ? 1 : 0)
    },
    Rule("what it sends is edge-triggered, whatever bit 15 says", "11.6.1", [0, 0]) { bench in
      bench[0x300] = 0x0004_8040
      let level = bench.has(0x40, in: 0x180) ? 1 : 0
      _ = bench.apic.acknowledge()
      bench.end()
      return [level, bench.ended.count]
    },
    Rule("a level from the I/O APIC sets TMR, and its EOI goes back", "11.8.4, 11.8.5", [1, 0x41]) { bench in
      _ = bench.apic.deliver(InterruptMessage(word: 0x8041, destination: 0))
      let level: UInt8 = bench.has(0x41, in: 0x180) ? 1 : 0
      _ = bench.apic.acknowledge()
      bench.end()
      return [level] + bench.ended
    },
    Rule("an edge clears TMR", "11.8.4", [0]) { bench in
      for word in [0x8041, 0x0041] as [UInt32] {
        _ = bench.apic.deliver(InterruptMessage(word: word, destination: 0))
      }
      return [bench.has(0x41, in: 0x180) ? 1 : 0]
    },
    Rule("an edge's EOI does not go back", "11.8.5", []) { bench in
      _ = bench.apic.deliver(InterruptMessage(word: 0x0041, destination: 0))
      _ = bench.apic.acknowledge()
      bench.end()
      return bench.ended
    },
  ]
}

extension APICBench {
  /// Takes a request away without a trace, if there is one.
  func drop() {
    if apic.hasInterrupt {
      _ = apic.acknowledge()
      end()
    }
  }

  func takeAndEndAll() -> [UInt8] {
    var vectors: [UInt8] = []
    while apic.hasInterrupt, vectors.count < 20 {
      vectors.append(apic.acknowledge())
      end()
    }
    return vectors
  }

  /// Which of the destinations the APIC is.
  func row(_ destinations: [UInt32], command: UInt32) -> String {
    destinations.map { destination in
      self[0x310] = destination
      self[0x300] = command
      defer { drop() }
      return apic.hasInterrupt ? "1" : "0"
    }.joined()
  }
}

@Suite struct LocalAPICRuleTests {
  @Test(
    arguments: LocalAPICRules.registers + LocalAPICRules.priorities + LocalAPICRules.messages + LocalAPICRules.switching
      + LocalAPICRules.errors + LocalAPICRules.timer)
  func holds(_ rule: DeviceRule<APICBench>) { #expect(rule.fault(on: APICBench()) == nil) }
}
