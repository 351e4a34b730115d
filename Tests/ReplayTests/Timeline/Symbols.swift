import Support
import Testing

/// The symbols of an ELF64 file, for tests that name places of a guest.
struct Symbols {
  private let bytes: [UInt8]

  init(ofGuest name: String) { bytes = bytesOfFile(TestGuests.path(name)) }

  /// The value of a symbol; 0, and a failed test, when there is none.
  func address(_ name: String) -> UInt64 {
    let sections = Int(word(at: 40, 8))
    let (size, count) = (Int(word(at: 58, 2)), Int(word(at: 60, 2)))
    for index in 0..<count {
      let header = sections + index * size
      guard word(at: header + 4, 4) == 2 else { continue }
      let strings = sections + Int(word(at: header + 40, 4)) * size
      let text = Int(word(at: strings + 24, 8))
      let first = Int(word(at: header + 24, 8))
      for entry in stride(from: first, to: first + Int(word(at: header + 32, 8)), by: 24) {
        let start = text + Int(word(at: entry, 4))
        if Array(bytes[start...].prefix { $0 != 0 }) == Array(name.utf8) { return word(at: entry + 8, 8) }
      }
    }
    Issue.record("no symbol \(name)")
    return 0
  }

  private func word(at offset: Int, _ count: Int) -> UInt64 {
    (0..<count).reversed().reduce(0) { $0 << 8 | UInt64(bytes[offset + $1]) }
  }
}
