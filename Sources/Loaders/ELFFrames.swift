/// The call frame information of an ELF64 file's `.debug_frame` (DWARF 5, 6.4.1): what a compiler says of functions. As
/// for symbols, whatever is wrong with the section makes it an empty one.
struct ELFFrames {
  struct Description: Equatable {
    var code: Range<UInt64>
    /// DW_CFA instructions, those of the common entry first.
    var instructions: [UInt8]

    /// What holds at an address of the function, without the way there: DW_CFA_advance_loc and its kind are left out,
    /// and what comes behind the address.
    func instructions(at address: UInt64) -> [UInt8] {
      var reader = CallFrameReader(bytes: instructions)
      var kept: [UInt8] = []
      var location = code.lowerBound
      while let (instruction, advance) = reader.next() {
        if let advance {
          location = location &+ advance
          if location > address { break }
        } else {
          kept += instruction
        }
      }
      return kept
    }
  }

  private let bytes: [UInt8]
  private let section: Range<Int>

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    section = ELFSymbols(bytes).section(named: ".debug_frame")?.file ?? 0..<0
  }

  /// The descriptions of the functions that begin at these addresses, as far as they are as usual for x86-64: code
  /// aligned to 1, data to -8, the return address in column 16.
  func descriptions(of functions: Set<UInt64>) -> [Description] {
    var found: [Description] = []
    var at = section.lowerBound
    while at + 8 <= section.upperBound, let length = bytes.integer(at: at, as: UInt32.self), length >= 4 {
      let end = at + 4 + Int(length)
      // 64-bit DWARF, which nobody uses for so little, and damage end the walk.
      guard length < 0xffff_fff0, end <= section.upperBound,
        let identifier = bytes.integer(at: at + 4, as: UInt32.self)
      else { break }
      if identifier != .max, let start = bytes.integer(at: at + 8, as: UInt64.self), functions.contains(start),
        let size = bytes.integer(at: at + 16, as: UInt64.self), at + 24 <= end, start <= .max - size,
        let common = commonInstructions(at: section.lowerBound + Int(identifier))
      {
        let own = Array(bytes[(at + 24)..<end])
        found.append(Description(code: start..<(start + size), instructions: common + own))
      }
      at = end
    }
    return found
  }

  /// The instructions of a common entry of version 1 or 3 or 4 without augmentation.
  private func commonInstructions(at offset: Int) -> [UInt8]? {
    guard offset + 16 <= section.upperBound, let length = bytes.integer(at: offset, as: UInt32.self),
      bytes.integer(at: offset + 4, as: UInt32.self) == .max, length < 0xffff_fff0
    else { return nil }
    let end = offset + 4 + Int(length)
    guard end <= section.upperBound else { return nil }
    // Version 4 has the sizes of addresses and segments.
    let isLong = bytes[offset + 8] == 4
    let start = offset + (isLong ? 15 : 13)
    let fields: [UInt8] = isLong ? [0, 8, 0, 1, 0x78, 16] : [0, 1, 0x78, 16]
    guard start <= end, bytes[(offset + 9)..<start].elementsEqual(fields) else { return nil }
    return Array(bytes[start..<end])
  }
}

/// Goes through DW_CFA instructions (DWARF 5, 6.4.2 and table 7.29).
private struct CallFrameReader {
  let bytes: [UInt8]
  private var at = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  /// The next instruction, and by how much it advances the location, if it does; `nil` at the end, and where an
  /// instruction is unknown or cut off.
  mutating func next() -> (instruction: ArraySlice<UInt8>, advance: UInt64?)? {
    guard at < bytes.count else { return nil }
    let start = at
    let opcode = bytes[at]
    at += 1
    var advance: UInt64?
    switch opcode {
    case 0x40...0x7f: advance = UInt64(opcode & 0x3f)
    case 0x80...0xbf: skipNumber()
    case 0xc0...0xff, 0x00, 0x0a, 0x0b: break
    case 0x02: advance = fixed(1)
    case 0x03: advance = fixed(2)
    case 0x04: advance = fixed(4)
    // Offset, register, val_offset and def_cfa with two numbers.
    case 0x05, 0x09, 0x0c, 0x11, 0x12, 0x14, 0x15:
      skipNumber()
      skipNumber()
    case 0x06, 0x07, 0x08, 0x0d, 0x0e, 0x13, 0x2e: skipNumber()
    case 0x0f: skipBlock()
    case 0x10, 0x16:
      skipNumber()
      skipBlock()
    default: return nil
    }
    guard at <= bytes.count else { return nil }
    return (bytes[start..<at], advance)
  }

  private mutating func fixed(_ size: Int) -> UInt64? {
    defer { at += size }
    guard at + size <= bytes.count else { return 0 }
    return bytes[at..<(at + size)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private mutating func skipNumber() {
    while at < bytes.count, bytes[at] & 0x80 != 0 { at += 1 }
    at += 1
  }

  private mutating func skipBlock() {
    var (size, shift) = (0, 0)
    while at < bytes.count, shift < 28 {
      size |= Int(bytes[at] & 0x7f) << shift
      shift += 7
      at += 1
      if bytes[at - 1] & 0x80 == 0 { break }
    }
    at += size
  }
}
