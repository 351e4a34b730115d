import Support
import Testing
import VMMCore

@testable import GDBStub

/// ORC tables of both formats (arch/x86/include/asm/orc_types.h of 6.1 and of 6.4), and what gdb is told of them.
@Suite struct ORCTableTests {
  private static let code: UInt64 = 0xffff_ffff_8100_0000
  private static let places: UInt64 = code + 0x10_0000

  /// Offset of the code, sp_offset, bp_offset, sp_reg, bp_reg, and the type as 6.1 has it; -1 ends a section.
  private static let entries: [(at: UInt64, sp: Int16, bp: Int16, spReg: UInt16, bpReg: UInt16, type: Int)] = [
    (0, 8, 0, 5, 0, 0), (1, 16, -16, 5, 1, 0), (4, 16, -16, 4, 1, 0), (9, 0, 0, 0, 0, -1), (0x10, 0, 0, 5, 0, 1),
    (0x20, 8, 0, 5, 0, 2), (0x30, 16, -24, 9, 1, 0), (0x40, -40, 0, 8, 4, 0), (0x50, 0, 0, 6, 0, 0),
    (0x60, 8, 0, 5, 0, 0), (0x61, 8, 0, 5, 0, 0), (0x70, 0, 0, 0, 0, -1),
  ]

  private static func table(isNew: Bool, swapping: Bool = false) -> (places: [UInt8], entries: [UInt8]) {
    var (places, words): ([UInt8], [UInt8]) = ([], [])
    var entries = ORCTableTests.entries
    if swapping { entries.swapAt(1, 5) }
    for (index, entry) in entries.enumerated() {
      let distance = code &+ entry.at &- (ORCTableTests.places + 4 * UInt64(index))
      places.append(littleEndian: distance, count: 4)
      words.append(littleEndian: UInt64(UInt16(bitPattern: entry.sp)), count: 2)
      words.append(littleEndian: UInt64(UInt16(bitPattern: entry.bp)), count: 2)
      let old = UInt16(max(entry.type, 0)) | (entry.type < 0 ? 4 : 0)
      let type = isNew ? (entry.type < 0 ? 1 : UInt16(entry.type) + 2) : old
      words.append(littleEndian: UInt64(entry.spReg | entry.bpReg << 4 | type << 8), count: 2)
    }
    return (places, words)
  }

  @Test(arguments: [false, true], [false, true]) func rules(isNew: Bool, isSwapped: Bool) throws {
    let (words, entries) = ORCTableTests.table(isNew: isNew, swapping: isSwapped)
    let table = try #require(ORCTable(places: words, at: ORCTableTests.places, entries: entries))
    let places = table.rules.map { $0.address - ORCTableTests.code }
    #expect(places == [0, 1, 4, 9, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70])
    let rules: [ORCTable.Rule] = [
      .call(.register(.rsp, 8), .unchanged), .call(.register(.rsp, 16), .fromBase(-16)),
      .call(.register(.rbp, 16), .fromBase(-16)), .nobody, .registers(.register(.rsp, 0)),
      .hardware(.register(.rsp, 8)), .call(.indirect(.rsp, 0, then: 16), .fromBase(-24)),
      .call(.indirect(.rbp, -40, then: 0), .fromFramePointer(0)), .call(.register(.r10, 0), .unchanged),
      .call(.register(.rsp, 8), .unchanged), .nobody,
    ]
    #expect(table.rules.map(\.rule) == rules)
  }

  /// A real entry is stronger than one that ends a section at the same address.
  @Test(arguments: [[UInt64(0), 5], [5, 0]]) func weakEntries(_ flags: [UInt64]) throws {
    var (places, entries): ([UInt8], [UInt8]) = ([], [])
    for (index, flags) in flags.enumerated() {
      places.append(littleEndian: ORCTableTests.code &- (ORCTableTests.places + 4 * UInt64(index)), count: 4)
      entries.append(littleEndian: 8 | flags << 32, count: 6)
    }
    let table = try #require(ORCTable(places: places, at: ORCTableTests.places, entries: entries))
    #expect(table.rules.map(\.rule) == [.call(.register(.rsp, 8), .unchanged)])
  }

  /// Code outside of where Linux is, and tables that do not fit each other, are no tables.
  @Test func notATable() {
    let (places, entries) = ORCTableTests.table(isNew: false)
    #expect(ORCTable(places: places, at: 0x1000, entries: entries) == nil)
    #expect(ORCTable(places: places, at: ORCTableTests.places, entries: entries.dropLast()) == nil)
    #expect(ORCTable(places: places.dropLast(2), at: ORCTableTests.places, entries: entries) == nil)
    #expect(ORCTable(places: [UInt8](), at: ORCTableTests.places, entries: [UInt8]()) == nil)
  }

  /// A call on another stack is an interrupt's frame, code around it an ordinary one; what others describe is left out.
  @Test func frames() throws {
    let (places, entries) = ORCTableTests.table(isNew: false)
    let table = try #require(ORCTable(places: places, at: ORCTableTests.places, entries: entries))
    let start = ORCTableTests.code
    let kernel = FakeKernel(returns: [start + 0x38])
    let all = ORCFrames(table, kernel: kernel, excluded: [start + 0x60..<start + 0x68]).descriptions
      .sorted { $0.code.lowerBound < $1.code.lowerBound }
    let interrupts = all.filter(\.isInterrupt).map(\.code)
    #expect(
      interrupts == [start + 0x10..<start + 0x20, start + 0x20..<start + 0x30, start + 0x37..<start + 0x39])
    let ordinary = all.filter { !$0.isInterrupt }.map(\.code)
    #expect(
      ordinary == [
        start..<start + 0x10, start + 0x30..<start + 0x37, start + 0x39..<start + 0x40, start + 0x40..<start + 0x50,
        start + 0x50..<start + 0x60, start + 0x68..<start + 0x70,
      ])
    // RSP + 8; one byte on: + 16, RBP at - 16; three on: by RBP; five on: nobody.
    #expect(
      all[0].instructions == [
        0x0c, 7, 8, 0x90, 1, 0x08, 6, 0x41, 0x0c, 7, 16, 0x86, 2, 0x43, 0x0c, 6, 16, 0x45, 0x07, 16,
      ])
  }

  @Test func damage() {
    var random = SeededRandom(seed: LongTests.seed)
    for round in 0..<(LongTests.areOn ? 100_000 : 5_000) {
      var (places, entries) = ORCTableTests.table(isNew: round % 2 == 0)
      places[random.below(places.count)] = UInt8(random.below(256))
      entries[random.below(entries.count)] = UInt8(random.below(256))
      guard let table = ORCTable(places: places, at: ORCTableTests.places, entries: entries) else { continue }
      _ = ORCFrames(table, kernel: FakeKernel(returns: [])).file
    }
  }
}

/// A kernel of which only some calls are known.
private struct FakeKernel: KernelCode {
  /// Behind calls of 5 bytes.
  var returns: [UInt64]

  func function(_ name: String, parts: [String]) -> Range<UInt64>? { nil }
  func address(of name: String) -> UInt64? { nil }
  func addresses(ofNamesBeginningWith text: String) -> [UInt64] { [] }
  func isFunction(at address: UInt64) -> Bool { address == 0xffff_ffff_8100_0000 }

  func code(in range: Range<UInt64>) -> [UInt8] {
    var code = [UInt8](repeating: 0x90, count: range.count)
    for address in returns where range.contains(address - 5) {
      let at = Int(address - 5 - range.lowerBound)
      var call: [UInt8] = [0xe8]
      call.append(littleEndian: 0xffff_ffff_8100_0000 &- address, count: 4)
      code.replaceSubrange(at..<(at + 5), with: call)
    }
    return code
  }
}
