import Support
import Testing

/// gdb keeps its index of the symbols for the next session, and says nothing where it cannot.
@Suite(.enabled(if: Debugger.isAvailable, "no gdb")) struct IndexCacheTests {
  private let trace = SourceTree.root + "/Traces/race/race.trace"

  @Test func itIsOnWhereThereIsAFolder() {
    #expect(Debugger.run(trace, ["show index-cache enabled"]).contains("The index cache is on."))
  }

  @Test func noFolderCanBeMade() {
    let text = Debugger.run(
      trace, ["show index-cache enabled"], environment: ["XDG_CACHE_HOME": "/proc/none"])
    #expect(text.contains("The index cache is off.") && !text.contains("warning: index cache"), "\(text)")
  }
}
