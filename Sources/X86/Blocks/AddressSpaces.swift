/// Which address spaces the sets of the jump cache are for, for each half of the linear addresses. A guest that goes to
/// and fro between some of them finds the ways from RIP to code that it knew there. The lower half is known by CR3; the
/// upper one is the same in all spaces whose roots have the same upper half.
///
/// That is exact: a store to a page that any walk has read, in whatever space, forgets all sets of that half, or those
/// of that root (`PageUse`), and so does all else that changes what is found.
struct AddressSpaces {
  private struct Lower {
    /// `none` for a set that is nobody's.
    var cr3: UInt64 = none
    var epoch: UInt64 = 0
    /// The set that is known to be that of its upper half; -1 where none is.
    var upper = -1
  }
  private struct Upper {
    /// One root with that upper half, of the current set the current one; `none` for a set that is nobody's.
    var root: UInt64 = none
    var epoch: UInt64 = 0
  }

  /// Bits of CR3 that are reserved are set.
  private static let none = UInt64.max
  private var lowers = [Lower](repeating: Lower(), count: JumpCache.lowerSets)
  private var uppers = [Upper](repeating: Upper(), count: JumpCache.upperSets)
  private(set) var lower = 0
  private(set) var upper = 0
  /// The last epoch that has begun anywhere.
  private var lastEpoch: UInt64 = 0

  /// The current set of a half is for this address space from now on, and what was known in all sets of that half holds
  /// no more: a new epoch.
  mutating func forgetAll(_ half: Int, cr3: UInt64) -> UInt64 {
    if half == AddressHalf.lower {
      for index in lowers.indices { lowers[index].cr3 = AddressSpaces.none }
      return beginLower(cr3)
    }
    forgetUppers()
    return beginUpper(cr3)
  }

  /// The lower half of an address space, which gets the set that it had, or the next one; its epoch.
  mutating func enterLower(_ cr3: UInt64) -> UInt64 {
    if let known = lowers.firstIndex(where: { $0.cr3 == cr3 }) {
      lower = known
      return lowers[known].epoch
    }
    lower = (lower + 1) % lowers.count
    return beginLower(cr3)
  }

  /// The upper half of the address space whose lower one has been entered, likewise. `areAlike` compares roots, and has
  /// them watched where they are.
  mutating func enterUpper(_ cr3: UInt64, areAlike: (UInt64, UInt64) -> Bool) -> UInt64 {
    let root = cr3 & PageEntry.address
    let known = lowers[lower].upper
    guard let set = known >= 0 ? known : findUpper(root, areAlike) else {
      upper = (upper + 1) % uppers.count
      for index in lowers.indices where lowers[index].upper == upper { lowers[index].upper = -1 }
      return beginUpper(cr3)
    }
    upper = set
    uppers[set].root = root
    lowers[lower].upper = set
    return uppers[set].epoch
  }

  private func findUpper(_ root: UInt64, _ areAlike: (UInt64, UInt64) -> Bool) -> Int? {
    for step in uppers.indices {
      let set = (upper + step) % uppers.count
      if uppers[set].root != AddressSpaces.none, areAlike(uppers[set].root, root) { return set }
    }
    return nil
  }

  /// A half of a root that is not the current one has changed: what was known of spaces with that root holds no more.
  mutating func forget(root: UInt64, _ half: Int) {
    for index in lowers.indices where lowers[index].cr3 & PageEntry.address == root && index != lower {
      if half == AddressHalf.lower { lowers[index].cr3 = AddressSpaces.none } else { lowers[index].upper = -1 }
    }
    guard half == AddressHalf.upper else { return }
    for index in uppers.indices where uppers[index].root == root { uppers[index].root = AddressSpaces.none }
  }

  /// Roots that had the same upper half may not have any more.
  mutating func forgetLikeness(cr3: UInt64) {
    let epoch = uppers[upper].epoch
    forgetUppers()
    uppers[upper] = Upper(root: cr3 & PageEntry.address, epoch: epoch)
    lowers[lower].upper = upper
  }

  private mutating func forgetUppers() {
    for index in lowers.indices { lowers[index].upper = -1 }
    for index in uppers.indices { uppers[index].root = AddressSpaces.none }
  }

  private mutating func beginLower(_ cr3: UInt64) -> UInt64 {
    lastEpoch += 1
    lowers[lower] = Lower(cr3: cr3, epoch: lastEpoch)
    return lastEpoch
  }

  private mutating func beginUpper(_ cr3: UInt64) -> UInt64 {
    lastEpoch += 1
    uppers[upper] = Upper(root: cr3 & PageEntry.address, epoch: lastEpoch)
    lowers[lower].upper = upper
    return lastEpoch
  }
}
