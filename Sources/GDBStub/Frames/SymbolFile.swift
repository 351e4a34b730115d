/// An ELF file of symbols and call frame information (System V gABI, chapter 4), without the code that they are of:
/// `add-symbol-file` gives it to gdb. Addresses are absolute.
struct SymbolFile {
  var frames: CallFrames
  var symbols = KernelSymbols()

  private static let noBits: UInt64 = 8

  /// The file's bytes.
  var bytes: [UInt8] {
    let parts = symbols.parts
    var file = LittleEndianBytes()
    var names = LittleEndianBytes()
    var headers: [Header] = [Header()]
    func name(_ text: String) -> UInt64 {
      names.append(Array(text.utf8) + [0])
      return UInt64(names.bytes.count - text.utf8.count - 1)
    }
    func add(_ header: Header, _ bytes: [UInt8]) {
      var header = header
      while file.bytes.count % 8 != 0 { file.append([0]) }
      header.offset = UInt64(file.bytes.count)
      if header.type != SymbolFile.noBits { header.size = UInt64(bytes.count) }
      file.append(bytes)
      headers.append(header)
    }
    names.append([0])
    // In place of the header, which comes last.
    file.append([UInt8](repeating: 0, count: 64))
    // SHT_NOBITS, allocated: gdb gives names to what is in a section. Without symbols, so that it does not look for
    // names here, an empty one.
    for part in parts.isEmpty ? [KernelSymbols.Part(range: 0..<0, isCode: true)] : parts {
      let size = part.range.upperBound - part.range.lowerBound
      add(
        Header(
          name: name(part.isCode ? ".text" : ".data"), type: SymbolFile.noBits, flags: part.isCode ? 6 : 3,
          address: part.range.lowerBound, size: size), [])
    }
    add(Header(name: name(".debug_frame"), type: 1), frames.section)
    if !symbols.symbols.isEmpty {
      // Local symbols end where the others begin: sh_info.
      let table = symbolTable(parts)
      let link = UInt64(headers.count + 1)
      add(Header(name: name(".symtab"), type: 2, link: link, information: table.locals, entry: 24), table.bytes)
      add(Header(name: name(".strtab"), type: 3), symbols.names)
    }
    let ownName = name(".shstrtab")
    add(Header(name: ownName, type: 3), names.bytes)
    while file.bytes.count % 8 != 0 { file.append([0]) }
    let table = UInt64(file.bytes.count)
    for header in headers { file.append(header.bytes) }
    return SymbolFile.header(sections: headers.count, at: table) + file.bytes.dropFirst(64)
  }

  /// ET_EXEC for x86-64, version 1; no entry, no program headers.
  private static func header(sections: Int, at table: UInt64) -> [UInt8] {
    var header = LittleEndianBytes()
    header.append([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    header.append(2, size: 2); header.append(62, size: 2); header.append(1, size: 4)
    header.append(0, size: 8); header.append(0, size: 8); header.append(table, size: 8)
    header.append(0, size: 4)
    for field in [64, 0, 0, 64, UInt64(sections), UInt64(sections - 1)] { header.append(field, size: 2) }
    return header.bytes
  }

  /// A section's entry in the table.
  private struct Header {
    var name: UInt64 = 0
    var type: UInt64 = 0
    var flags: UInt64 = 0
    var address: UInt64 = 0
    var offset: UInt64 = 0
    var size: UInt64 = 0
    var link: UInt64 = 0
    var information: UInt64 = 0
    var entry: UInt64 = 0

    var bytes: [UInt8] {
      var bytes = LittleEndianBytes()
      bytes.append(name, size: 4); bytes.append(type, size: 4)
      for field in [flags, address, offset, size] { bytes.append(field, size: 8) }
      bytes.append(link, size: 4); bytes.append(information, size: 4)
      bytes.append(type == 0 ? 0 : 1, size: 8)
      bytes.append(entry, size: 8)
      return bytes.bytes
    }
  }

  // MARK: symbols

  private static let absolute: UInt64 = 0xfff1

  /// Local symbols come first.
  private func symbolTable(_ parts: [KernelSymbols.Part]) -> (bytes: [UInt8], locals: UInt64) {
    var table = LittleEndianBytes()
    table.append([UInt8](repeating: 0, count: 24))
    let sizes = symbols.sizes(in: parts)
    var locals: UInt64 = 1
    for isGlobal in [false, true] {
      for (index, symbol) in symbols.symbols.enumerated() where symbol.isGlobal == isGlobal {
        locals += isGlobal ? 0 : 1
        let part = symbol.isAbsolute ? nil : parts.lastIndex { $0.range.lowerBound <= symbol.address }
        // STT_FUNC, STT_OBJECT or STT_NOTYPE; STB_GLOBAL or STB_LOCAL.
        let type: UInt64 = part.map { parts[$0].isCode ? 2 : 1 } ?? 0
        table.append(UInt64(symbol.name), size: 4)
        table.append(type | (isGlobal ? 0x10 : 0), size: 2)
        table.append(part.map { UInt64($0 + 1) } ?? SymbolFile.absolute, size: 2)
        table.append(symbol.address, size: 8)
        table.append(sizes[index], size: 8)
      }
    }
    return (table.bytes, locals)
  }
}

/// Little-endian fields, one after the other.
struct LittleEndianBytes {
  private(set) var bytes: [UInt8] = []

  mutating func append(_ more: [UInt8]) { bytes += more }

  mutating func append(_ value: UInt64, size: Int) { bytes.append(littleEndian: value, count: size) }
}
