import Testing
import VMMCore

@testable import Trace

/// Traces stay small.
@Suite struct SizeTests {
  /// Bytes of records for these events in one chunk.
  private func recordBytes(_ events: [TraceEvent]) -> Int {
    var encoder = EventEncoder()
    for event in events {
      let isAccepted = encoder.append(event)
      #expect(isAccepted)
    }
    return encoder.out.count
  }

  /// Kernel output to the UART, polled, with timer interrupts.
  private func consoleTraffic(_ lines: Int) -> [TraceEvent] {
    var events: [TraceEvent] = []
    for line in 0..<lines {
      for character in "[    0.\(line)] a line of a kernel's output\n".utf8 {
        events.append(.interaction(.portRead(port: 0x3fd, size: 1), .value(0x60)))
        events.append(.interaction(.portWrite(port: 0x3f8, size: 1, value: UInt32(character)), .none))
      }
      events.append(.delivery(.interrupt(vector: 0x30), at: .here))
      events.append(.interaction(.portWrite(port: 0x20, size: 1, value: 0x60), .none))
      events.append(.interaction(.portRead(port: 0x40, size: 1), .value(UInt64(line & 0xff))))
      events.append(.interaction(.halt, .none))
    }
    return events
  }

  @Test func consoleTrafficTakesTwoBytes() {
    let events = consoleTraffic(500)
    #expect(recordBytes(events) <= events.count * 2 + 40)
  }

  @Test func consoleTrafficCompresses() throws {
    let folder = TemporaryFolder()
    let events = consoleTraffic(2000)
    try writeTrace(folder.file("none"), [])
    try writeTrace(folder.file("trace"), events, flushEvery: .max)
    let size = contents(of: folder.file("trace")).count - contents(of: folder.file("none")).count
    #expect(size < events.count / 4)
  }

  @Test func walkOverDeviceMemoryStaysBounded() {
    let events = (0..<10_000).map { index in
      TraceEvent.interaction(
        .mmioWrite(address: GuestPhysicalAddress(0xe000_0000 + UInt64(index) * 4), size: 4, value: 0), .none)
    }
    #expect(recordBytes(events) <= events.count * 12)
  }

  @Test func walkDoesNotPushOutWhatIsPolled() {
    var events: [TraceEvent] = []
    for index in 0..<3000 {
      let address = GuestPhysicalAddress(0xe000_0000 + UInt64(index) * 4)
      events.append(.interaction(.mmioWrite(address: address, size: 4, value: 0), .none))
      for port: UInt16 in [0x20, 0x21, 0xa0, 0xa1, 0x3f8, 0x3fd] {
        events.append(.interaction(.portRead(port: port, size: 1), .value(0)))
      }
    }
    #expect(recordBytes(events) <= 3000 * (12 + 6 * 2) + 200)
  }

  @Test func timeStampsAreDifferences() {
    let events = (0..<1000).map { TraceEvent.interaction(.timestampRead, .value(1 << 50 + UInt64($0) * 5000)) }
    #expect(recordBytes(events) <= 3 * 1000 + 20)
  }
}
