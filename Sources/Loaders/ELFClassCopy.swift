/// An ELF file's sections and symbols in a file of the other class, as `objcopy -O elf64-x86-64` and `-O elf32-i386`
/// make it: gdb takes the size of addresses from the class of the file that the symbols are from, so that it needs a
/// file of each for a guest that goes from 32 to 64 bits. For debuggers only: nothing can be loaded from it.
///
/// System V gABI 4.1, chapter 4: ELF header, section header table, symbol table.
public struct ELFClassCopy {
  private let bytes: [UInt8]
  private let is64Bit: Bool
  /// The copy: a header, the whole original (the sections' bytes), then what was converted.
  private var copy: [UInt8] = []
  /// A file has one symbol table; many that name the same bytes would make a copy without end.
  private var hasSymbols = false

  private static let maximumSections: UInt16 = 4096
  /// Where the original begins in the copy, so that the sections keep their alignment.
  private static let originalOffset = 4096

  /// The copy in the other class. `nil` where there is none: no sections, a damaged file, or code and data beyond
  /// 4 GiB, which 32 bits cannot name.
  public static func make(of bytes: [UInt8]) -> [UInt8]? {
    guard bytes.starts(with: [0x7f, 0x45, 0x4c, 0x46]), bytes.count >= 52, bytes[4] == 1 || bytes[4] == 2 else {
      return nil
    }
    var copier = ELFClassCopy(bytes: bytes, is64Bit: bytes[4] == 2)
    return copier.make()
  }

  private init(bytes: [UInt8], is64Bit: Bool) {
    self.bytes = bytes
    self.is64Bit = is64Bit
  }

  /// A section header, in the order of the ELF64 one.
  private struct Section {
    var name: UInt64, type: UInt64, flags: UInt64, address: UInt64, offset: UInt64, size: UInt64
    var link: UInt64, information: UInt64, alignment: UInt64, entrySize: UInt64

    static let null: UInt64 = 0
    static let symbolTable: UInt64 = 2
    static let noBits: UInt64 = 8
    /// SHT_RELA, SHT_HASH, SHT_DYNAMIC, SHT_REL, SHT_DYNSYM, SHT_GROUP, SHT_GNU_HASH: their entries differ between the
    /// classes, and a debugger of a linked kernel has no use for them.
    static let dropped: Set<UInt64> = [4, 5, 6, 9, 11, 17, 0x6fff_fff6]
    static let allocated: UInt64 = 2
  }

  private mutating func make() -> [UInt8]? {
    guard let sections = sections(), !sections.isEmpty else { return nil }
    let end = UInt64(UInt32.max)
    let isWide = sections.contains {
      $0.flags & Section.allocated != 0 && ($0.address > end || $0.size > end - min($0.address, end))
    }
    guard !(is64Bit && isWide) else { return nil }
    copy = [UInt8](repeating: 0, count: ELFClassCopy.originalOffset) + bytes
    var converted: [Section] = []
    for section in sections {
      guard let section = convert(section) else { return nil }
      converted.append(section)
    }
    while copy.count % 8 != 0 { copy.append(0) }
    let table = copy.count
    for section in converted { append(section) }
    writeHeader(table: table, count: converted.count)
    return copy
  }

  // MARK: Reading

  /// A word of the original: 8 bytes in a 64-bit file, 4 in a 32-bit one.
  private func word(_ offset: Int) -> UInt64? {
    is64Bit ? bytes.integer(at: offset, as: UInt64.self) : half(offset)
  }

  private func half(_ offset: Int) -> UInt64? { bytes.integer(at: offset, as: UInt32.self).map(UInt64.init) }

  private func sections() -> [Section]? {
    guard let table = word(is64Bit ? 40 : 32),
      let count = bytes.integer(at: is64Bit ? 60 : 48, as: UInt16.self), count <= ELFClassCopy.maximumSections,
      let size = bytes.integer(at: is64Bit ? 58 : 46, as: UInt16.self), size == (is64Bit ? 64 : 40),
      table <= UInt64(bytes.count), Int(count) * Int(size) <= bytes.count - Int(table)
    else { return nil }
    return (0..<Int(count)).compactMap { section(at: Int(table) + $0 * Int(size)) }
  }

  private func section(at start: Int) -> Section? {
    // Name and type have 4 bytes in both; so have link and information.
    let wordSize = is64Bit ? 8 : 4
    let second = start + 8 + 4 * wordSize
    guard let name = half(start), let type = half(start + 4), let flags = word(start + 8),
      let address = word(start + 8 + wordSize), let offset = word(start + 8 + 2 * wordSize),
      let size = word(start + 8 + 3 * wordSize), let link = half(second), let information = half(second + 4),
      let alignment = word(second + 8), let entrySize = word(second + 8 + wordSize)
    else { return nil }
    return Section(
      name: name, type: type, flags: flags, address: address, offset: offset, size: size, link: link,
      information: information, alignment: alignment, entrySize: entrySize)
  }

  // MARK: Writing

  private mutating func append(word value: UInt64) {
    if is64Bit { copy.append(little: UInt32(truncatingIfNeeded: value)) } else { copy.append(little: value) }
  }

  private mutating func append(half value: UInt64) { copy.append(little: UInt32(truncatingIfNeeded: value)) }

  /// The section as it is in the copy; `nil` where its bytes are not in the file.
  private mutating func convert(_ section: Section) -> Section? {
    var result = section
    if Section.dropped.contains(section.type) || section.type == Section.symbolTable && hasSymbols {
      result.type = Section.null
      result.size = 0
      return result
    }
    guard section.type != Section.null, section.type != Section.noBits else { return result }
    let count = UInt64(bytes.count)
    guard section.offset <= count, section.size <= count - section.offset else { return nil }
    result.offset = section.offset + UInt64(ELFClassCopy.originalOffset)
    if section.type == Section.symbolTable {
      hasSymbols = true
      while copy.count % 8 != 0 { copy.append(0) }
      result.offset = UInt64(copy.count)
      result.entrySize = is64Bit ? 16 : 24
      appendSymbols(Int(section.offset)..<Int(section.offset + section.size))
      result.size = UInt64(copy.count) - result.offset
    }
    return result
  }

  /// Elf32_Sym: name, value, size, info, other, section; Elf64_Sym: name, info, other, section, value, size.
  private mutating func appendSymbols(_ table: Range<Int>) {
    let size = is64Bit ? 24 : 16
    for start in stride(from: table.lowerBound, to: table.upperBound - size + 1, by: size) {
      let kind = Array(bytes[(start + (is64Bit ? 4 : 12))..<(start + (is64Bit ? 8 : 16))])
      let value = word(start + (is64Bit ? 8 : 4)) ?? 0
      let extent = word(start + (is64Bit ? 16 : 8)) ?? 0
      copy += bytes[start..<(start + 4)]
      if is64Bit {
        append(word: value)
        append(word: extent)
        // A value that does not fit makes an undefined symbol.
        copy += value <= UInt64(UInt32.max) ? kind : [kind[0], kind[1], 0, 0]
      } else {
        copy += kind
        append(word: value)
        append(word: extent)
      }
    }
  }

  private mutating func append(_ section: Section) {
    append(half: section.name)
    append(half: section.type)
    for value in [section.flags, section.address, section.offset, section.size] { append(word: value) }
    append(half: section.link)
    append(half: section.information)
    append(word: section.alignment)
    append(word: section.entrySize)
  }

  /// Identification, type, and version are the original's; there are no program headers.
  private mutating func writeHeader(table: Int, count: Int) {
    let body = copy
    let names = bytes.integer(at: is64Bit ? 62 : 50, as: UInt16.self) ?? 0
    copy = Array(bytes[0..<16])
    copy[4] = is64Bit ? 1 : 2
    copy += bytes[16..<18]
    copy.append(little: UInt16(is64Bit ? 3 : 62))
    append(half: 1)
    append(word: word(24) ?? 0)
    append(word: 0)
    append(word: UInt64(table))
    append(half: 0)
    for field in [is64Bit ? 52 : 64, 0, 0, is64Bit ? 40 : 64, count, Int(names)] {
      copy.append(little: UInt16(truncatingIfNeeded: field))
    }
    copy = copy + body[copy.count...]
  }
}
