/// Memory type range registers (Intel SDM vol. 3, 12.11): numbers, and which values they take.
enum MTRR {
  static let capability: UInt32 = 0xfe
  static let defaultType: UInt32 = 0x2ff
  static let variableCount = 8
  /// Base and mask of the first variable range; the others follow.
  static let firstVariable: UInt32 = 0x200
  static let endOfVariable: UInt32 = 0x210
  /// 64 KiB ranges from 0, 16 KiB ranges from 0x80000 and 0xa0000, 4 KiB ranges from 0xc0000.
  static let fixed: [UInt32] = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f]

  /// IA32_MTRRCAP: eight variable ranges, fixed ranges, write-combining.
  static let capabilities: UInt64 = 0x508
  /// IA32_MTRR_DEF_TYPE as firmware leaves it: ranges enabled, write-back elsewhere.
  static let enabledWriteBack: UInt64 = 0xc06
  /// As firmware leaves them: write-back, but uncached where the display was.
  static let initialFixedRanges = fixed.map { $0 == 0x259 ? 0 : 0x0606_0606_0606_0606 as UInt64 }

  /// Uncached, write-combining, write-through, write-protected, write-back.
  private static func isType(_ type: UInt64) -> Bool { type <= 1 || (4...6).contains(type) }

  static func isDefaultType(_ value: UInt64) -> Bool { value & ~0xcff == 0 && isType(value & 0xff) }
  static func isBase(_ value: UInt64) -> Bool { value >> 52 == 0 && value & 0xf00 == 0 && isType(value & 0xff) }
  static func isMask(_ value: UInt64) -> Bool { value >> 52 == 0 && value & 0x7ff == 0 }
  static func isFixedRange(_ value: UInt64) -> Bool {
    (0..<8).allSatisfy { isType(value >> (8 * UInt64($0)) & 0xff) }
  }
}
