// Translation of code addresses.
extension CPU {
  /// The physical address of a code byte; raises #PF (or #GP, not canonical) and returns `nil` when it cannot be
  /// fetched.
  func fetchAddress(_ linear: UInt64) -> UInt64? {
    let page = linear & ~0xfff
    let user = s[Slot.privilegeLevel] == 3
    let entry = s + (Slot.fetchTLB &+ (user ? FetchTLB.wordsPerContext : 0) &+ FetchTLB.offset(linear))
    if entry[0] == page { return entry[1] | linear & 0xfff }
    guard isCanonical(linear) else {
      raiseProtection()
      return nil
    }
    let context = user ? TLB.user : TLB.supervisor
    guard let walked = walk(linear, access: Access.fetch, context: context) else { return nil }
    entry[0] = page
    entry[1] = walked.page
    s[Slot.cachedHalves] |= 4 &<< UInt64(AddressHalf.of(linear))
    return walked.page | linear & 0xfff
  }

  /// The linear address of an offset in the code segment.
  @inline(__always)
  func codeLinear(_ rip: UInt64) -> UInt64 {
    is64Bit ? rip : (segmentBase(SegmentNumber.cs) &+ rip) & 0xffff_ffff
  }
}
