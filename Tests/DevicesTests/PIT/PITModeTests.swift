import Devices
import Testing

/// 8254 data sheet, "Mode definitions" and their timing figures. Rows of digits are OUT after each clock.
@Suite struct PITModeTests {
  @Test func mode0RisesNPlusOneClocksAfterTheWrite() {
    let bench = PITBench()
    bench.program(0, mode: 0, count: 4)
    #expect(!bench.out(0))
    #expect(bench.wave(0, 8) == "00001111")
  }

  @Test func mode0CountsOnAfterTheEnd() {
    let bench = PITBench()
    bench.program(0, mode: 0, count: 4)
    var counts: [UInt16] = []
    for _ in 0..<7 {
      bench.pass()
      counts.append(bench.count(0))
    }
    #expect(counts == [4, 3, 2, 1, 0, 0xffff, 0xfffe])
  }

  @Test func mode0NewCountRestartsAndDropsOut() {
    let bench = PITBench()
    bench.program(0, mode: 0, count: 2)
    bench.pass(5)
    #expect(bench.out(0))
    bench[0] = 3
    #expect(!bench.out(0), "the first byte drops OUT at once")
    bench.pass(100)
    #expect(!bench.out(0), "and stops the counting")
    bench[0] = 0
    #expect(bench.wave(0, 5) == "00011")
  }

  @Test func mode0GateHoldsTheCount() {
    let bench = PITBench()
    bench.program(2, mode: 0, count: 3)
    bench.pass(10)
    #expect(bench.count(2) == 3, "loaded, but not counting: gate 2 is low")
    bench[4] = 1
    // Loaded already: OUT rises N clocks after the gate.
    #expect(bench.wave(2, 4) == "0011")
    #expect(bench[4] & 0x20 != 0, "port 0x61 shows OUT of counter 2")
  }

  @Test func mode1IsAOneShotOfNClocks() {
    let bench = PITBench()
    bench.program(2, mode: 1, count: 3)
    #expect(bench.wave(2, 4) == "1111", "it waits for a trigger")
    bench[4] = 1
    #expect(bench.wave(2, 6) == "000111")
    bench[4] = 0
    #expect(bench.wave(2, 2) == "11")
    bench[4] = 1
    #expect(bench.wave(2, 2) == "00")
    bench[4] = 0
    bench[4] = 1
    #expect(bench.wave(2, 5) == "00011", "retriggered")
  }

  @Test func mode1NewCountWaitsForTheNextTrigger() {
    let bench = PITBench()
    bench.program(2, mode: 1, count: 3)
    bench[4] = 1
    bench.pass()
    bench.write(2, 5)
    #expect(bench.wave(2, 4) == "0011")
    bench[4] = 0
    bench[4] = 1
    #expect(bench.wave(2, 7) == "0000011")
  }

  @Test func mode2IsLowForOneClockInN() {
    let bench = PITBench()
    bench.program(0, mode: 2, count: 3)
    #expect(bench.out(0))
    #expect(bench.wave(0, 10) == "1101101101")
  }

  @Test func mode2CountsDownToOne() {
    let bench = PITBench()
    bench.program(0, mode: 2, count: 3)
    var counts: [UInt16] = []
    for _ in 0..<7 {
      bench.pass()
      counts.append(bench.count(0))
    }
    #expect(counts == [3, 2, 1, 3, 2, 1, 3])
  }

  @Test func mode2NewCountWaitsForTheEndOfThePeriod() {
    let bench = PITBench()
    bench.program(0, mode: 2, count: 4)
    bench.pass(2)
    bench.write(0, 6)
    #expect(bench.wave(0, 10) == "1011111011")
  }

  @Test func mode2GateStopsAndRestarts() {
    let bench = PITBench()
    bench[4] = 1
    bench.program(2, mode: 2, count: 3)
    #expect(bench.wave(2, 3) == "110")
    bench[4] = 0
    #expect(bench.out(2), "a low gate sets OUT high at once")
    #expect(bench.wave(2, 3) == "111")
    bench[4] = 1
    #expect(bench.wave(2, 6) == "110110")
  }

  @Test func mode3EvenCountsAreSquare() {
    let bench = PITBench()
    bench.program(0, mode: 3, count: 4)
    #expect(bench.wave(0, 11) == "11001100110")
  }

  @Test func mode3OddCountsAreHighForOneClockMore() {
    let bench = PITBench()
    bench.program(0, mode: 3, count: 5)
    #expect(bench.wave(0, 12) == "111001110011")
  }

  @Test func mode3CountsByTwos() {
    let bench = PITBench()
    bench.program(0, mode: 3, count: 6)
    var counts: [UInt16] = []
    for _ in 0..<7 {
      bench.pass()
      counts.append(bench.count(0))
    }
    #expect(counts == [6, 4, 2, 6, 4, 2, 6])
  }

  @Test func mode3GateStopsAndRestarts() {
    let bench = PITBench()
    bench[4] = 1
    bench.program(2, mode: 3, count: 4)
    #expect(bench.wave(2, 3) == "110")
    bench[4] = 0
    #expect(bench.wave(2, 4) == "1111")
    bench[4] = 1
    #expect(bench.wave(2, 5) == "11001")
  }

  @Test func mode3NewCountWaitsForTheEndOfTheHalf() {
    let bench = PITBench()
    bench.program(0, mode: 3, count: 4)
    bench.pass(1)
    bench.write(0, 6)
    #expect(bench.wave(0, 10) == "1000111000")
  }

  @Test func mode4StrobesOnceForOneClock() {
    let bench = PITBench()
    bench.program(0, mode: 4, count: 3)
    #expect(bench.wave(0, 8) == "11101111")
    bench.write(0, 2)
    #expect(bench.wave(0, 5) == "11011", "software triggers it again")
  }

  @Test func mode4GateHoldsTheCount() {
    let bench = PITBench()
    bench[4] = 1
    bench.program(2, mode: 4, count: 3)
    #expect(bench.wave(2, 2) == "11")
    bench[4] = 0
    #expect(bench.wave(2, 4) == "1111")
    bench[4] = 1
    #expect(bench.wave(2, 4) == "1011")
  }

  @Test func mode5StrobesNPlusOneClocksAfterATrigger() {
    let bench = PITBench()
    bench.program(2, mode: 5, count: 3)
    #expect(bench.wave(2, 6) == "111111")
    bench[4] = 1
    #expect(bench.wave(2, 6) == "111011")
    bench[4] = 0
    bench[4] = 1
    #expect(bench.wave(2, 6) == "111011")
  }

  @Test(arguments: [(UInt8(6), "1101101"), (7, "1101101")])
  func modeNumbersSixAndSevenAreTwoAndThree(mode: UInt8, wave: String) {
    let bench = PITBench()
    bench.program(0, mode: mode, count: 3)
    #expect(bench.wave(0, 7) == wave)
    #expect(bench.status(0) & 0x0e == mode << 1)
  }

  @Test func zeroIsTheLargestCount() {
    let bench = PITBench()
    bench.program(0, mode: 0, count: 0)
    bench.pass(0x10000)
    #expect(!bench.out(0))
    bench.pass()
    #expect(bench.out(0))

    bench.program(0, mode: 0, bcd: true, count: 0)
    bench.pass(10_000)
    #expect(!bench.out(0))
    bench.pass()
    #expect(bench.out(0))
  }
}
