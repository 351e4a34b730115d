/// Lines on stdout, many at a time.
struct LineOutput {
  private var buffer: [UInt8] = []
  /// Nobody takes them any more: there is no use in going on.
  private(set) var isClosed = false

  mutating func line(_ text: String) {
    buffer.append(contentsOf: text.utf8)
    buffer.append(0x0a)
    if buffer.count >= 1 << 16 { flush() }
  }

  mutating func flush() {
    if !isClosed { isClosed = !StandardOutput.write(buffer) }
    buffer.removeAll(keepingCapacity: true)
  }
}

/// A text from a file, without what would steer the terminal.
func printable(_ text: String) -> String {
  var shown = ""
  for scalar in text.unicodeScalars {
    if scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format {
      shown += "\\u{" + String(scalar.value, radix: 16) + "}"
    } else {
      shown.unicodeScalars.append(scalar)
    }
  }
  return shown
}

/// `512 B`, `1.5 KiB`, `12.0 MiB`.
func byteSize(_ bytes: UInt64) -> String {
  var unit = 0
  var scaled = bytes
  while scaled >= 1024 && unit < 4 {
    unit += 1
    scaled /= 1024
  }
  if unit == 0 { return "\(bytes) B" }
  let tenths = bytes / (1 << UInt64(10 * unit - 10)) * 10 / 1024
  return "\(tenths / 10).\(tenths % 10) \(["B", "KiB", "MiB", "GiB", "TiB"][unit])"
}

/// Nanoseconds as `1.234 s`.
func seconds(_ nanoseconds: UInt64) -> String {
  let thousandths = String(nanoseconds / 1_000_000 % 1000)
  return "\(nanoseconds / 1_000_000_000)." + String(repeating: "0", count: 3 - thousandths.count) + thousandths + " s"
}

/// Nanoseconds since 1970 as `2026-01-31T12:34:56Z`, in the Gregorian calendar.
func timestamp(_ nanoseconds: UInt64) -> String {
  let total = nanoseconds / 1_000_000_000
  // Years that begin in March, so that the leap day is the last; 719_468 days lie between March of year 0 and 1970.
  let days = total / 86_400 + 719_468
  let era = days / 146_097
  let dayOfEra = days % 146_097
  let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
  let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
  let monthFromMarch = (5 * dayOfYear + 2) / 153
  let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
  let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
  let year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)
  func two(_ number: UInt64) -> String { number < 10 ? "0\(number)" : "\(number)" }
  let seconds = total % 86_400
  return "\(year)-\(two(month))-\(two(day))T"
    + "\(two(seconds / 3600)):\(two(seconds / 60 % 60)):\(two(seconds % 60))Z"
}

/// Rows in columns that are as wide as their widest entry; the last one is not padded.
func columns(_ rows: [[String]]) -> [String] {
  var widths: [Int] = []
  for row in rows {
    for (column, text) in row.enumerated() {
      if column == widths.count { widths.append(0) }
      widths[column] = max(widths[column], text.count)
    }
  }
  return rows.map { row in
    row.enumerated().map { column, text in
      column == row.count - 1 ? text : text + String(repeating: " ", count: widths[column] - text.count)
    }.joined(separator: "  ")
  }
}
