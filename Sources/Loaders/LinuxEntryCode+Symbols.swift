public import VMMCore

extension LinuxEntryCode {
  /// Found in a kernel with symbols.
  public init(kernel: KernelELF) {
    self.init(kernel)
    guard !entries.isEmpty else { return }
    let switches = kernel.found.filter { LinuxEntryCode.switchesStacks($0.key) }.map(\.value.address)
    for description in ELFFrames(kernel.bytes).descriptions(of: Set(switches)) {
      stackSwitches += kernel.returns(in: description.code).map { ($0, description.instructions(at: $0 - 1)) }
    }
  }
}

/// A vmlinux, as far as its symbols are asked for.
public struct KernelELF: KernelCode {
  let bytes: [UInt8]
  private let symbols: ELFSymbols
  fileprivate let found: [String: ELFSymbols.Function]
  private let functions: Set<UInt64>

  /// - Parameter prefixes: beginnings of names that are asked for beyond those of `LinuxEntryCode`.
  public init(_ bytes: [UInt8], knowing prefixes: [String] = []) {
    self.bytes = bytes
    symbols = ELFSymbols(bytes)
    let names = Set(LinuxEntryCode.otherNames + LinuxEntryCode.startNames + LinuxEntryCode.entryNames)
    found = symbols.code { name in
      names.contains(name) || LinuxEntryCode.switchesStacks(name) || prefixes.contains { name.hasPrefix($0) }
    }
    functions = symbols.functionAddresses
  }

  public func function(_ name: String, parts: [String]) -> Range<UInt64>? { found[name]?.addresses }
  public func address(of name: String) -> UInt64? { found[name]?.address }
  public func code(in range: Range<UInt64>) -> [UInt8] { symbols.file(of: range).map { Array(bytes[$0]) } ?? [] }
  public func isFunction(at address: UInt64) -> Bool { functions.contains(address) }
  public func addresses(ofNamesBeginningWith text: String) -> [UInt64] {
    found.lazy.filter { $0.key.hasPrefix(text) }.map(\.value.address).sorted()
  }

  /// A section's bytes, and where it is in memory.
  public func section(_ name: String) -> (address: UInt64, bytes: ArraySlice<UInt8>)? {
    symbols.section(named: name).map { ($0.address, bytes[$0.file]) }
  }
}

extension ELFSymbols.Function {
  /// `nil` where the symbol has no size.
  fileprivate var addresses: Range<UInt64>? { code.isEmpty ? nil : address..<(address + UInt64(code.count)) }
}
