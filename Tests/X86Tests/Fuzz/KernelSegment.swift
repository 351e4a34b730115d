@testable internal import X86

/// The global descriptor table of programs at CPL 0: descriptors of every kind, and entries that single forms need.
enum KernelSegment {
  // 32-bit code.
  /// Of programs, with a base; and of handlers, flat.
  static let code32: UInt16 = 0x08
  static let flat32: UInt16 = 0xa0
  static let data32: UInt16 = 0x10
  static let limited32: UInt16 = 0x20
  static let task32: UInt16 = 0x28
  static let local32: UInt16 = 0x30
  // 64-bit code. The upper halves of system descriptors follow them.
  static let code64: UInt16 = 0x10
  static let data64: UInt16 = 0x18
  static let task64: UInt16 = 0x40
  static let local64: UInt16 = 0x50

  /// Bytes of the table, less one.
  static let limit: UInt32 = 0xa7

  /// Where the handlers of the mode are.
  static func handlers(_ mode: FuzzMode) -> UInt16 { mode == .kernel64 ? code64 : flat32 }
  static func task(_ mode: FuzzMode) -> UInt16 { mode == .kernel64 ? task64 : task32 }
  static func local(_ mode: FuzzMode) -> UInt16 { mode == .kernel64 ? local64 : local32 }

  /// The table, without the upper half of addresses: index and descriptor. The task-state segments lie at `task`, the
  /// local table at `local`; gates lead to `gate`.
  static func descriptors(
    _ mode: FuzzMode, task: UInt64, local: UInt64, gate: UInt64
  ) -> [(index: UInt64, descriptor: UInt64)] {
    let system: (UInt64, UInt64, UInt64) -> UInt64 = { base, limit, type in limit | base << 16 | type << 40 }
    let call = gate & 0xffff | UInt64(handlers(mode)) << 16 | 0x8c << 40 | (gate >> 16 & 0xffff) << 48
    guard mode == .kernel64 else {
      return [
        (1, 0x00cf_9b02_c000_ffff), (2, 0x00cf_9300_0000_ffff), (3, 0x00cf_9100_0000_ffff), (4, 0x0040_9303_0000_ffff),
        (5, system(task, 0x67, 0x8b)), (6, system(local, 0x1f, 0x82)), (7, 0x00cf_fb00_0000_ffff),
        (8, 0x00cf_f300_0000_ffff), (9, call), (10, system(task + 0x100, 0x67, 0x89)), (11, 0x00cf_1300_0000_ffff),
        (12, 0x00c0_9700_0000_0000), (13, 0x00cf_9f00_0000_ffff), (14, system(task + 0x100, 0x67, 0x8b)),
        (15, system(local, 7, 0x82)), (16, 0x00cf_9200_0000_ffff), (17, system(task + 0x100, 0x20, 0x89)),
        (18, 0x0000_9b00_0000_ffff), (19, system(local, 0x1f, 0x02)), (20, 0x00cf_9b00_0000_ffff),
      ]
    }
    return [
      (2, 0x00af_9b00_0000_ffff), (3, 0x00cf_9300_0000_ffff), (4, 0x00cf_fb00_0000_ffff), (5, 0x00cf_f300_0000_ffff),
      (6, 0x00af_fb00_0000_ffff), (7, 0x00cf_1300_0000_ffff), (8, system(task, 0x67, 0x8b)),
      (10, system(local, 0x1f, 0x82)), (12, system(task + 0x100, 0x67, 0x89)), (14, 0x00cf_9200_0000_ffff),
      (15, 0x00af_9f00_0000_ffff), (16, call), (18, system(local, 7, 0x82)),
    ]
  }

  /// The indices of system descriptors in 64-bit mode, of 16 bytes.
  static let wide: [UInt64] = [8, 10, 12, 16, 18]

  /// What programs load into data segment registers.
  static func selectors(_ mode: FuzzMode) -> [UInt16] {
    mode == .kernel32
      ? [0, 0x10, 0x10, 0x10, 0x20, 0x20, 0x18, 0x38, 0x43, 0x40, 0x08, 0x58, 0x60, 0x68, 0x28, 0x80, 0x04, 0x0c, 0xa8]
      : [0, 0, 0x18, 0x18, 0x2b, 0x28, 0x33, 0x10, 0x38, 0x40, 0x70, 0x78, 0x04, 0x0c, 0xa8, 0xfff8]
  }

  /// What programs load into LDTR and TR.
  static func systemSelectors(_ mode: FuzzMode) -> [UInt16] {
    mode == .kernel32
      ? [0, 0x30, 0x78, 0x50, 0x28, 0x70, 0x10, 0x04, 0x88, 0x98, 0xa8, 0x31]
      : [0, 0x50, 0x90, 0x60, 0x40, 0x18, 0x04, 0xa8, 0x51, 0x63]
  }

  /// Selectors that a far transfer refuses.
  static func wrongCode(_ mode: FuzzMode) -> [UInt16] {
    mode == .kernel32 ? [0, 0x10, 0x58, 0x0b, 0x38, 0xa8, 0x20] : [0, 0x18, 0x38, 0x13, 0x30, 0xa8]
  }
}
