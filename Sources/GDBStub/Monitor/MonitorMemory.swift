internal import VMMCore

// MARK: - Physical memory and breakpoints

extension Session {
  private static let maximumDump: UInt64 = 65536

  func monitorPhysical(_ arguments: [String]) throws(PacketError) -> String {
    guard (1...2).contains(arguments.count), let address = number(arguments[0]) else { throw .malformed }
    guard let count = arguments.count == 2 ? number(arguments[1]) : 64, count <= Session.maximumDump else {
      throw .malformed
    }
    let bytes = target.readPhysicalMemory(at: GuestPhysicalAddress(address), count: Int(count)).prefix(Int(count))
    guard !bytes.isEmpty else { throw .refused("there is no memory at \(hex(address))") }
    return stride(from: 0, to: bytes.count, by: 16).map { start in
      line(Array(bytes.dropFirst(start).prefix(16)), at: address &+ UInt64(start))
    }.joined(separator: "\n")
  }

  private func line(_ bytes: [UInt8], at address: UInt64) -> String {
    let text = bytes.map { (0x20...0x7e).contains($0) ? Character(UnicodeScalar($0)) : "." }
    let digits = bytes.map { String(hex($0, digits: 2).dropFirst(2)) }.joined(separator: " ")
    let padding = String(repeating: " ", count: 3 * (16 - bytes.count))
    return "\(hex(address, digits: 8)): \(digits)\(padding)  \(String(text))"
  }

  /// Decimal, or hexadecimal with 0x.
  private func number(_ word: String) -> UInt64? {
    word.hasPrefix("0x") ? UInt64(word.dropFirst(2), radix: 16) : UInt64(word)
  }

  func monitorPhysicalMode(_ arguments: [String]) throws(PacketError) -> String {
    switch arguments {
    case ["on"]: usesPhysicalMemory = true
    case ["off"]: usesPhysicalMemory = false
    case []: break
    default: throw .malformed
    }
    return "addresses are \(usesPhysicalMemory ? "physical" : "virtual")"
  }

  func monitorBreakpoints(_ arguments: [String]) throws(PacketError) -> String {
    guard arguments != ["kept"] else {
      keepsPoints = true
      return ""
    }
    func place(_ spaces: [AddressSpace?]) -> String {
      spaces.contains(nil) ? "" : spaces.compactMap { $0 }.map { ", in address space \($0)" }.joined()
    }
    var lines = breakpoints.addresses.map { address in
      let details = breakpoints.breakpoints(at: address)
      let conditions = details.reduce(0) { $0 + $1.conditions.count }
      return "break \(hex(address))" + (conditions > 0 ? " with \(conditions) condition(s)" : "")
        + place(details.map(\.space))
    }
    lines += breakpoints.watchpoints.map { "\($0.kind) \(hex($0.address)), \($0.count) byte(s)" + place([$0.space]) }
    return lines.isEmpty ? "none" : lines.joined(separator: "\n")
  }
}
