internal import NativeOracle
internal import VMMCore

@testable internal import X86

/// What the programs of a run execute as.
enum FuzzMode: String, CaseIterable, Sendable {
  /// 64-bit user code.
  case long
  /// 32-bit user code in a flat segment, under a 64-bit kernel.
  case compat32
  /// 16-bit user code in segments of the local descriptor table, with limits and of every kind of data.
  case protected16
  case real
  /// Virtual-8086 mode under a 32-bit kernel.
  case v86
  /// 32-bit code at CPL 0 without paging, with segments of every kind.
  case kernel32
  /// 64-bit code at CPL 0.
  case kernel64

  var codeSize: UInt64 {
    switch self {
    case .long, .kernel64: Mode.code64
    case .compat32, .kernel32: Mode.code32
    default: Mode.code16
    }
  }

  /// The forms that code of this size has.
  var forms: [InstructionForm] {
    switch codeSize {
    case Mode.code64: FormCatalog.all
    case Mode.code32: FormCatalog.all32
    default: FormCatalog.all16
    }
  }

  /// The host's CPU can execute it in a process.
  var isNative: Bool { !isReal && !isKernel }
  /// Segments are 16 times their selectors, of 64 KiB.
  var isReal: Bool { self == .real || self == .v86 }
  var isKernel: Bool { self == .kernel32 || self == .kernel64 }
  /// Linear addresses are physical ones: all lies in the first MiB.
  var isUnpaged: Bool { isReal || self == .kernel32 }
  /// No #GP keeps programs from ports.
  var reachesPorts: Bool { self == .real || isKernel }
  /// An exception would write to the program's stack: HLT is its end.
  var endsByHalting: Bool { self == .real || self == .kernel32 }
  var is64: Bool { codeSize == Mode.code64 }
  /// The offset of a program's first byte in CS, in reach of branches of 16 bits where there are any, and its linear
  /// address.
  var code: UInt64 { self == .protected16 ? 0 : isUnpaged ? 0x100 : codeLinear }
  var codeLinear: UInt64 { isUnpaged ? 0x2_c100 : UInt64(NATIVE_CODE_ADDRESS) }
  /// The offset of the operand area in DS, ES and SS, and its linear address.
  var area: UInt64 { codeSize == Mode.code16 ? 0x4000 : areaLinear }
  var areaLinear: UInt64 { isUnpaged ? 0x3_4000 : UInt64(NATIVE_MEMORY_ADDRESS) }
  /// The memory that programs can reach: the area, or all segments' 64 KiB behind the page of the code.
  var window: Range<UInt64> {
    isUnpaged ? 0x2_d000..<0x5_0000 : areaLinear..<areaLinear + UInt64(NATIVE_MEMORY_SIZE)
  }

  /// The selector of the code segment.
  var codeSelector: UInt16 {
    switch self {
    case .long: 0x33
    case .compat32: UInt16(NATIVE_CODE32)
    case .protected16: LocalSegment.selector(LocalSegment.code16)
    case .real, .v86: 0x2c00
    case .kernel32: KernelSegment.code32
    case .kernel64: KernelSegment.code64
    }
  }

  /// ES, SS, DS, FS, GS (at 0, 2 … 5; CS is `codeSelector`).
  func dataSelector(_ number: Int) -> UInt16 {
    switch self {
    case .long: return number == SegmentNumber.ss ? 0x2b : 0
    case .compat32:
      if number == SegmentNumber.fs { return LocalSegment.selector(LocalSegment.data32) }
      return number == SegmentNumber.gs ? LocalSegment.selector(LocalSegment.small16) : 0x2b
    case .protected16:
      switch number {
      case SegmentNumber.ds: return LocalSegment.selector(LocalSegment.limited16)
      case SegmentNumber.fs: return LocalSegment.selector(LocalSegment.expandDown16)
      case SegmentNumber.gs: return LocalSegment.selector(LocalSegment.readOnly16)
      default: return LocalSegment.selector(LocalSegment.data16)
      }
    case .real, .v86:
      return number == SegmentNumber.fs ? 0x3100 : number == SegmentNumber.gs ? 0x3410 : 0x3000
    case .kernel32: return number == SegmentNumber.fs ? KernelSegment.limited32 : KernelSegment.data32
    case .kernel64: return number == SegmentNumber.fs || number == SegmentNumber.gs ? 0 : KernelSegment.data64
    }
  }

  /// What programs load into data segment registers.
  var selectors: [UInt16] {
    switch self {
    // The null selector, the user's own, and some that do not exist or are the kernel's. Null selectors with an RPL are
    // left out: a register loses it when the host is interrupted.
    case .long: [0, 0, 0x2b, 0x2b, 0x28, 0x29, 0x23, 0x33, 0x30, 0x10, 0x08, 0x38, 0x53, 0x73, 0xfff8, 0x2f]
    case .compat32:
      [0, 0x2b, 0x2b, 0x2b, 0x2b, 0x2b, 0x28, 0x29, 0x23, 0x33, 0x10, 0x08, 0x53, 0xfff8, 0x2f, 0x37, 0x3f, 0x07]
    case .protected16:
      [0, 0x0f, 0x0f, 0x17, 0x17, 0x17, 0x17, 0x17, 0x1f, 0x27, 0x0f, 0x14, 0x0d, 0x2b, 0x07, 0x10, 0xfff8, 0x2f, 0x3f]
    case .real, .v86: [0x3000, 0x3000, 0x3000, 0x3000, 0x3001, 0x3010, 0x3100, 0x33ff, 0x3400]
    case .kernel32, .kernel64: KernelSegment.selectors(self)
    }
  }
}

/// The entries of the local descriptor table that programs use, the host's and the software CPU's.
enum LocalSegment {
  static let code16 = 0
  static let limited16 = 1
  static let data16 = 2
  static let expandDown16 = 3
  static let readOnly16 = 4
  static let data32 = 5
  static let expandDown32 = 6
  static let small16 = 7

  static let all: [NativeSegment] = {
    let (code, area) = (UInt32(NATIVE_CODE_ADDRESS), UInt32(NATIVE_MEMORY_ADDRESS))
    func data(_ base: UInt32, _ limit: UInt32, down: Bool = false, wide: Bool = false, constant: Bool = false)
      -> NativeSegment
    {
      NativeSegment(
        base: base, limit: limit, contents: down ? 1 : 0, is_32bit: wide ? 1 : 0, is_read_only: constant ? 1 : 0,
        is_limit_in_pages: 0)
    }
    return [
      NativeSegment(base: code, limit: 0xffff, contents: 2, is_32bit: 0, is_read_only: 0, is_limit_in_pages: 0),
      data(area - 0x4000, 0x5fff), data(area - 0x4000, 0xffff), data(area - 0x4000, 0x3fff, down: true),
      data(area - 0x4000, 0xffff, constant: true), data(area - 0x1000, 0x2fff, wide: true),
      data(area - 0x1000, 0xfff, down: true, wide: true), data(area, 0x1fff),
    ]
  }()

  /// The host's kernel has taken them.
  static let areInstalled: Bool =
    unsafe native_command() == nil && native_available() != 0
    && native_set_segments(all, Int32(all.count)) != 0

  static func selector(_ index: Int) -> UInt16 { UInt16(index << 3 | 7) }

  /// The descriptor that Linux makes of an entry: present, accessed, for CPL 3.
  static func descriptor(_ entry: NativeSegment) -> UInt64 {
    let type = UInt64(entry.contents) << 2 | (entry.is_read_only == 0 ? 2 : 0) | 1
    let (base, limit) = (UInt64(entry.base), UInt64(entry.limit))
    let low = limit & 0xffff | (base & 0xff_ffff) << 16 | (type | 0xf0) << 40
    let flags = UInt64(entry.is_32bit) << 2 | UInt64(entry.is_limit_in_pages) << 3
    return low | (limit >> 16) << 48 | flags << 52 | (base >> 24) << 56
  }
}
