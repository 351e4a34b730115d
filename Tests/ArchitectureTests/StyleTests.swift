import Support
import Testing

/// Rules of style that a reader counts on.
@Suite struct StyleTests {
  static let files = SourceTree.files(below: "Sources") + SourceTree.files(below: "Tests")

  @Test func linesFitTheScreen() {
    for file in StyleTests.files {
      for (number, line) in SourceTree.lines(of: file).enumerated() {
        #expect(line.count <= 120, "\(file):\(number + 1) is \(line.count) columns wide")
      }
    }
  }

  @Test func filesHaveOneSubject() {
    for file in SourceTree.files(below: "Sources") {
      #expect(SourceTree.lines(of: file).count <= 900, "\(file) is long: split it by subject")
    }
  }

  @Test func nothingIsLeftToDo() {
    for file in StyleTests.files where !file.hasSuffix("StyleTests.swift") {
      for (number, line) in SourceTree.lines(of: file).enumerated() {
        #expect(!line.contains("TODO") && !line.contains("FIXME"), "\(file):\(number + 1)")
      }
    }
  }
}
