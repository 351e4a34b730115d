/// The function symbols of an ELF64 file (System V gABI, "Symbol Table"): for finding known functions, so whatever is
/// wrong with a table makes it an empty one.
struct ELFSymbols {
  /// A function and where its code is in the file.
  struct Function: Equatable {
    var address: UInt64
    var code: Range<Int>
  }

  private let bytes: [UInt8]
  private var symbols: Section?
  private var strings: Section?
  private var sections: [Section] = []

  private struct Section {
    var name: UInt32
    var type: UInt32
    var address: UInt64
    var file: Range<Int>
    var link: Int
  }

  private static let symbolSize = 24
  private static let maximumSections = 4096

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    guard ELFFile.recognises(bytes), bytes.count >= 64, bytes[4] == 2,
      let table = bytes.integer(at: 40, as: UInt64.self), let count = bytes.integer(at: 60, as: UInt16.self),
      count <= ELFSymbols.maximumSections, table <= UInt64(bytes.count)
    else { return }
    for index in 0..<Int(count) {
      guard let section = section(at: Int(table) + 64 * index) else { return }
      sections.append(section)
    }
    guard let found = sections.first(where: { $0.type == 2 }), sections.indices.contains(found.link) else { return }
    symbols = found
    strings = sections[found.link]
  }

  private func section(at offset: Int) -> Section? {
    guard let name = bytes.integer(at: offset, as: UInt32.self),
      let type = bytes.integer(at: offset + 4, as: UInt32.self),
      let address = bytes.integer(at: offset + 16, as: UInt64.self),
      let start = bytes.integer(at: offset + 24, as: UInt64.self),
      let size = bytes.integer(at: offset + 32, as: UInt64.self),
      let link = bytes.integer(at: offset + 40, as: UInt32.self)
    else { return nil }
    // SHT_NOBITS has no bytes in the file.
    let isEmpty = type == 8 || start > UInt64(bytes.count) || size > UInt64(bytes.count) - start
    let range = isEmpty ? 0..<0 : Int(start)..<Int(start + size)
    return Section(name: name, type: type, address: address, file: range, link: Int(link))
  }

  /// Where each symbol lies in the file.
  private func offsets(of symbols: Section) -> StrideTo<Int> {
    let end = symbols.file.upperBound - ELFSymbols.symbolSize + 1
    return stride(from: symbols.file.lowerBound, to: end, by: ELFSymbols.symbolSize)
  }

  /// st_info: STT_FUNC.
  private func isFunction(_ offset: Int) -> Bool { bytes[offset + 4] & 0xf == 2 }

  /// The functions of these names, each with the code that the file holds for it.
  func functions(named names: [String]) -> [Function] {
    guard let symbols, let strings else { return [] }
    let wanted = names.map { Array($0.utf8) + [0] }
    var found: [Function] = []
    for offset in offsets(of: symbols) {
      guard isFunction(offset), let name = bytes.integer(at: offset, as: UInt32.self) else { continue }
      let start = strings.file.lowerBound + Int(name)
      let isWanted = wanted.contains { text in
        start + text.count <= strings.file.upperBound && bytes[start..<(start + text.count)].elementsEqual(text)
      }
      if isWanted, let function = function(at: offset) { found.append(function) }
    }
    return found
  }

  /// Code at symbols of any kind, by their names; of several of one name, one.
  func code(where isWanted: (String) -> Bool) -> [String: Function] {
    guard let symbols, let strings else { return [:] }
    var found: [String: Function] = [:]
    for offset in offsets(of: symbols) {
      guard let start = bytes.integer(at: offset, as: UInt32.self), let name = name(at: start, in: strings.file),
        isWanted(name)
      else { continue }
      found[name] = function(at: offset) ?? found[name]
    }
    return found
  }

  /// Where all functions begin.
  var functionAddresses: Set<UInt64> {
    guard let symbols else { return [] }
    var found: Set<UInt64> = []
    for offset in offsets(of: symbols) where isFunction(offset) {
      if let address = bytes.integer(at: offset + 8, as: UInt64.self) { found.insert(address) }
    }
    return found
  }

  /// Where the file has the bytes for these addresses.
  func file(of addresses: Range<UInt64>) -> Range<Int>? {
    for section in sections where section.address != 0 && addresses.lowerBound >= section.address {
      let start = addresses.lowerBound - section.address
      guard start <= UInt64(section.file.count), UInt64(addresses.count) <= UInt64(section.file.count) - start else {
        continue
      }
      let offset = section.file.lowerBound + Int(start)
      return offset..<(offset + addresses.count)
    }
    return nil
  }

  /// Where a section is in memory, and where its bytes are in the file.
  func section(named wanted: String) -> (address: UInt64, file: Range<Int>)? {
    guard let number = bytes.integer(at: 62, as: UInt16.self), sections.indices.contains(Int(number)) else {
      return nil
    }
    let names = sections[Int(number)].file
    return sections.first { name(at: $0.name, in: names) == wanted }.map { ($0.address, $0.file) }
  }

  private func name(at offset: UInt32, in strings: Range<Int>) -> String? {
    let start = strings.lowerBound + Int(offset)
    guard start < strings.upperBound, let end = bytes[start..<strings.upperBound].firstIndex(of: 0) else { return nil }
    return String(decoding: bytes[start..<end], as: UTF8.self)
  }

  private func function(at offset: Int) -> Function? {
    guard let address = bytes.integer(at: offset + 8, as: UInt64.self),
      let size = bytes.integer(at: offset + 16, as: UInt64.self),
      let number = bytes.integer(at: offset + 6, as: UInt16.self), sections.indices.contains(Int(number))
    else { return nil }
    let section = sections[Int(number)]
    guard address >= section.address, address - section.address <= UInt64(section.file.count),
      size <= UInt64(section.file.count) - (address - section.address)
    else { return nil }
    let start = section.file.lowerBound + Int(address - section.address)
    return Function(address: address, code: start..<(start + Int(size)))
  }
}

extension GuestLoader {
  /// The linear addresses of the RDTSC instructions that a Linux kernel executes whatever CPUID says of the TSC, in
  /// its functions that gather randomness. Empty for files without symbols, and for what is no Linux.
  public static func timestampSites(in kernel: [UInt8]) -> [UInt64] {
    let functions = ELFSymbols(kernel).functions(named: ["random_get_entropy", "get_cycles"])
    return functions.compactMap { function in
      // Both are a handful of instructions without immediate operands that could look like it.
      let code = kernel[function.code.prefix(64)]
      guard let at = code.indices.dropLast().first(where: { code[$0] == 0x0f && code[$0 + 1] == 0x31 }) else {
        return nil
      }
      return function.address + UInt64(at - function.code.lowerBound)
    }
  }
}
