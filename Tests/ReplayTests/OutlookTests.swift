@testable import Replay
import Machine
import Support
import Testing
import VMMCore

@testable import Trace

/// What comes next in a trace, asked for from everywhere, is what a search from there finds, and costs one look at each
/// record where it is asked for in order.
@Suite struct OutlookTests {
  let folder = TemporaryFolder()

  private static func makeOutlook() -> Outlook {
    Outlook { event in
      guard case .delivery(_, .instructions(let count, _)) = event else { return nil }
      return count
    }
  }

  /// Cursors behind every record of a recording with ticks among many port accesses, and what comes next of a kind.
  private func places() throws -> [(cursor: TraceCursor, next: UInt64?)] {
    let path = folder.file("ticker.trace")
    try Recorder.record("ticker", to: path, commandLine: "20", engine: .software)
    var cursor = try TraceReader(path: path).makeCursor()
    var places: [(cursor: TraceCursor, next: UInt64?)] = []
    while try cursor.next() != nil {
      var fresh = OutlookTests.makeOutlook()
      places.append((cursor, fresh.next(from: cursor)))
    }
    return places
  }

  @Test func inOrderEachRecordIsLookedAtOnce() throws {
    let places = try places()
    try #require(places.count > 40)
    var outlook = OutlookTests.makeOutlook()
    for place in places { #expect(outlook.next(from: place.cursor) == place.next) }
    // Right at an answer nobody knows whether it lies behind: that one is looked for anew.
    #expect(outlook.looked <= 2 * places.count)
  }

  @Test func fromAnywhere() throws {
    let places = try places()
    var outlook = OutlookTests.makeOutlook()
    var random = SeededRandom(seed: 20_261_129)
    for _ in 0..<2_000 {
      let place = places[random.below(places.count)]
      #expect(outlook.next(from: place.cursor) == place.next)
    }
  }
}
