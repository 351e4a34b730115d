import Support
import Testing
import VMMCore

@testable import Trace

/// The document says what the code does.
@Suite struct FormatDocumentTests {
  let document = String(decoding: contents(of: SourceTree.root + "/Sources/Trace/FORMAT.md"), as: UTF8.self)

  /// The table of state fields as FORMAT.md shows it.
  static var fieldTable: String {
    var lines: [String] = ["    number  field                mask of the digest"]
    for (number, field) in CPUState.fields.enumerated() {
      let name = field.name.padding(to: 20)
      let mask = field.digestMask == .max ? "all" : String(field.digestMask, radix: 16)
      lines.append("    \(String(number).padding(to: 7)) \(name) \(mask)")
    }
    return lines.joined(separator: "\n")
  }

  @Test func fieldsOfTheState() {
    let table = FormatDocumentTests.fieldTable
    #expect(document.contains("\n\n\(table)\n\n"), "FORMAT.md should hold:\n\(table)")
  }

  @Test(arguments: [
    "format version: \(TraceFormat.version)\n", "header of \(TraceFormat.chunkHeaderSize) bytes",
    "found \(TraceFormat.chunkHeaderSize + TraceFormat.closingSize) bytes before the end",
    "raw size \(TraceFormat.maximumRawSize >> 20) MiB", "\(TraceFormat.maximumExpansion) times",
    "\(TraceFormat.maximumImages) images of \(TraceFormat.maximumImageBytes >> 30) GiB",
    "\(TraceFormat.maximumPlacements) placements of \(TraceFormat.maximumPlacedBytes >> 30) GiB",
    "\(TraceFormat.maximumText >> 10) KiB for a text",
    "\(TraceFormat.maximumMemoryWrite >> 20) MiB for one memory write",
    "most \(TraceFormat.indexEntries) entries",
  ])
  func numbers(text: String) {
    let words = document.split { $0 == " " || $0 == "\n" }.joined(separator: " ")
    #expect(words.contains(text.split { $0 == " " || $0 == "\n" }.joined(separator: " ")))
  }
}

extension String {
  fileprivate func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
