internal import GuestMemory
internal import VMMCore

/// Finds a word of memory that the code at hand changes, for places whose registers repeat.
struct ChangingWord {
  /// What was found last.
  var word: GuestPhysicalAddress?
  /// The guest was not stopped at a place that is the right one: it may pass.
  var mayPass = true
  /// The registers of the last places, the latest last.
  private var registers: [SIMD16<UInt64>] = []
  /// The pages that were written last, as they were then.
  private var copies: [Int: [UInt64]] = [:]

  /// How many instructions are let pass: some turns of a small loop.
  static let instructions: UInt64 = 64
  /// A loop that writes to more pages than this changes registers, too.
  private static let mostPages = 16
  private static let mostRegisters = 16

  var hasCopies: Bool { !copies.isEmpty }

  /// The registers are those of one of the last places, or there were hardly any.
  mutating func repeats(_ now: SIMD16<UInt64>) -> Bool {
    let repeats = registers.count < 2 || registers.contains(now)
    registers.append(now)
    if registers.count > ChangingWord.mostRegisters { registers.removeFirst() }
    return repeats
  }

  /// Remembers what these pages hold.
  mutating func copy(_ pages: [Int], of memory: GuestMemory) {
    copies = [:]
    guard pages.count <= ChangingWord.mostPages else { return }
    for page in pages { copies[page] = ChangingWord.words(of: page, in: memory) }
  }

  /// Finds the first word that is another one than in the copies.
  mutating func look(at pages: [Int], in memory: GuestMemory) {
    for page in pages {
      guard let earlier = copies[page] else { continue }
      let now = ChangingWord.words(of: page, in: memory)
      guard let index = now.indices.first(where: { now[$0] != earlier[$0] }) else { continue }
      word = memory.address(ofPage: page) + UInt64(8 * index)
      return
    }
  }

  private static func words(of page: Int, in memory: GuestMemory) -> [UInt64] {
    unsafe [UInt64](
      UnsafeRawBufferPointer(start: memory.host(ofPage: page), count: pageSize).assumingMemoryBound(to: UInt64.self))
  }
}
