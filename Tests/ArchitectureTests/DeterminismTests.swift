import Support
import Testing

/// The modules whose results must be the same in every run use nothing that differs from run to run: no host time, no
/// random numbers, no order of a hash table.
@Suite struct DeterminismTests {
  static let modules = ["VMMCore", "GuestMemory", "Devices", "Trace", "X86", "Loaders", "Machine", "Replay"]

  /// Names of host time and randomness.
  static let forbidden = [
    "Date(", "clock_gettime", "gettimeofday", "ContinuousClock", "SuspendingClock", "DispatchTime", "time(nil",
    ".random(", "SystemRandomNumberGenerator", "arc4random", "getrandom", "Hasher(", ".hashValue", ".shuffled(",
    "randomElement", "import Foundation", "import Dispatch",
  ]

  @Test(arguments: modules) func usesNoHostTimeAndNoRandomness(module: String) {
    for file in SourceTree.files(below: "Sources/" + module) {
      for (number, line) in SourceTree.lines(of: file).enumerated() where !DeterminismTests.isComment(line) {
        for word in DeterminismTests.forbidden {
          #expect(!DeterminismTests.names(word, in: line), "\(file):\(number + 1) uses \(word)")
        }
      }
    }
  }

  /// Dictionaries and sets may be looked into, never walked: their order is seeded per process.
  @Test(arguments: modules) func walksNoHashTable(module: String) {
    for file in SourceTree.files(below: "Sources/" + module) {
      let lines = SourceTree.lines(of: file).filter { !DeterminismTests.isComment($0) }
      for name in lines.compactMap(DeterminismTests.hashTableName) {
        for line in lines {
          let walks = [
            "in \(name)", "in self.\(name)", "\(name).map", "\(name).forEach", "\(name).keys", "\(name).values",
          ]
          for walk in walks where DeterminismTests.contains(walk, endingAtWord: line) {
            Issue.record("\(file) walks the hash table \(name): \(line)")
          }
        }
      }
    }
  }

  /// The name that a line declares as a Dictionary or a Set.
  static func hashTableName(_ line: String) -> String? {
    let words = line.split(whereSeparator: { $0 == " " || $0 == ":" }).map(String.init)
    guard let at = words.firstIndex(where: { $0 == "let" || $0 == "var" }), at + 1 < words.count else { return nil }
    let isTable =
      line.contains("Dictionary<") || line.contains(": Set<") || line.contains("= Set<") || line.contains("[:]")
      || isDictionaryType(line)
    return isTable ? words[at + 1] : nil
  }

  /// `: [Key: Value]` behind a declared name.
  static func isDictionaryType(_ line: String) -> Bool {
    guard let start = line.firstRange(of: ": [") else { return false }
    let rest = line[start.upperBound...]
    guard let end = rest.firstIndex(where: { $0 == "]" || $0 == "(" || $0 == "[" }), rest[end] == "]" else {
      return false
    }
    return rest[..<end].contains(": ")
  }

  /// The word stands in the line, and not as the end of a longer name.
  static func names(_ word: String, in line: String) -> Bool {
    line.ranges(of: word).contains { range in
      guard range.lowerBound > line.startIndex, word.first!.isLetter else { return true }
      return !line[line.index(before: range.lowerBound)].isLetter
    }
  }

  static func isComment(_ line: String) -> Bool { line.drop { $0 == " " }.hasPrefix("//") }

  /// `text` stands in `line` and no longer name goes on behind it.
  static func contains(_ text: String, endingAtWord line: String) -> Bool {
    guard let range = line.firstRange(of: text) else { return false }
    guard range.upperBound < line.endIndex else { return true }
    let next = line[range.upperBound]
    return !(next.isLetter || next.isNumber || next == "_" || next == "[")
  }

  @Test func findsWhatItLooksFor() {
    #expect(DeterminismTests.hashTableName("  private var table: [UInt64: Int] = start") == "table")
    #expect(DeterminismTests.hashTableName("  let names = Set<String>()") == "names")
    #expect(DeterminismTests.hashTableName("  var list: [Int] = []") == nil)
    #expect(DeterminismTests.names("Date(", in: "let now = Date()"))
    #expect(!DeterminismTests.names("Date(", in: "setDate(7)"))
    #expect(DeterminismTests.contains("in table", endingAtWord: "for x in table {"))
    #expect(!DeterminismTests.contains("in table", endingAtWord: "for x in tables {"))
  }
}
