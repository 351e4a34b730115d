internal import VMMCore

/// Stores details by what has changed since the one before in the same chunk (FORMAT.md, "Events").
struct DetailCoding {
  private var previous = [UInt64](repeating: 0, count: DetailCoding.fieldCount)

  static let fieldCount = CPUState.fields.count
  /// No recorder writes more ranges than this in one detail.
  static let maximumRanges = 65_536

  /// False when the detail is none that the format can hold.
  mutating func append(_ detail: StateDetail, to out: inout ByteWriter) -> Bool {
    guard detail.words.count <= DetailCoding.fieldCount, detail.ranges.count <= DetailCoding.maximumRanges,
      detail.pageShift <= 31
    else { return false }
    let words = detail.words + [UInt64](repeating: 0, count: DetailCoding.fieldCount - detail.words.count)
    let changed = words.indices.filter { words[$0] != previous[$0] }
    out.append(varint: UInt64(changed.count))
    var next = 0
    for index in changed {
      out.append(varint: UInt64(index - next))
      out.append64(words[index])
      next = index + 1
    }
    previous = words
    out.append(detail.pageShift)
    out.append(varint: UInt64(detail.ranges.count))
    var nextRange: UInt32 = 0
    for range in detail.ranges {
      guard range.number >= nextRange, range.number < .max else { return false }
      out.append(varint: UInt64(range.number - nextRange))
      out.append16(range.check)
      nextRange = range.number + 1
    }
    return true
  }

  mutating func read(from input: inout ByteReader) throws(DecodingError) -> StateDetail {
    var next = 0
    for _ in 0..<(try input.varint(upTo: UInt64(DetailCoding.fieldCount), "a count of fields")) {
      let index = next + (try input.varint(upTo: UInt64(DetailCoding.fieldCount), "a field"))
      guard index < DetailCoding.fieldCount else { throw input.fail("field \(index) of the CPU state") }
      previous[index] = try input.read64()
      next = index + 1
    }
    let shift = try input.byte()
    guard shift <= 31 else { throw input.fail("ranges of 2^\(shift) pages") }
    let count = try input.varint(upTo: UInt64(DetailCoding.maximumRanges), "a count of ranges")
    // Each range takes three bytes at least.
    guard count <= input.remaining / 3 else { throw input.fail("\(count) ranges in \(input.remaining) bytes") }
    var ranges: [RangeCheck] = []
    var nextRange: UInt64 = 0
    for _ in 0..<count {
      let number = nextRange + UInt64(try input.varint(upTo: UInt64(UInt32.max), "a range"))
      guard number < UInt64(UInt32.max) else { throw input.fail("range \(number)") }
      ranges.append(RangeCheck(number: UInt32(number), check: try input.read16()))
      nextRange = number + 1
    }
    return StateDetail(words: previous, pageShift: shift, ranges: ranges)
  }
}
