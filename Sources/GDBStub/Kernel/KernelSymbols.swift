/// A kernel's symbols, by address.
struct KernelSymbols: Equatable {
  struct Symbol: Equatable {
    var address: UInt64
    /// As nm has it (nm(1)): `t` and `T` in code, `a` and `A` for numbers that are no addresses, ...
    var kind: UInt8
    /// Where the name begins in `names`.
    var name: Int
  }

  private(set) var symbols: [Symbol] = []
  /// Each with a 0 at its end; an empty one first, as ELF wants it.
  private(set) var names: [UInt8] = [0]

  /// In the order of addresses, but for numbers that are no addresses.
  mutating func append(_ name: some Collection<UInt8>, kind: UInt8, at address: UInt64) {
    symbols.append(Symbol(address: address, kind: kind, name: names.count))
    names += name
    names.append(0)
  }

  func name(of symbol: Symbol) -> String {
    String(decoding: names[symbol.name...].prefix { $0 != 0 }, as: UTF8.self)
  }

  /// The first symbols of some names.
  func indices(of names: Set<String>) -> [String: Int] {
    var found: [String: Int] = [:]
    for (index, symbol) in symbols.enumerated() {
      let name = name(of: symbol)
      if names.contains(name), found[name] == nil { found[name] = index }
    }
    return found
  }
}

extension KernelSymbols.Symbol {
  private var lowerKind: UInt8 { kind | 0x20 }
  /// Weak symbols are functions in Linux.
  var isCode: Bool { lowerKind == UInt8(ascii: "t") || lowerKind == UInt8(ascii: "w") }
  /// A number, or an offset in each CPU's own memory.
  var isAbsolute: Bool { lowerKind == UInt8(ascii: "a") || !KernelMemory.window.contains(address) }
}
