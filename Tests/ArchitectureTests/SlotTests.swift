import Support
import Testing

/// The words of the vCPU's state block that the system side uses: changes made side by side can give two of them one
/// place, and still merge.
@Suite struct SlotTests {
  /// Words that begin at a slot, where it is more than one.
  private static let sizes = ["filterRegisters": 16]

  /// Up to the next part of the block (`Slot.undefinedRules`).
  private static let room = 128

  @Test func noWordIsUsedTwice() {
    var owners = [String?](repeating: nil, count: SlotTests.room)
    var count = 0
    for file in SourceTree.files(below: "Sources/X86") {
      for line in SourceTree.lines(of: file) {
        let words = line.split(separator: " ")
        guard let scratch = words.firstIndex(of: "Slot.systemScratch"), words.first == "static",
          words.count > scratch + 2,
          let start = Int(words[scratch + 2]), let colon = words[2].firstIndex(of: ":")
        else { continue }
        let name = String(words[2][..<colon])
        for slot in start..<(start + (SlotTests.sizes[name] ?? 1)) {
          #expect(owners[slot] == nil, "\(name) and \(owners[slot] ?? "") are both word \(slot)")
          owners[slot] = name
        }
        count += 1
      }
    }
    #expect(count > 20, "the slots are not found where they were")
  }
}
