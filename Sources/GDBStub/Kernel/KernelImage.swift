internal import VMMCore

/// A Linux in a guest's memory, with the symbols that it carries.
struct KernelImage {
  let memory: KernelMemory
  let symbols: KernelSymbols
  /// Where functions, or parts of them that have names, begin.
  private let functions: Set<UInt64>
  private let named: [String: Int]

  private static let orcNames = [
    "__start_orc_unwind_ip", "__stop_orc_unwind_ip", "__start_orc_unwind", "__stop_orc_unwind",
  ]

  init(_ memory: KernelMemory, _ symbols: KernelSymbols) {
    (self.memory, self.symbols) = (memory, symbols)
    functions = Set(symbols.symbols.lazy.filter { $0.isCode && !$0.isAbsolute }.map(\.address))
    let names =
      LinuxEntryCode.startNames + LinuxEntryCode.entryNames + LinuxEntryCode.otherNames + KernelImage.orcNames
      + ["_text", "_einittext"]
    named = symbols.indices(of: Set(names))
  }

  /// Where the image begins.
  var text: UInt64? { address(of: "_text") }

  /// Its own tables of its stack frames (CONFIG_UNWINDER_ORC).
  var orc: ORCTable? {
    let bounds = KernelImage.orcNames.compactMap { address(of: $0) }
    guard bounds.count == 4, bounds[0] < bounds[1], bounds[2] < bounds[3] else { return nil }
    return ORCTable(
      places: memory.bytes(in: bounds[0]..<bounds[1]), at: bounds[0], entries: memory.bytes(in: bounds[2]..<bounds[3]))
  }
}

/// A kernel with frame pointers.
extension KernelImage {
  /// The kernel's functions begin as those with frame pointers do.
  var hasFramePointers: Bool {
    let all = functionCode(excluding: [], limit: 2000)
    let some = all.filter { FramePointerFrames.prologue(of: $0.code) != nil }
    return 3 * some.count > all.count
  }

  /// What is not described elsewhere.
  func framePointers(excluding excluded: [Range<UInt64>]) -> [CallFrames.Description] {
    functionCode(excluding: excluded, limit: .max).map { FramePointerFrames.description(of: $0.code, at: $0.address) }
  }

  private func functionCode(
    excluding excluded: [Range<UInt64>], limit: Int
  ) -> [(address: UInt64, code: [UInt8])] {
    var found: [(address: UInt64, code: [UInt8])] = []
    for (symbol, next) in zip(symbols.symbols, symbols.symbols.dropFirst()) where symbol.isCode && !symbol.isAbsolute {
      guard next.address > symbol.address, next.address - symbol.address <= KernelImage.maximumFunction,
        found.count < limit
      else { continue }
      var parts = [symbol.address..<next.address]
      for hole in excluded { parts = parts.flatMap { $0.without(hole) } }
      for range in parts {
        let code = code(in: range)
        if !code.isEmpty { found.append((range.lowerBound, code)) }
      }
    }
    return found
  }

  /// Behind the calls of functions that go on to an interrupt stack for them: the frame is found by RBP.
  var stackSwitches: [(address: UInt64, instructions: [UInt8])] {
    var rules = CallFrameInstructions()
    rules.frame(.rbp, 16)
    rules.saved(.rip, words: 1)
    rules.saved(.rbp, words: 2)
    var found: [(address: UInt64, instructions: [UInt8])] = []
    for (index, symbol) in symbols.symbols.enumerated() {
      guard symbol.isCode, LinuxEntryCode.switchesStacks(symbols.name(of: symbol)), let range = extent(at: index)
      else { continue }
      guard FramePointerFrames.prologue(of: code(in: range)) != nil else { continue }
      found += returns(in: range).map { ($0, rules.bytes) }
      // Kernels have about fifty.
      if found.count > 1000 { break }
    }
    return found
  }

  /// From a symbol to the next one, as far as a function can go.
  private func extent(at index: Int) -> Range<UInt64>? {
    let start = symbols.symbols[index].address
    guard let next = symbols.symbols[index...].first(where: { $0.address > start }),
      next.address - start <= KernelImage.maximumFunction
    else { return nil }
    return start..<next.address
  }
}

extension KernelImage: KernelCode {
  /// kallsyms has no sizes: a function goes to the next symbol that is not a part of it.
  func function(_ name: String, parts: [String]) -> Range<UInt64>? {
    guard let index = named[name] else { return nil }
    let start = symbols.symbols[index].address
    let behind = symbols.symbols[index...].first { symbol in
      let other = self.symbols.name(of: symbol)
      return symbol.address > start && !other.hasPrefix(name + "_") && !parts.contains { other.hasPrefix($0) }
    }
    guard let behind, behind.address - start <= KernelImage.maximumFunction else { return nil }
    return start..<behind.address
  }

  /// Of those that are asked for.
  private static let maximumFunction: UInt64 = 1 << 16

  func address(of name: String) -> UInt64? { named[name].map { symbols.symbols[$0].address } }
  func code(in range: Range<UInt64>) -> [UInt8] { Array(memory.bytes(in: range)) }
  func isFunction(at address: UInt64) -> Bool { functions.contains(address) }
  func addresses(ofNamesBeginningWith text: String) -> [UInt64] {
    symbols.symbols.lazy.filter { $0.isCode && symbols.name(of: $0).hasPrefix(text) }.map(\.address)
  }
}
