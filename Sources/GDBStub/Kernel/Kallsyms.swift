/// The symbols that a Linux carries with it (scripts/kallsyms.c writes them, kernel/kallsyms.c reads them), found in
/// its memory without knowing where they are. Orders of the tables that are known:
///
/// * 4.6 to 6.3: `offsets, relative_base, num_syms, names, markers, token_table, token_index`; 6.2 and 6.3, and
///   Debian's 6.1, have `seqs_of_names` behind the markers;
/// * 6.4 to 6.12: `num_syms, names, markers, token_table, token_index, offsets, relative_base, seqs_of_names`;
/// * each with `addresses` of 8 bytes in the place of `offsets, relative_base` (CONFIG_KALLSYMS_BASE_RELATIVE is off);
/// * markers of 8 bytes up to 4.19.
///
/// Every table begins at a multiple of 8. All of it is a guest's data: what does not fit together is no table, and the
/// work is bounded.
struct Kallsyms {
  private let bytes: [UInt8]
  private let base: UInt64

  /// Names of one symbol and of all: KSYM_NAME_LEN is 512.
  private static let maximumName = 512
  private static let maximumNames = 64 << 20
  private static let counts: ClosedRange<UInt64> = 100...(1 << 20)
  /// Records of symbols looked at in the search of where they begin.
  private static let maximumRecords = 1 << 23

  /// The symbols in the first stretch that has some.
  static func symbols(in memory: KernelMemory) -> KernelSymbols? {
    for stretch in memory.stretches {
      if let found = Kallsyms(bytes: stretch.bytes, base: stretch.address).symbols { return found }
    }
    return nil
  }

  init(bytes: [UInt8], base: UInt64) {
    self.bytes = bytes
    self.base = base
  }

  var symbols: KernelSymbols? {
    for digits in TokenTable.candidates(in: bytes) {
      guard let tokens = TokenTable(bytes, digits: digits), let names = names(before: tokens) else { continue }
      if let symbols = symbols(names, tokens) { return symbols }
    }
    return nil
  }

  // MARK: names

  /// The table of names, and the word before it that says how many there are.
  private struct Names {
    var count: Int
    /// Where the count is in `bytes`.
    var start: Int
    /// Where each record begins in `bytes`, and where the last one ends.
    var records: [Int]
  }

  /// They end, with the markers and perhaps a table of 3 or 4 bytes a symbol, where the tokens begin.
  private func names(before tokens: TokenTable) -> Names? {
    var left = Kallsyms.maximumRecords
    for start in stride(from: tokens.start - 16, through: max(0, tokens.start - Kallsyms.maximumNames), by: -8) {
      let count = word(at: start)
      guard Kallsyms.counts.contains(count), left > 0 else { continue }
      // A record has 2 bytes at least, and 20 or so on average; then come the markers, and the other table.
      let each = UInt64(tokens.start - start) / count
      guard (2...64).contains(each) else { continue }
      if let names = names(at: start, count: Int(count), before: tokens.start, &left) { return names }
    }
    return nil
  }

  private func names(at start: Int, count: Int, before end: Int, _ left: inout Int) -> Names? {
    var records: [Int] = []
    var at = start + 8
    for _ in 0..<count {
      left -= 1
      guard left > 0, at < end, let length = recordLength(at: at) else { return nil }
      records.append(at)
      at += length.header + length.tokens
      guard at <= end else { return nil }
    }
    records.append(at)
    let markers = records.dropLast().indices.filter { $0 % 256 == 0 }.map { records[$0] - records[0] }
    let fits = [4, 8].contains { size in
      let table = aligned(at)
      let behind = aligned(table + size * markers.count)
      guard [0, 3, 4].contains(where: { aligned(behind + $0 * count) == end }) else { return false }
      return markers.indices.allSatisfy { integer(at: table + size * $0, size: size) == UInt64(markers[$0]) }
    }
    return fits ? Names(count: count, start: start, records: records) : nil
  }

  /// The bytes that say how many tokens the name has, and how many: one byte, or two (from 6.1 on, bit 7 set).
  private func recordLength(at: Int) -> (header: Int, tokens: Int)? {
    let first = Int(bytes[at])
    guard first & 0x80 != 0 else { return first == 0 ? nil : (1, first) }
    guard at + 1 < bytes.count else { return nil }
    return (2, first & 0x7f | Int(bytes[at + 1]) << 7)
  }

  // MARK: addresses

  private func symbols(_ names: Names, _ tokens: TokenTable) -> KernelSymbols? {
    let size = aligned(4 * names.count)
    let behind = tokens.end
    let choices = [
      offsets(at: names.start - 8 - size, names.count, base: names.start - 8),
      offsets(at: behind, names.count, base: behind + size),
      addresses(at: names.start - 8 * names.count, names.count), addresses(at: behind, names.count),
    ]
    for case let addresses? in choices.lazy where areOrdered(addresses) {
      if let symbols = decode(names, tokens, addresses) { return symbols }
    }
    return nil
  }

  private func offsets(at start: Int, _ count: Int, base: Int) -> [UInt64]? {
    guard start >= 0, base >= 0, base + 8 <= bytes.count, start + 4 * count <= bytes.count else { return nil }
    let relative = word(at: base)
    guard KernelMemory.window.contains(relative) else { return nil }
    let values = (0..<count).map { UInt32(integer(at: start + 4 * $0, size: 4)) }
    // CONFIG_KALLSYMS_ABSOLUTE_PERCPU: what is not negative is a number, the others count down from the base.
    if values.contains(where: { $0 >> 31 != 0 }) {
      return values.map { value in
        let distance = UInt64(bitPattern: Int64(Int32(bitPattern: value)))
        return value >> 31 == 0 ? distance : relative &- 1 &- distance
      }
    }
    return values.map { relative &+ UInt64($0) }
  }

  private func addresses(at start: Int, _ count: Int) -> [UInt64]? {
    guard start >= 0, start + 8 * count <= bytes.count else { return nil }
    return (0..<count).map { word(at: start + 8 * $0) }
  }

  /// Symbols are in the order of their addresses, and most are the image's.
  private func areOrdered(_ addresses: [UInt64]) -> Bool {
    let inside = addresses.reduce(0) { $0 + (KernelMemory.window.contains($1) ? 1 : 0) }
    return 2 * inside > addresses.count && zip(addresses, addresses.dropFirst()).allSatisfy { $0 <= $1 }
  }

  private func decode(_ names: Names, _ tokens: TokenTable, _ addresses: [UInt64]) -> KernelSymbols? {
    var symbols = KernelSymbols()
    var name: [UInt8] = []
    for index in 0..<names.count {
      name.removeAll(keepingCapacity: true)
      let at = names.records[index]
      guard let length = recordLength(at: at) else { return nil }
      for token in bytes[(at + length.header)..<names.records[index + 1]] {
        name += tokens[token]
        guard name.count <= Kallsyms.maximumName else { return nil }
      }
      // A kind and a name.
      guard name.count > 1, name.allSatisfy({ (0x21...0x7e).contains($0) }),
        symbols.names.count < Kallsyms.maximumNames
      else { return nil }
      symbols.append(name.dropFirst(), kind: name[0], at: addresses[index])
    }
    return symbols
  }

  // MARK: bytes

  private func aligned(_ offset: Int) -> Int { (offset + 7) & ~7 }

  private func word(at offset: Int) -> UInt64 { integer(at: offset, size: 8) }

  /// 0 outside of the bytes.
  private func integer(at offset: Int, size: Int) -> UInt64 {
    guard offset >= 0, offset + size <= bytes.count else { return 0 }
    var value: UInt64 = 0
    for index in (0..<size).reversed() { value = value << 8 | UInt64(bytes[offset + index]) }
    return value
  }
}

/// `kallsyms_token_table` and `kallsyms_token_index`: 256 strings that names are made of, and where each one begins.
private struct TokenTable {
  /// Where the table begins in the memory, and where the index ends.
  let start: Int
  let end: Int
  private let tokens: [ArraySlice<UInt8>]

  private static let maximumSize = 1 << 14
  /// Kernels have two or three: other tables hold digits in a row.
  private static let maximumCandidates = 16

  subscript(_ token: UInt8) -> ArraySlice<UInt8> { tokens[Int(token)] }

  /// Where the tokens of the digits may be: each stands for itself, since all of them are in use.
  static func candidates(in bytes: [UInt8]) -> [Int] {
    let digits = (0...9).flatMap { [UInt8(ascii: "0") + $0, 0] }
    var found: [Int] = []
    // They take 20 bytes, so that two of every 16 are a digit and a 0, in one order or the other.
    for index in stride(from: 0, to: max(0, bytes.count - 1), by: 16) {
      let (first, second) = (bytes[index], bytes[index + 1])
      guard first == 0 || second == 0, first | second != 0 else { continue }
      let start = second == 0 ? index - 2 * (Int(first) - 0x30) : index + 1 - 2 * (Int(second) - 0x30)
      guard start >= 0, start + 20 <= bytes.count, bytes[start..<(start + 20)].elementsEqual(digits) else { continue }
      if found.last != start { found.append(start) }
      if found.count == maximumCandidates { break }
    }
    return found
  }

  /// - Parameter digits: where the token of "0" is, the 48th.
  init?(_ bytes: [UInt8], digits: Int) {
    var at = digits
    for _ in 48..<256 {
      guard let end = bytes[at...].prefix(TokenTable.maximumSize).firstIndex(of: 0) else { return nil }
      at = end + 1
      guard at - digits <= TokenTable.maximumSize, at < bytes.count else { return nil }
    }
    let index = (at + 7) & ~7
    guard index + 512 <= bytes.count else { return nil }
    let offsets = (0..<256).map { Int(bytes[index + 2 * $0]) | Int(bytes[index + 2 * $0 + 1]) << 8 }
    start = digits - offsets[48]
    end = index + 512
    guard offsets[0] == 0, start >= 0, start & 7 == 0 else { return nil }
    var tokens: [ArraySlice<UInt8>] = []
    for (token, offset) in offsets.enumerated() {
      let next = token < 255 ? offsets[token + 1] : at - start
      // Each ends in the only 0 that it has.
      guard offset < next, start + next <= at,
        bytes[(start + offset)..<(start + next)].firstIndex(of: 0) == start + next - 1
      else { return nil }
      tokens.append(bytes[(start + offset)..<(start + next - 1)])
    }
    self.tokens = tokens
  }
}
