/// What a Linux without frame pointers knows of its stack frames (Documentation/x86/orc-unwinder.rst,
/// arch/x86/include/asm/orc_types.h): from an address on, how to find the caller's frame.
public struct ORCTable: Sendable {
  /// How the begin of the caller's frame is found. What the kernel calls the previous stack pointer.
  enum Base: Equatable {
    /// A register and a distance.
    case register(DWARFRegister, Int)
    /// What the memory at a register and a distance holds, and another distance.
    case indirect(DWARFRegister, Int, then: Int)
  }

  /// Where the caller's RBP is.
  enum FramePointer: Equatable {
    case unchanged
    /// So many bytes from the base.
    case fromBase(Int)
    /// So many bytes from what RBP holds.
    case fromFramePointer(Int)
  }

  enum Rule: Equatable {
    /// Nobody has called this, or the tables do not know who has.
    case nobody
    /// The base is above the return address.
    case call(Base, FramePointer)
    /// At the base are all of `pt_regs`.
    case registers(Base)
    /// At the base are the five words that the CPU has pushed.
    case hardware(Base)
  }

  /// In the order of addresses; each goes to the next one's.
  private(set) var rules: [(address: UInt64, rule: Rule)] = []

  private static let maximumCount = 1 << 22

  /// - Parameters:
  ///   - places: `__start_orc_unwind_ip` and on: for each entry how far its code is from the place's own address.
  ///   - address: where the places are.
  ///   - entries: `__start_orc_unwind` and on: `struct orc_entry` in the same order.
  public init?(places: some Collection<UInt8>, at address: UInt64, entries: some Collection<UInt8>) {
    let count = places.count / 4
    guard count > 0, count <= ORCTable.maximumCount, places.count == 4 * count,
      entries.count == 6 * count
    else { return nil }
    let (places, entries) = (Array(places), Array(entries))
    let words = (0..<count).map { index in Entry(entries[(6 * index)..<(6 * index + 6)]) }
    let isNew = ORCTable.hasNewTypes(words)
    var found: [(address: UInt64, index: Int)] = []
    found.reserveCapacity(count)
    for index in 0..<count {
      let distance = places[(4 * index)..<(4 * index + 4)].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      let place = address &+ 4 &* UInt64(index)
      let code = place &+ UInt64(bitPattern: Int64(Int32(bitPattern: distance)))
      guard KernelMemory.window.contains(code) else { return nil }
      found.append((code, index))
    }
    // Sorted when the kernel is built; before 5.6 when it boots. Of two for one address the one that ends a section is
    // the weaker one (orc_sort_cmp in arch/x86/kernel/unwind_orc.c).
    func isBefore(_ a: (address: UInt64, index: Int), _ b: (address: UInt64, index: Int)) -> Bool {
      guard a.address == b.address else { return a.address < b.address }
      let (weakA, weakB) = (words[a.index].base == 0, words[b.index].base == 0)
      return weakA != weakB ? weakA : a.index < b.index
    }
    if zip(found, found.dropFirst()).contains(where: { isBefore($1, $0) }) { found.sort(by: isBefore) }
    rules.reserveCapacity(count)
    for (address, index) in found {
      let rule = words[index].rule(isNew: isNew)
      if rules.last?.address == address { rules.removeLast() }
      if rules.last?.rule != rule { rules.append((address, rule)) }
    }
  }

  /// From 6.4 on a type has three bits, and CALL is 2; before, it has two, CALL is 0, and most entries are that.
  private static func hasNewTypes(_ entries: [Entry]) -> Bool {
    let known = entries.lazy.filter { $0.base != 0 }
    let calls = known.reduce(0) { $0 + ($1.flags >> 8 & 7 == 2 ? 1 : 0) }
    return 2 * calls > known.reduce(0) { sum, _ in sum + 1 }
  }
}

/// `struct orc_entry`.
private struct Entry {
  let baseOffset: Int
  let pointerOffset: Int
  let flags: UInt16

  /// ORC_REG_...
  var base: UInt16 { flags & 15 }

  init(_ bytes: ArraySlice<UInt8>) {
    func half(_ index: Int) -> UInt16 {
      UInt16(bytes[bytes.startIndex + index]) | UInt16(bytes[bytes.startIndex + index + 1]) << 8
    }
    (baseOffset, pointerOffset) = (Int(Int16(bitPattern: half(0))), Int(Int16(bitPattern: half(2))))
    flags = half(4)
  }

  private enum Kind { case nobody, call, registers, hardware }

  private func kind(isNew: Bool) -> Kind {
    switch isNew ? flags >> 8 & 7 : (flags >> 8 & 3) + 2 {
    case 2: .call
    case 3: .registers
    case 4: .hardware
    default: .nobody
    }
  }

  func rule(isNew: Bool) -> ORCTable.Rule {
    guard let place = place else { return .nobody }
    switch kind(isNew: isNew) {
    case .nobody: return .nobody
    case .registers: return .registers(place)
    case .hardware: return .hardware(place)
    case .call:
      switch flags >> 4 & 15 {
      case 0: return .call(place, .unchanged)
      case 1: return .call(place, .fromBase(pointerOffset))
      case 4: return .call(place, .fromFramePointer(pointerOffset))
      default: return .nobody
      }
    }
  }

  /// As `unwind_next_frame` reads them: R10, R13, RDI and RDX hold the base itself.
  private var place: ORCTable.Base? {
    switch base {
    case 2: .register(.rdx, 0)
    case 3: .register(.rdi, 0)
    case 4: .register(.rbp, baseOffset)
    case 5: .register(.rsp, baseOffset)
    case 6: .register(.r10, 0)
    case 7: .register(.r13, 0)
    case 8: .indirect(.rbp, baseOffset, then: 0)
    case 9: .indirect(.rsp, 0, then: baseOffset)
    default: nil
    }
  }
}
