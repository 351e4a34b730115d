import Support
import Testing

@testable import GDBStub

/// The tables of a kernel's symbols as the kernels of different years lay them out, found in memory and read.
@Suite struct KallsymsTests {
  private static let layouts = KallsymsImage.Order.allCases.flatMap { order in
    [true, false].map { KallsymsImage(order: order, isRelative: $0) }
  }

  @Test(arguments: layouts) func everyLayout(_ image: KallsymsImage) throws {
    let symbols = try #require(Kallsyms.symbols(in: image.memory))
    #expect(symbols == image.expected)
  }

  /// Offsets that are not negative are numbers, with CONFIG_KALLSYMS_ABSOLUTE_PERCPU.
  @Test func numbersOfEachCPU() throws {
    var image = KallsymsImage(order: .before64, isRelative: true)
    image.hasNumbers = true
    let symbols = try #require(Kallsyms.symbols(in: image.memory))
    #expect(symbols == image.expected)
    #expect(symbols.symbols[0].isAbsolute && symbols.symbols[0].address == 0)
  }

  @Test func longNames() throws {
    var image = KallsymsImage(order: .from64, isRelative: true)
    image.longName = 300
    #expect(Kallsyms.symbols(in: image.memory) == image.expected)
    // Longer than any that Linux has.
    image.longName = 600
    #expect(Kallsyms.symbols(in: image.memory) == nil)
  }

  /// A guest may hold anything: no trap, and no symbols that are out of order.
  @Test func damage() {
    var random = SeededRandom(seed: LongTests.seed)
    var (found, lost) = (0, 0)
    for round in 0..<(LongTests.areOn ? 20_000 : 400) {
      var bytes = KallsymsTests.layouts[round % KallsymsTests.layouts.count].bytes
      for _ in 0...random.below(4) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
      if random.oneIn(10) { bytes.removeLast(random.below(bytes.count)) }
      if let symbols = Kallsyms.symbols(in: KernelMemory([.init(address: KallsymsImage.base, bytes: bytes)])) {
        found += 1
        #expect(zip(symbols.symbols, symbols.symbols.dropFirst()).allSatisfy { $0.address <= $1.address })
        #expect(!SymbolFile(frames: CallFrames([]), symbols: symbols).bytes.isEmpty)
      } else {
        lost += 1
      }
    }
    #expect(found > 0 && lost > 0)
  }

  /// Much that looks like tables costs no time.
  @Test func manyCandidates() {
    let digits = (0...9).flatMap { [UInt8(ascii: "0") + $0, 0] }
    let bytes = [UInt8]((0..<200_000).flatMap { _ in digits })
    #expect(Kallsyms.symbols(in: KernelMemory([.init(address: KallsymsImage.base, bytes: bytes)])) == nil)
  }
}

/// A kernel's memory with some hundred symbols in it.
struct KallsymsImage: Sendable, CustomTestStringConvertible {
  enum Order: CaseIterable { case before420, before62, only62, before64, from64 }

  var order: Order
  var isRelative: Bool
  var hasNumbers = false
  /// Bytes of one of the names.
  var longName = 10

  static let base: UInt64 = 0xffff_ffff_9100_0000

  var testDescription: String { "\(order), \(isRelative ? "offsets" : "addresses")" }
  var memory: KernelMemory { KernelMemory([.init(address: KallsymsImage.base, bytes: bytes)]) }

  /// Name, kind and address.
  var list: [(name: String, kind: Character, address: UInt64)] {
    var list: [(name: String, kind: Character, address: UInt64)] = []
    if hasNumbers { list = [("percpu", "A", 0), ("current", "A", 0x1fb80)] }
    for index in 0..<700 {
      let name = index == 300 ? String(repeating: "n", count: longName) : "function_\(index)"
      list.append((name, index % 5 == 0 ? "t" : "T", KallsymsImage.base + 16 * UInt64(index / 2)))
    }
    return list
  }

  var expected: KernelSymbols {
    var symbols = KernelSymbols()
    for symbol in list {
      symbols.append(Array(symbol.name.utf8), kind: symbol.kind.asciiValue ?? 0, at: symbol.address)
    }
    return symbols
  }

  /// Tokens: each byte is itself, but for a few that stand for much.
  private static let tokens: [[UInt8]] = (0..<256).map { token in
    switch token {
    case 0x80: Array("function_".utf8)
    case 0x81: Array("Tfunction_".utf8)
    case 0x21...0x7e: [UInt8(token)]
    default: Array("unused\(token)".utf8)
    }
  }

  var bytes: [UInt8] {
    var writer = Writer(bytes: [UInt8](repeating: 0xcc, count: 0x2008))
    if order != .from64 { addresses(&writer) }
    writer.table(littleEndian: [UInt64(list.count)], size: order == .before420 ? 8 : 4)
    var markers: [UInt64] = []
    var names: [UInt8] = []
    for (index, symbol) in list.enumerated() {
      if index % 256 == 0 { markers.append(UInt64(names.count)) }
      names += KallsymsImage.record("\(symbol.kind)\(symbol.name)")
    }
    writer.table(names)
    writer.table(littleEndian: markers, size: order == .before420 ? 8 : 4)
    let sequence = [Order.only62: 4, .before64: 3][order] ?? 0
    writer.table([UInt8](repeating: 7, count: sequence * list.count))
    writer.table(KallsymsImage.tokens.flatMap { $0 + [0] })
    let lengths = KallsymsImage.tokens.map { UInt64($0.count + 1) }
    writer.table(littleEndian: (0..<256).map { lengths[..<$0].reduce(0, +) }, size: 2)
    if order == .from64 { addresses(&writer) }
    return writer.bytes + [UInt8](repeating: 0, count: 0x1000)
  }

  private func addresses(_ writer: inout Writer) {
    guard isRelative else { return writer.table(littleEndian: list.map(\.address), size: 8) }
    let offsets = list.map { symbol in
      guard hasNumbers else { return symbol.address - KallsymsImage.base }
      return symbol.address < KallsymsImage.base ? symbol.address : KallsymsImage.base &- symbol.address &- 1
    }
    writer.table(littleEndian: offsets, size: 4)
    writer.table(littleEndian: [KallsymsImage.base], size: 8)
  }

  /// One byte, or two, that say how many tokens there are, and the tokens.
  private static func record(_ text: String) -> [UInt8] {
    var tokens = Array(text.utf8)
    if text.hasPrefix("Tfunction_") { tokens = [0x81] + tokens.dropFirst(10) }
    if text.hasPrefix("tfunction_") { tokens = [tokens[0], 0x80] + tokens.dropFirst(10) }
    let count = tokens.count
    return (count < 0x80 ? [UInt8(count)] : [UInt8(count & 0x7f | 0x80), UInt8(count >> 7)]) + tokens
  }

  private struct Writer {
    var bytes: [UInt8]

    mutating func table(_ table: [UInt8]) {
      bytes += table
      while bytes.count % 8 != 0 { bytes.append(0) }
    }

    mutating func table(littleEndian values: [UInt64], size: Int) {
      var table: [UInt8] = []
      for value in values { table.append(littleEndian: value, count: size) }
      self.table(table)
    }
  }
}
