/// A handle on the state block of one vCPU: a plain pointer, passed by value. `CPUCore` owns what it points to.
///
/// Instruction families are extensions of this type. They return `true` when the instruction is complete, `false` when
/// it raised a fault or asks for an exit, in which case it has changed nothing (see README.md).
struct CPU {
  let s: UnsafeMutablePointer<UInt64>

  @inline(__always) init(_ block: UnsafeMutablePointer<UInt64>) { s = block }

  /// The block as bytes, for operands named by byte offset.
  @inline(__always) var bytes: UnsafeMutableRawPointer { UnsafeMutableRawPointer(s) }

  @inline(__always) subscript(slot: Int) -> UInt64 {
    get { s[slot] }
    nonmutating set { s[slot] = newValue }
  }
}

// General registers and RIP.
extension CPU {
  /// A general register by number, all 64 bits.
  @inline(__always) func gpr(_ number: Int) -> UInt64 { s[number] }
  @inline(__always) func setGPR(_ number: Int, _ value: UInt64) { s[number] = value }
  /// Writes 32 bits and clears the upper half, as 32-bit operations do.
  @inline(__always) func setGPR32(_ number: Int, _ value: UInt32) { s[number] = UInt64(value) }

  @inline(__always) var rax: UInt64 {
    get { s[0] }
    nonmutating set { s[0] = newValue }
  }
  @inline(__always) var rcx: UInt64 {
    get { s[1] }
    nonmutating set { s[1] = newValue }
  }
  @inline(__always) var rdx: UInt64 {
    get { s[2] }
    nonmutating set { s[2] = newValue }
  }
  @inline(__always) var rbx: UInt64 {
    get { s[3] }
    nonmutating set { s[3] = newValue }
  }
  @inline(__always) var rsp: UInt64 {
    get { s[4] }
    nonmutating set { s[4] = newValue }
  }
  @inline(__always) var rbp: UInt64 {
    get { s[5] }
    nonmutating set { s[5] = newValue }
  }
  @inline(__always) var rsi: UInt64 {
    get { s[6] }
    nonmutating set { s[6] = newValue }
  }
  @inline(__always) var rdi: UInt64 {
    get { s[7] }
    nonmutating set { s[7] = newValue }
  }
  /// The offset of the next instruction in CS. While an instruction of the slower families is executed it already
  /// points behind that instruction (whose own address is `op.rip`); a branch sets it; the interpreter sets it back
  /// when the instruction returns `false`.
  @inline(__always) var rip: UInt64 {
    get { s[Slot.rip] }
    nonmutating set { s[Slot.rip] = newValue }
  }
}

// Segments.
extension CPU {
  @inline(__always) func segmentBase(_ number: Int) -> UInt64 { s[Slot.segmentBase &+ number] }
  @inline(__always) func segmentLimit(_ number: Int) -> UInt32 {
    UInt32(truncatingIfNeeded: s[Slot.segmentLimit &+ number])
  }
  @inline(__always) func segmentAttributes(_ number: Int) -> UInt32 {
    UInt32(truncatingIfNeeded: s[Slot.segmentAttributes &+ number])
  }
  @inline(__always) func segmentSelector(_ number: Int) -> UInt16 {
    UInt16(truncatingIfNeeded: s[Slot.segmentSelector &+ number])
  }
}

// System registers.
extension CPU {
  @inline(__always) var cr0: UInt64 {
    get { s[Slot.cr0] }
    nonmutating set { s[Slot.cr0] = newValue }
  }
  @inline(__always) var cr2: UInt64 {
    get { s[Slot.cr2] }
    nonmutating set { s[Slot.cr2] = newValue }
  }
  @inline(__always) var cr3: UInt64 {
    get { s[Slot.cr3] }
    nonmutating set { s[Slot.cr3] = newValue }
  }
  @inline(__always) var cr4: UInt64 {
    get { s[Slot.cr4] }
    nonmutating set { s[Slot.cr4] = newValue }
  }
  @inline(__always) var efer: UInt64 {
    get { s[Slot.efer] }
    nonmutating set { s[Slot.efer] = newValue }
  }
  /// CR0.PE.
  @inline(__always) var isProtected: Bool { cr0 & CR0.pe != 0 }
  /// RFLAGS.VM in protected mode.
  @inline(__always) var isVirtual8086: Bool { s[Slot.systemFlags] & RFlags.vm != 0 }
  /// EFER.LMA.
  @inline(__always) var isLongMode: Bool { efer & EFER.lma != 0 }
  /// 64-bit code: EFER.LMA and CS.L.
  @inline(__always) var is64Bit: Bool { s[Slot.mode] & Mode.codeSizeMask == Mode.code64 }
  /// CPL.
  @inline(__always) var privilegeLevel: Int { Int(truncatingIfNeeded: s[Slot.privilegeLevel]) }

  /// Instructions retired since the block was made.
  @inline(__always) var retired: UInt64 { s[Slot.limit] &- s[Slot.remaining] }
}

/// The bits of CR0 (Intel SDM vol. 3, 2.5).
enum CR0 {
  static var pe: UInt64 { 1 << 0 }
  static var mp: UInt64 { 1 << 1 }
  static var em: UInt64 { 1 << 2 }
  static var ts: UInt64 { 1 << 3 }
  static var et: UInt64 { 1 << 4 }
  static var ne: UInt64 { 1 << 5 }
  static var wp: UInt64 { 1 << 16 }
  static var am: UInt64 { 1 << 18 }
  static var nw: UInt64 { 1 << 29 }
  static var cd: UInt64 { 1 << 30 }
  static var pg: UInt64 { 1 << 31 }
}

/// The bits of CR4 (Intel SDM vol. 3, 2.5).
enum CR4 {
  static var vme: UInt64 { 1 << 0 }
  static var pvi: UInt64 { 1 << 1 }
  static var tsd: UInt64 { 1 << 2 }
  static var de: UInt64 { 1 << 3 }
  static var pse: UInt64 { 1 << 4 }
  static var pae: UInt64 { 1 << 5 }
  static var mce: UInt64 { 1 << 6 }
  static var pge: UInt64 { 1 << 7 }
  static var pce: UInt64 { 1 << 8 }
  static var osfxsr: UInt64 { 1 << 9 }
  static var osxmmexcpt: UInt64 { 1 << 10 }
  static var umip: UInt64 { 1 << 11 }
  static var fsgsbase: UInt64 { 1 << 16 }
  static var pcide: UInt64 { 1 << 17 }
  static var osxsave: UInt64 { 1 << 18 }
  static var smep: UInt64 { 1 << 20 }
  static var smap: UInt64 { 1 << 21 }
}

/// The bits of IA32_EFER (Intel SDM vol. 3, 2.2.1).
enum EFER {
  static var sce: UInt64 { 1 << 0 }
  static var lme: UInt64 { 1 << 8 }
  static var lma: UInt64 { 1 << 10 }
  static var nxe: UInt64 { 1 << 11 }
}

/// Exception vectors (Intel SDM vol. 3, table 6-1).
enum ExceptionVector {
  static var divideError: UInt8 { 0 }
  static var debug: UInt8 { 1 }
  static var nmi: UInt8 { 2 }
  static var breakpoint: UInt8 { 3 }
  static var overflow: UInt8 { 4 }
  static var boundRange: UInt8 { 5 }
  static var invalidOpcode: UInt8 { 6 }
  static var deviceNotAvailable: UInt8 { 7 }
  static var doubleFault: UInt8 { 8 }
  static var invalidTSS: UInt8 { 10 }
  static var segmentNotPresent: UInt8 { 11 }
  static var stackFault: UInt8 { 12 }
  static var generalProtection: UInt8 { 13 }
  static var pageFault: UInt8 { 14 }
  static var floatingPoint: UInt8 { 16 }
  static var alignmentCheck: UInt8 { 17 }
  static var simdFloatingPoint: UInt8 { 19 }
}
