/// Which address spaces the sets of the jump cache are for. A guest that goes to and fro between some of them finds
/// the ways from RIP to code that it knew there.
///
/// That is exact: a store to a page that any walk has read, in whatever space, forgets all sets
/// (`PageUse.pageTable`), and so does all else that changes what is found.
struct AddressSpaces {
  private struct Space {
    /// `none` for a set that is nobody's.
    var cr3: UInt64 = none
    var epoch: UInt64 = 0

    /// Bits of CR3 that are reserved are set.
    static let none = UInt64.max
  }
  private var spaces = [Space](repeating: Space(), count: JumpCache.sets)
  private(set) var current = 0
  /// The last epoch that has begun anywhere.
  private var lastEpoch: UInt64 = 0

  /// The current set is for this address space from now on, and what was known in all sets holds no more: a new epoch.
  mutating func forgetAll(cr3: UInt64) -> UInt64 {
    for index in 0..<JumpCache.sets { spaces[index].cr3 = Space.none }
    return begin(cr3: cr3)
  }

  /// The epoch of an address space, which gets the set that it had, or the next one.
  mutating func enter(cr3: UInt64) -> UInt64 {
    if let known = spaces.firstIndex(where: { $0.cr3 == cr3 }) {
      current = known
      return spaces[known].epoch
    }
    current = (current + 1) % JumpCache.sets
    return begin(cr3: cr3)
  }

  private mutating func begin(cr3: UInt64) -> UInt64 {
    lastEpoch += 1
    spaces[current] = Space(cr3: cr3, epoch: lastEpoch)
    return lastEpoch
  }
}
