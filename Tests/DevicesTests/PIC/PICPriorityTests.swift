import Devices
import Testing

/// 8259A data sheet: nesting, rotation, special modes and the cascade.
@Suite struct PICPriorityTests {
  @Test func lowNumbersComeFirst() {
    let bench = PICBench()
    bench.initialize()
    for line in [UInt8(7), 3, 5, 1] { bench.raise(line) }
    var order: [UInt8] = []
    while bench.pic.hasInterrupt {
      order.append(bench.pic.acknowledge())
      bench.out(0x20, 0x20)
    }
    #expect(order == [0x21, 0x23, 0x25, 0x27])
  }

  @Test func onlyHigherPrioritiesNest() {
    let bench = PICBench()
    bench.initialize()
    bench.raise(4)
    #expect(bench.takeAll() == [0x24])
    bench.raise(6)
    #expect(!bench.pic.hasInterrupt)
    bench.raise(1)
    #expect(bench.takeAll() == [0x21])
    bench.out(0x20, 0x20)
    #expect(!bench.pic.hasInterrupt, "4 is still in service")
    bench.out(0x20, 0x20)
    #expect(bench.takeAll() == [0x26])
  }

  @Test func specificEndOfInterrupt() {
    let bench = PICBench()
    bench.initialize()
    bench.raise(4)
    _ = bench.takeAll()
    bench.raise(1)
    _ = bench.takeAll()
    bench.out(0x20, 0x64)
    bench.out(0x20, 0x0b)
    #expect(bench.in(0x20) == 0x02)
  }

  @Test func slavesComeBetweenOneAndThree() {
    let bench = PICBench()
    bench.initialize()
    for line in [UInt8(3), 8, 15, 1] { bench.raise(line) }
    var order: [UInt8] = []
    while bench.pic.hasInterrupt {
      let vector = bench.pic.acknowledge()
      order.append(vector)
      if vector >= 0x28 { bench.out(0xa0, 0x20) }
      bench.out(0x20, 0x20)
    }
    #expect(order == [0x21, 0x28, 0x2f, 0x23])
  }

  @Test func cascadeShowsInTheMastersRequests() {
    let bench = PICBench()
    bench.initialize()
    bench.raise(12)
    #expect(bench.in(0x20) == 0x04)
    #expect(bench.in(0xa0) == 0x10)
    bench.out(0xa1, 0x10)
    #expect(bench.in(0x20) == 0x00)
    #expect(!bench.pic.hasInterrupt)
  }

  @Test func automaticEnd() {
    let bench = PICBench()
    bench.initialize(icw4: 0x03)
    bench.raise(3)
    bench.raise(8)
    #expect(bench.takeAll() == [0x28, 0x23])
    bench.out(0x20, 0x0b)
    #expect(bench.in(0x20) == 0)
    bench.lower(3)
    bench.raise(3)
    bench.raise(12)
    bench.raise(9)
    #expect(bench.takeAll() == [0x29, 0x2c, 0x23], "the slave's second request is not lost")
  }

  @Test func rotationInAutomaticEndMode() {
    let bench = PICBench()
    bench.initialize(icw4: 0x03)
    bench.out(0x20, 0x80)
    bench.raise(3)
    #expect(bench.takeAll() == [0x23])
    bench.raise(1)
    bench.raise(5)
    #expect(bench.takeAll() == [0x25, 0x21], "3 is lowest now, so 4 to 7 come before 0 to 2")
    bench.out(0x20, 0x00)
    bench.pulse(4)
    #expect(bench.takeAll() == [0x24])
    bench.pulse(4)
    bench.pulse(0)
    #expect(bench.takeAll() == [0x24, 0x20], "1 stays lowest once rotation is off")
  }

  @Test func rotationOnNonSpecificEnd() {
    let bench = PICBench()
    bench.initialize()
    bench.raise(0)
    bench.raise(1)
    #expect(bench.pic.acknowledge() == 0x20)
    bench.out(0x20, 0xa0)
    bench.pulse(0)
    #expect(bench.pic.acknowledge() == 0x21, "0 has become the lowest")
  }

  @Test func rotationOnSpecificEnd() {
    let bench = PICBench()
    bench.initialize()
    bench.raise(2 + 2)
    _ = bench.pic.acknowledge()
    bench.out(0x20, 0xe4)
    bench.pulse(4)
    bench.raise(5)
    #expect(bench.pic.acknowledge() == 0x25)
  }

  @Test func priorityCanBeSet() {
    let bench = PICBench()
    bench.initialize()
    bench.out(0x20, 0xc5)
    for line in [UInt8(0), 5, 6] { bench.raise(line) }
    #expect(bench.pic.acknowledge() == 0x26)
  }

  @Test func specialMaskModeLetsLowerPrioritiesThrough() {
    let bench = PICBench()
    bench.initialize()
    bench.raise(1)
    _ = bench.takeAll()
    bench.raise(6)
    bench.out(0x21, 0x02)
    #expect(!bench.pic.hasInterrupt)
    bench.out(0x20, 0x68)
    #expect(bench.pic.hasInterrupt)
    #expect(bench.pic.acknowledge() == 0x26)
    bench.out(0x20, 0x20)
    bench.out(0x20, 0x0b)
    #expect(bench.in(0x20) == 0x02, "a non-specific EOI passes over the masked line")
    bench.raise(7)
    bench.out(0x20, 0x48)
    #expect(!bench.pic.hasInterrupt)
  }

  @Test func specialFullyNestedModeLetsTheSlaveNest() {
    let bench = PICBench()
    bench.initialize()
    bench.raise(12)
    _ = bench.takeAll()
    bench.raise(8)
    #expect(!bench.pic.hasInterrupt, "the master has the cascade in service")

    let nested = PICBench()
    nested.initialize(icw4: 0x11)
    nested.raise(12)
    _ = nested.takeAll()
    nested.raise(3)
    #expect(!nested.pic.hasInterrupt)
    nested.raise(8)
    #expect(nested.takeAll() == [0x28])
  }
}
