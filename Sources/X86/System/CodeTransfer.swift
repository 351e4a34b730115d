internal import VMMCore

/// Where a far transfer goes: checked, and not yet done.
struct CodeTarget {
  var segment: Segment
  var rip: UInt64
  var isLong: Bool
}

// Checks that far transfers, interrupts and returns share (Intel SDM vol. 3, 5.8).
extension CPU {
  /// Checks everything but privilege: present, 64-bit or not, the offset within the segment. The selector gets `level`
  /// as its RPL.
  func codeTarget(_ selector: UInt16, _ found: Descriptor, _ offset: UInt64, level: Int) -> CodeTarget? {
    var descriptor = found
    let isLong = isLongMode && descriptor.isLong
    guard !(isLong && descriptor.isDefault32) else {
      raise(ExceptionVector.generalProtection, selector: selector)
      return nil
    }
    guard descriptor.isPresent else {
      raise(ExceptionVector.segmentNotPresent, selector: selector)
      return nil
    }
    let rip = isLong ? offset : offset & 0xffff_ffff
    guard isLong ? isCanonical(rip) : rip <= UInt64(descriptor.limit) else {
      raise(ExceptionVector.generalProtection, selector: 0)
      return nil
    }
    guard markAccessed(&descriptor, selector) else { return nil }
    let segment = descriptor.segment(selector & 0xfffc | UInt16(level))
    return CodeTarget(segment: segment, rip: rip, isLong: isLong)
  }

  /// Goes there. SS, whose DPL is CPL, has been set.
  func commit(_ target: CodeTarget) {
    setSegment(SegmentNumber.cs, target.segment)
    rip = target.rip
    modeChanged()
  }

  /// Real and virtual-8086 mode.
  func jumpReal(_ selector: UInt16, _ offset: UInt64) -> Bool {
    guard offset <= UInt64(segmentLimit(SegmentNumber.cs)) else { return raiseProtection() }
    setRealCode(selector)
    rip = offset
    modeChanged()
    return true
  }

  func setRealCode(_ selector: UInt16) {
    var segment = segment(SegmentNumber.cs)
    segment.selector = selector
    segment.base = UInt64(selector) << 4
    segment.attributes = isProtected ? 0xf3 : segment.attributes & 0xf000 | 0x9b
    if isProtected { segment.limit = 0xffff }
    setSegment(SegmentNumber.cs, segment)
  }

  /// RSP of a stack whose segment is `segment`; `long` for 64-bit code.
  func setStackPointer(_ value: UInt64, in segment: Segment, long: Bool) {
    if long {
      rsp = value
    } else if segment.isDefault32 {
      rsp = value & 0xffff_ffff
    } else {
      rsp = rsp & ~0xffff | value & 0xffff
    }
  }

  /// On the way to an outer level, data segments that it may not use become null; null ones lose their RPL, and keep
  /// their base, which FS and GS have on their own.
  func dropPrivilegedSegments(level: Int) {
    for number in [SegmentNumber.es, SegmentNumber.ds, SegmentNumber.fs, SegmentNumber.gs] {
      let segment = segment(number)
      if segment.selector & 0xfffc == 0 {
        s[Slot.segmentSelector + number] = 0
        continue
      }
      let isConformingCode = segment.isCodeOrData && segment.type & 0xc == 0xc
      if segment.isUnusable || isConformingCode || Int(segment.privilegeLevel) >= level { continue }
      setSegment(number, Segment(selector: 0, base: 0, limit: 0, attributes: unusableSegment))
    }
  }

  /// The stack that the task-state segment holds for an inner level (Intel SDM vol. 3, 7.2.1 and 7.7).
  func innerStack(level: Int) -> (segment: Segment, pointer: UInt64)? {
    if isLongMode {
      guard let pointer = stateSegmentWord(4 + 8 * UInt64(level), size: 8) else { return nil }
      return (nullStack(UInt16(level), level: level), pointer)
    }
    let is32 = s[Slot.tr + 3] & 8 != 0
    let at = is32 ? 4 + 8 * UInt64(level) : 2 + 4 * UInt64(level)
    guard let pointer = stateSegmentWord(at, size: is32 ? 4 : 2),
      let selector = stateSegmentWord(at + (is32 ? 4 : 2), size: 2),
      let segment = checkedStack(
        UInt16(truncatingIfNeeded: selector), level: level, vector: ExceptionVector.invalidTSS, long: false)
    else { return nil }
    return (segment, pointer)
  }

  /// Reads the task-state segment; #TS beyond its limit.
  func stateSegmentWord(_ offset: UInt64, size: Int) -> UInt64? {
    guard offset &+ UInt64(size) &- 1 <= s[Slot.tr + 2] else {
      raise(ExceptionVector.invalidTSS, selector: UInt16(truncatingIfNeeded: s[Slot.tr]))
      return nil
    }
    let linear = s[Slot.tr + 1] &+ offset
    switch size {
    case 1: return loadSystem(UInt8.self, linear).map { UInt64($0) }
    case 2: return loadSystem(UInt16.self, linear).map { UInt64($0) }
    case 4: return loadSystem(UInt32.self, linear).map { UInt64($0) }
    default: return loadSystem(UInt64.self, linear)
    }
  }
}

/// A stack that values are pushed on before SS and RSP are changed.
struct StackFrame {
  let cpu: CPU
  let segment: Segment
  /// No segmentation: the stack of 64-bit code.
  let isLong: Bool
  /// Whose rights count.
  let level: Int
  /// The error code of #SS: the selector of a stack that is new.
  let selector: UInt16
  var pointer: UInt64

  mutating func push(_ value: UInt64, size: Int) -> Bool {
    let offset = (pointer &- UInt64(size)) & mask
    guard let linear = linear(offset, size) else { return false }
    let stored: Bool
    switch size {
    case 2: stored = store(UInt16(truncatingIfNeeded: value), linear)
    case 4: stored = store(UInt32(truncatingIfNeeded: value), linear)
    default: stored = store(value, linear)
    }
    if stored { pointer = offset }
    return stored
  }

  private var mask: UInt64 { isLong ? .max : segment.isDefault32 ? 0xffff_ffff : 0xffff }

  private func store<T: FixedWidthInteger & UnsignedInteger>(_ value: T, _ linear: UInt64) -> Bool {
    level == 3 ? cpu.store(value, linear) : cpu.storeSystem(value, linear)
  }

  private func linear(_ offset: UInt64, _ size: Int) -> UInt64? {
    if isLong {
      guard cpu.isCanonical(offset) else { return fail() }
      return offset
    }
    let last = offset &+ UInt64(size) &- 1
    let limit = UInt64(segment.limit)
    let isExpandDown = cpu.isProtected && segment.type & 0xc == 4
    guard isExpandDown ? offset > limit && last <= mask : last <= limit else { return fail() }
    return (segment.base &+ offset) & 0xffff_ffff
  }

  private func fail() -> UInt64? {
    cpu.raise(ExceptionVector.stackFault, selector: selector)
    return nil
  }
}
