#if canImport(Glibc)
  internal import Glibc
#endif

/// The direct ways from RIP to blocks that one vCPU has found, in plain memory: `Slot.jumpCache` has the address of the
/// current set.
final class JumpCache {
  static var entries: Int { 2048 }
  static var wordsPerEntry: Int { 4 }
  /// One set of entries for each address space that code was executed in lately.
  static var sets: Int { 8 }
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
    cpu[Slot.jumpCache] = UInt64(UInt(bitPattern: words))
  }

  deinit { free(words) }

  /// Where a CR3 leads to has changed, or may have, for every one: a new epoch.
  func forgetSpaces() -> UInt64 { spaces.forgetAll(cr3: cpu[Slot.cr3]) }

  /// CR3 has been loaded in long mode; the epoch under which ways from RIP to code are known there.
  func enterSpace() -> UInt64 {
    let epoch = spaces.enter(cr3: cpu[Slot.cr3])
    cpu[Slot.jumpCache] = UInt64(UInt(bitPattern: words + spaces.current * JumpCache.wordsPerSet))
    return epoch
  }

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
    for set in 0..<JumpCache.sets {
      let entry = words + (set * JumpCache.wordsPerSet + JumpCache.offset(head.rip))
      if entry[JumpCache.head] == UInt64(UInt(bitPattern: head)) { body(entry) }
    }
  }
}

extension CPU {
  /// The block's head is what RIP leads to here from now on.
  func remember(_ head: OperationPointer, at rip: UInt64, code: UInt64) {
    let jumps = UnsafeMutablePointer<UInt64>(bitPattern: UInt(s[Slot.jumpCache])).unsafelyUnwrapped
    let entry = jumps + JumpCache.offset(rip)
    entry[JumpCache.rip] = rip
    entry[JumpCache.key] = s[Slot.translationKey]
    entry[JumpCache.head] = UInt64(UInt(bitPattern: head))
    entry[JumpCache.code] = code
  }
}
