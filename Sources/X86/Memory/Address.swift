// From an instruction's operand to a linear address (Intel SDM vol. 1, 3.7.5; vol. 3, 5.3 and 5.5).
extension CPU {
  /// The linear address of a memory operand of `size` bytes, segment checks done; `nil` when they fail.
  @inline(__always)
  func address(_ op: Op, _ size: Int, write: Bool = false) -> UInt64? {
    if op.isPlainAddress { return plainAddress(op) }
    return segmentedAddress(op, size, write: write)
  }

  /// 64-bit code with 64-bit addresses: nothing to check but what translation checks.
  @inline(__always)
  func plainAddress(_ op: Op) -> UInt64 {
    let base = word(op.base)
    let index = word(op.index) &<< UInt64(truncatingIfNeeded: op.scale)
    return base &+ index &+ op.displacement &+ word(op.segmentSlot)
  }

  /// The word at a byte offset of the state block.
  @inline(__always)
  func word(_ offset: UInt8) -> UInt64 { bytes.load(fromByteOffset: Int(offset), as: UInt64.self) }

  /// The offset within the segment, cut to the address size: what LEA yields.
  @inline(__always)
  func effectiveOffset(_ op: Op) -> UInt64 {
    let sum = word(op.base) &+ word(op.index) &<< UInt64(truncatingIfNeeded: op.scale) &+ op.displacement
    return sum & addressMask(op.addressSize)
  }

  @inline(__always)
  func addressMask(_ size: Int) -> UInt64 { size == 8 ? .max : size == 4 ? 0xffff_ffff : 0xffff }

  @inline(never)
  private func segmentedAddress(_ op: Op, _ size: Int, write: Bool) -> UInt64? {
    linear(segment: op.segment, offset: effectiveOffset(op), size: size, write: write)
  }

  /// Checks an access of `size` bytes at an offset in a segment and returns its linear address; raises #GP(0), or
  /// #SS(0) for SS, when it is not allowed.
  @inline(never)
  func linear(segment: Int, offset: UInt64, size: Int, write: Bool) -> UInt64? {
    let mode = s[Slot.mode]
    if mode & Mode.codeSizeMask == Mode.code64 {
      return segment >= SegmentNumber.fs ? offset &+ segmentBase(segment) : offset
    }
    let limit = UInt64(segmentLimit(segment))
    let attributes = segmentAttributes(segment)
    let last = offset &+ UInt64(truncatingIfNeeded: size) &- 1
    var allowed: Bool
    if mode & Mode.protected != 0 {
      let isCode = attributes & 8 != 0
      allowed =
        attributes & 0x1_0080 == 0x80
        && (write ? !isCode && attributes & 2 != 0 : !isCode || attributes & 2 != 0)
      if !isCode && attributes & 4 != 0 {
        let top: UInt64 = attributes & 1 << 14 != 0 ? 0xffff_ffff : 0xffff
        allowed = allowed && offset > limit && last <= top
      } else {
        allowed = allowed && last <= limit
      }
    } else {
      allowed = last <= limit
    }
    guard allowed else {
      raise(
        segment == SegmentNumber.ss ? ExceptionVector.stackFault : ExceptionVector.generalProtection, errorCode: 0)
      return nil
    }
    return (segmentBase(segment) &+ offset) & 0xffff_ffff
  }
}
