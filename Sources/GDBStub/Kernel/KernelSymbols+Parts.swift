/// What ELF wants to know of symbols beyond names and addresses.
extension KernelSymbols {
  /// A stretch of the kernel's image that holds code, or data.
  struct Part: Equatable {
    var range: Range<UInt64>
    var isCode: Bool
  }

  /// From the first symbol that is an address to the last one. Symbols of another kind at a part's very end count to
  /// the next one.
  var parts: [Part] {
    var begins: [(address: UInt64, isCode: Bool)] = []
    var end: UInt64 = 0
    for symbol in symbols where !symbol.isAbsolute && symbol.address >= end {
      end = symbol.address
      if begins.last?.isCode == symbol.isCode { continue }
      if begins.last?.address == symbol.address { begins.removeLast() }
      if begins.last?.isCode != symbol.isCode { begins.append((symbol.address, symbol.isCode)) }
    }
    // Kernels have about ten.
    if begins.count > 200 { begins.removeSubrange(1...) }
    let ends = begins.dropFirst().map(\.address) + [end + 1]
    return zip(begins, ends).map { Part(range: $0.address..<$1, isCode: $0.isCode) }
  }

  /// Bytes to the next symbol, or to the part's end; 0 for what marks a place that a function, or an object, has too.
  func sizes(in parts: [Part]) -> [UInt64] {
    var sizes = [UInt64](repeating: 0, count: symbols.count)
    var (address, next): (UInt64, UInt64) = (.max, .max)
    for index in symbols.indices.reversed() where !symbols[index].isAbsolute {
      if symbols[index].address != address { (address, next) = (symbols[index].address, address) }
      guard !isMark(symbols[index]), let part = parts.last(where: { $0.range.contains(address) }) else { continue }
      sizes[index] = min(next, part.range.upperBound) - address
    }
    return sizes
  }

  /// By the kernel's habits (include/asm-generic/vmlinux.lds.h).
  private func isMark(_ symbol: Symbol) -> Bool {
    let name = name(of: symbol)
    return ["_text", "_stext", "_sinittext", "_sdata"].contains(name) || name.hasPrefix("__start_")
      || name.hasPrefix("__stop_") || ["_start", "_end", "_begin"].contains { name.hasSuffix($0) }
  }
}

extension KernelSymbols.Symbol {
  /// A letter in upper case.
  var isGlobal: Bool { kind & 0x20 == 0 }
}
