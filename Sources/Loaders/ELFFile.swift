/// The program headers of an ELF executable for x86 (System V gABI, chapters 4 and 5), checked against the file.
struct ELFFile {
  enum Class { case elf32, elf64 }
  /// One PT_LOAD segment that occupies memory.
  struct Segment {
    /// Where its bytes are in the file; the range is inside the file.
    var file: Range<Int>
    var physical: UInt64
    var virtual: UInt64
    /// Bytes in memory, at least those in the file; what the file does not give is zero.
    var memorySize: UInt64
    /// Nothing but the file's own headers: linkers make such a segment in front of code at a given address.
    var holdsOnlyHeaders = false
    /// The end in physical memory, which does not overflow.
    var physicalEnd: UInt64 { physical + memorySize }
  }

  /// Real kernels have a handful; many that name the same bytes of the file would cost time without end.
  private static let maximumSegments = 64
  private static let maximumNotes = 16

  var fileClass: Class
  var entry: UInt64
  /// In the order of the file; none overlap in physical memory.
  var segments: [Segment] = []
  /// Where PT_NOTE segments lie in the file.
  var notes: [Range<Int>] = []

  /// The file begins as every ELF file does.
  static func recognises(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x7f, 0x45, 0x4c, 0x46]) }

  /// The end of the highest segment in physical memory.
  var physicalEnd: UInt64 { segments.map(\.physicalEnd).max() ?? 0 }

  /// Reads the headers of a file that `recognises` accepts.
  init(_ bytes: [UInt8], name: String) throws(LoaderError) {
    guard bytes.count >= 20 else { throw LoaderError(name, "truncated in the ELF header (\(bytes.count) bytes)") }
    guard let layout = Layout(class: bytes[4]) else { throw LoaderError(name, "ELF class \(bytes[4]) is unknown") }
    guard bytes.count >= layout.headerSize else {
      throw LoaderError(name, "truncated in the ELF header (\(bytes.count) bytes)")
    }
    guard bytes[5] == 1 else { throw LoaderError(name, "a big-endian ELF file, not one for x86") }
    try ELFFile.checkMachine(bytes, layout: layout, name: name)
    fileClass = layout.fileClass
    entry = layout.word(bytes, 24) ?? 0
    try readProgramHeaders(bytes, layout: layout, name: name)
    try checkOverlap(name: name)
  }

  private static func checkMachine(_ bytes: [UInt8], layout: Layout, name: String) throws(LoaderError) {
    let type = bytes.integer(at: 16, as: UInt16.self) ?? 0
    let machine = bytes.integer(at: 18, as: UInt16.self) ?? 0
    guard machine == 3 || machine == 62 else {
      throw LoaderError(name, "an ELF file for machine \(machine), not for x86")
    }
    // 2 executable, 3 position independent: loaded where its headers say all the same.
    guard type == 2 || type == 3 else {
      let kinds: [UInt16: String] = [1: "an object file that has yet to be linked", 4: "a core dump"]
      throw LoaderError(name, "the ELF file is \(kinds[type] ?? "of type \(type)"), not an executable")
    }
  }

  private mutating func readProgramHeaders(
    _ bytes: [UInt8], layout: Layout, name: String
  ) throws(LoaderError) {
    let table = layout.word(bytes, layout.tableOffset) ?? 0
    let size = Int(bytes.integer(at: layout.countOffset - 2, as: UInt16.self) ?? 0)
    let count = Int(bytes.integer(at: layout.countOffset, as: UInt16.self) ?? 0)
    guard count > 0 else { throw LoaderError(name, "the ELF file has no program headers, nothing to load") }
    guard size >= layout.programHeaderSize else {
      throw LoaderError(name, "ELF program headers of \(size) bytes are too short")
    }
    guard table <= UInt64(bytes.count), UInt64(size * count) <= UInt64(bytes.count) - table else {
      throw LoaderError(name, "truncated: the ELF program headers lie beyond the end of the file")
    }
    let headersEnd = Int(table) + size * count
    for index in 0..<count {
      let header = ProgramHeader(bytes, at: Int(table) + index * size, layout: layout)
      switch header.type {
      case 1:
        guard var segment = try header.segment(index: index, fileSize: bytes.count, name: name) else { continue }
        guard segments.count < ELFFile.maximumSegments else {
          throw LoaderError(name, "the ELF file has more than \(ELFFile.maximumSegments) segments to load")
        }
        segment.holdsOnlyHeaders =
          segment.memorySize <= UInt64(segment.file.count) && segment.file.upperBound <= headersEnd
        segments.append(segment)
      case 4:
        // Notes only help to tell what the file is: bad ones are none.
        if notes.count < ELFFile.maximumNotes, let range = header.fileRange(in: bytes.count) { notes.append(range) }
      default: break
      }
    }
    guard !segments.isEmpty else { throw LoaderError(name, "the ELF file has no segment to load") }
  }

  private func checkOverlap(name: String) throws(LoaderError) {
    let sorted = segments.sorted { $0.physical < $1.physical }
    for (low, high) in zip(sorted, sorted.dropFirst()) where high.physical < low.physicalEnd {
      throw LoaderError(name, "two ELF segments overlap at physical address \(hexText(high.physical))")
    }
  }
}

/// Where ELF32 and ELF64 keep their fields.
private struct Layout {
  let fileClass: ELFFile.Class
  let headerSize: Int
  let tableOffset: Int
  let countOffset: Int
  let programHeaderSize: Int

  init?(class byte: UInt8) {
    switch byte {
    case 1: (fileClass, headerSize, tableOffset, countOffset, programHeaderSize) = (.elf32, 52, 28, 44, 32)
    case 2: (fileClass, headerSize, tableOffset, countOffset, programHeaderSize) = (.elf64, 64, 32, 56, 56)
    default: return nil
    }
  }

  /// An address-sized field.
  func word(_ bytes: [UInt8], _ offset: Int) -> UInt64? {
    switch fileClass {
    case .elf32: bytes.integer(at: offset, as: UInt32.self).map(UInt64.init)
    case .elf64: bytes.integer(at: offset)
    }
  }
}

/// One program header as the file has it, unchecked.
private struct ProgramHeader {
  var type: UInt32
  var offset: UInt64
  var virtual: UInt64
  var physical: UInt64
  var fileSize: UInt64
  var memorySize: UInt64

  init(_ bytes: [UInt8], at start: Int, layout: Layout) {
    type = bytes.integer(at: start) ?? 0
    let wide = layout.fileClass == .elf64
    let fields = (0..<5).map { layout.word(bytes, start + (wide ? 8 + $0 * 8 : 4 + $0 * 4)) ?? 0 }
    (offset, virtual, physical, fileSize, memorySize) = (fields[0], fields[1], fields[2], fields[3], fields[4])
  }

  func fileRange(in size: Int) -> Range<Int>? {
    guard offset <= UInt64(size), fileSize <= UInt64(size) - offset else { return nil }
    return Int(offset)..<Int(offset + fileSize)
  }

  func segment(index: Int, fileSize size: Int, name: String) throws(LoaderError) -> ELFFile.Segment? {
    guard memorySize > 0 || fileSize > 0 else { return nil }
    guard let file = fileRange(in: size) else {
      throw LoaderError(name, "truncated: ELF segment \(index) lies beyond the end of the file")
    }
    guard memorySize >= fileSize else {
      throw LoaderError(name, "ELF segment \(index) is larger in the file than in memory")
    }
    guard !physical.addingReportingOverflow(memorySize).overflow else {
      throw LoaderError(name, "ELF segment \(index) wraps around the end of the address space")
    }
    return ELFFile.Segment(file: file, physical: physical, virtual: virtual, memorySize: memorySize)
  }
}
