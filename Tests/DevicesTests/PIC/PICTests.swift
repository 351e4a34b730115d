import Devices
import Testing

/// 8259A data sheet: initialisation, masking, edges and levels.
@Suite struct PICTests {
  @Test func nothingComesBeforeInitialisation() {
    let bench = PICBench()
    bench.raise(1)
    #expect(!bench.pic.hasInterrupt)
  }

  @Test(arguments: UInt8(0)..<16)
  func everyLineGivesItsVector(line: UInt8) {
    let bench = PICBench()
    bench.initialize()
    bench.raise(line)
    guard line != 2 else {
      #expect(!bench.pic.hasInterrupt, "IRQ 2 is the cascade")
      return
    }
    #expect(bench.pic.hasInterrupt)
    #expect(bench.pic.acknowledge() == 0x20 + line)
    #expect(!bench.pic.hasInterrupt)
  }

  @Test func vectorBaseIgnoresTheLowBits() {
    let bench = PICBench()
    bench.out(0x20, 0x11)
    bench.out(0x21, 0x47)
    bench.out(0x21, 0x04)
    bench.out(0x21, 0x01)
    bench.raise(1)
    #expect(bench.pic.acknowledge() == 0x41)
  }

  @Test func maskHoldsBackAndLetsGo() {
    let bench = PICBench()
    bench.initialize()
    bench.out(0x21, 0xfe)
    #expect(bench.in(0x21) == 0xfe)
    bench.raise(1)
    #expect(!bench.pic.hasInterrupt)
    #expect(bench.in(0x20) == 0x02, "the request is there")
    bench.out(0x21, 0x00)
    #expect(bench.takeAll() == [0x21])
  }

  @Test func initialisationClearsMaskServiceAndEdges() {
    let bench = PICBench()
    bench.initialize()
    bench.raise(1)
    bench.raise(3)
    _ = bench.pic.acknowledge()
    bench.out(0x21, 0xf0)
    bench.initialize()
    #expect(bench.in(0x21) == 0)
    #expect(bench.in(0x20) == 0, "a line that is high must fall first")
    bench.out(0x20, 0x0b)
    #expect(bench.in(0x20) == 0)
    bench.lower(1)
    bench.raise(1)
    #expect(bench.pic.hasInterrupt)
  }

  @Test func singleModeWithoutICW4TakesTwoWords() {
    let bench = PICBench()
    bench.out(0x20, 0x12)
    bench.out(0x21, 0x60)
    bench.out(0x21, 0xfb)
    #expect(bench.in(0x21) == 0xfb, "the third word is already OCW1")
  }

  @Test func anEdgeCountsOnce() {
    let bench = PICBench()
    bench.initialize()
    bench.raise(4)
    #expect(bench.pic.acknowledge() == 0x24)
    bench.out(0x20, 0x20)
    #expect(!bench.pic.hasInterrupt, "the line is still high, but there was no edge")
    bench.lower(4)
    bench.raise(4)
    #expect(bench.pic.hasInterrupt)
  }

  @Test func aLevelCountsAsLongAsItLasts() {
    let bench = PICBench()
    bench.initialize()
    bench.out(0x4d0, 0x20)
    bench.raise(5)
    #expect(bench.pic.acknowledge() == 0x25)
    #expect(!bench.pic.hasInterrupt)
    bench.out(0x20, 0x65)
    #expect(bench.pic.hasInterrupt, "it is still asserted after the EOI")
    bench.lower(5)
    #expect(!bench.pic.hasInterrupt)
  }

  @Test func icw1CanMakeAllLinesLevelTriggered() {
    let bench = PICBench()
    bench.initialize(icw1: 0x19)
    bench.raise(3)
    _ = bench.pic.acknowledge()
    bench.out(0x20, 0x20)
    #expect(bench.pic.hasInterrupt)
  }

  @Test func spuriousInterrupts() {
    let bench = PICBench()
    bench.initialize()
    bench.out(0x4d0, 0x20)
    bench.raise(5)
    bench.lower(5)
    #expect(bench.pic.acknowledge() == 0x27)
    bench.out(0x20, 0x0b)
    #expect(bench.in(0x20) == 0, "a spurious interrupt is not in service")
  }

  @Test func spuriousInterruptOfTheSlaveLeavesTheMasterInService() {
    let bench = PICBench()
    bench.initialize()
    bench.out(0x4d1, 0x02)
    bench.raise(9)
    bench.raise(10)
    #expect(bench.pic.acknowledge() == 0x29)
    bench.out(0xa0, 0x20)
    bench.out(0x20, 0x20)
    bench.lower(9)
    #expect(bench.takeAll() == [0x2a])
    bench.out(0x20, 0x0b)
    #expect(bench.in(0x20) == 0x04)
  }

  @Test func edgeLevelRegistersHoldOnlyAllowedLines() {
    let bench = PICBench()
    bench.out(0x4d0, 0xff)
    bench.out(0x4d1, 0xff)
    #expect(bench.in(0x4d0) == 0xf8)
    #expect(bench.in(0x4d1) == 0xde)
  }

  @Test func registersCanBeRead() {
    let bench = PICBench()
    bench.initialize()
    bench.raise(3)
    bench.raise(6)
    _ = bench.pic.acknowledge()
    #expect(bench.in(0x20) == 0x40, "IRR by default")
    bench.out(0x20, 0x0b)
    #expect(bench.in(0x20) == 0x08, "ISR")
    #expect(bench.in(0x20) == 0x08, "the choice stays")
    bench.out(0x20, 0x0a)
    #expect(bench.in(0x20) == 0x40)
  }

  @Test func pollActsAsAcknowledge() {
    let bench = PICBench()
    bench.initialize()
    bench.out(0x20, 0x0c)
    #expect(bench.in(0x20) == 0x00)
    bench.raise(6)
    bench.out(0x20, 0x0c)
    #expect(bench.in(0x20) == 0x86)
    #expect(!bench.pic.hasInterrupt)
    bench.out(0x20, 0x0b)
    #expect(bench.in(0x20) == 0x40)
  }
}
