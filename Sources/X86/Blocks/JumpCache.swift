#if canImport(Glibc)
  internal import Glibc
#endif

/// The direct ways from RIP to blocks that one vCPU has found, in plain memory: `Slot.jumpCache` has the addresses of
/// the current sets, of either half of the linear addresses.
final class JumpCache {
  static var entries: Int { 2048 }
  static var wordsPerEntry: Int { 4 }
  /// Sets of entries for the lower halves of address spaces that code was executed in lately, and for upper halves.
  static var lowerSets: Int { 8 }
  static var upperSets: Int { 4 }
  static var sets: Int { lowerSets + upperSets }
  static var wordsPerSet: Int { entries * wordsPerEntry }
  /// The words of an entry: RIP, the translation key that it holds under, the block's head, and where translated code
  /// goes on for it (`Translator.interpreted` where there is no code).
  static var rip: Int { 0 }
  static var key: Int { 1 }
  static var head: Int { 2 }
  static var code: Int { 3 }

  /// In a set.
  @inline(__always) static func offset(_ rip: UInt64) -> Int {
    (Int(truncatingIfNeeded: rip ^ rip &>> 11) & (entries &- 1)) &* wordsPerEntry
  }

  private let cpu: CPU
  private let words: UnsafeMutablePointer<UInt64>
  private var spaces = AddressSpaces()

  init(cpu: CPU) {
    self.cpu = cpu
    words = zeroedMemory(JumpCache.sets * JumpCache.wordsPerSet)
    select()
  }

  deinit { free(words) }

  private func select() {
    for (half, set) in [spaces.lower, JumpCache.lowerSets + spaces.upper].enumerated() {
      cpu[Slot.jumpCache + half] = UInt64(UInt(bitPattern: words + set * JumpCache.wordsPerSet))
    }
  }

  /// Where addresses of a half lead to has changed, or may have, in every space: a new epoch.
  func forget(_ half: Int) { cpu[Slot.epoch + half] = spaces.forgetAll(half, cr3: cpu[Slot.cr3]) }

  /// CR3 has been loaded in long mode: other ways from RIP to code are known. Whether those of the upper half are the
  /// same.
  func enterSpace() -> Bool {
    let (cr3, before) = (cpu[Slot.cr3], spaces.upper)
    cpu[Slot.epoch + AddressHalf.lower] = spaces.enterLower(cr3)
    let epoch = spaces.enterUpper(cr3) { cpu.haveSameUpperHalf($0, $1) }
    let isSame = spaces.upper == before && epoch == cpu[Slot.epoch + AddressHalf.upper]
    cpu[Slot.epoch + AddressHalf.upper] = epoch
    select()
    return isSame
  }

  /// A half of a root that is not the current one has changed.
  func forget(root: UInt64, _ half: Int) { spaces.forget(root: root, half) }

  /// Roots that had the same upper half may not have any more.
  func forgetLikeness() { spaces.forgetLikeness(cr3: cpu[Slot.cr3]) }

  /// No way is known.
  func clear() {
    for entry in 0..<JumpCache.sets * JumpCache.entries {
      words[entry * JumpCache.wordsPerEntry + JumpCache.key] = .max
    }
  }

  /// No way is known to this block: none must lead to a stale operation, for it would lead there again.
  func forget(_ head: OperationPointer) { forEachWay(to: head) { $0[JumpCache.key] = .max } }

  /// The block is translated.
  func setCode(of head: OperationPointer) { forEachWay(to: head) { $0[JumpCache.code] = head.block.pointee.code } }

  /// No block is translated.
  func forgetCode(_ interpreted: UInt64) {
    for entry in 0..<JumpCache.sets * JumpCache.entries {
      words[entry * JumpCache.wordsPerEntry + JumpCache.code] = interpreted
    }
  }

  private func forEachWay(to head: OperationPointer, _ body: (UnsafeMutablePointer<UInt64>) -> Void) {
    let isLower = AddressHalf.of(head.rip) == AddressHalf.lower
    for set in isLower ? 0..<JumpCache.lowerSets : JumpCache.lowerSets..<JumpCache.sets {
      let entry = words + (set * JumpCache.wordsPerSet + JumpCache.offset(head.rip))
      if entry[JumpCache.head] == UInt64(UInt(bitPattern: head)) { body(entry) }
    }
  }
}

extension CPU {
  /// The block's head is what RIP leads to here from now on.
  func remember(_ head: OperationPointer, at rip: UInt64, code: UInt64) {
    let half = AddressHalf.of(rip)
    let jumps = UnsafeMutablePointer<UInt64>(bitPattern: UInt(s[Slot.jumpCache &+ half])).unsafelyUnwrapped
    let entry = jumps + JumpCache.offset(rip)
    entry[JumpCache.rip] = rip
    entry[JumpCache.key] = s[Slot.translationKey &+ half]
    entry[JumpCache.head] = UInt64(UInt(bitPattern: head))
    entry[JumpCache.code] = code
  }
}

extension CPU {
  /// The upper halves of two roots are equal, bit for bit. Stores to either are noticed from now on: it stays so until
  /// then, or until an access sets a bit there (`updateAccessed`).
  func haveSameUpperHalf(_ one: UInt64, _ other: UInt64) -> Bool {
    guard let (host, page) = ram(one), let (otherHost, otherPage) = ram(other) else { return false }
    guard page == otherPage || memcmp(pointer(host + 0x800), pointer(otherHost + 0x800), 0x800) == 0 else {
      return false
    }
    watch(page: page, physical: one, as: PageUse.root(AddressHalf.upper))
    watch(page: otherPage, physical: other, as: PageUse.root(AddressHalf.upper))
    return true
  }
}
