internal import NativeOracle
internal import Support
import Testing

@testable internal import X86

/// x87 loads, stores, comparisons and the rest of the register instructions against the host's.
@Suite("Extended conversions", .enabled(if: native_available() != 0, "needs an x86-64 host"))
struct ExtendedConversionTests {
  /// What a store leaves in 16 bytes of memory, and what it raises.
  struct Store: Sendable, CustomTestStringConvertible {
    var name: String
    /// On [RBX].
    var code: [UInt8]
    var run: @Sendable (Extended, inout FloatingPointContext) -> [UInt8]?
    var testDescription: String { name }
  }

  static let stores = [
    Store(name: "fst m32", code: [0xd9, 0x13]) { $1.store($0, to: .single).map { bytes($0, 4) } },
    Store(name: "fst m64", code: [0xdd, 0x13]) { $1.store($0, to: .double).map { bytes($0, 8) } },
    Store(name: "fist m16", code: [0xdf, 0x13]) {
      $1.storeInteger($0, bits: 16).map { bytes(UInt64(bitPattern: $0), 2) }
    },
    Store(name: "fist m32", code: [0xdb, 0x13]) {
      $1.storeInteger($0, bits: 32).map { bytes(UInt64(bitPattern: $0), 4) }
    },
    Store(name: "fistp m64", code: [0xdf, 0x3b]) {
      $1.storeInteger($0, bits: 64).map { bytes(UInt64(bitPattern: $0), 8) }
    },
    Store(name: "fisttp m16", code: [0xdf, 0x0b]) {
      $1.storeInteger($0, bits: 16, truncating: true).map { bytes(UInt64(bitPattern: $0), 2) }
    },
    Store(name: "fisttp m32", code: [0xdb, 0x0b]) {
      $1.storeInteger($0, bits: 32, truncating: true).map { bytes(UInt64(bitPattern: $0), 4) }
    },
    Store(name: "fisttp m64", code: [0xdd, 0x0b]) {
      $1.storeInteger($0, bits: 64, truncating: true).map { bytes(UInt64(bitPattern: $0), 8) }
    },
    Store(name: "fbstp", code: [0xdf, 0x33]) {
      $1.storePackedDecimal($0).map { bytes($0.low, 8) + bytes(UInt64($0.high), 2) }
    },
  ]

  @Test(arguments: stores)
  func `stores are the host's`(store: Store) {
    var source = SeededRandom(seed: UInt64(store.code[0]) << 8 + UInt64(store.code[1]) + testSeed)
    var failures = 0
    for _ in 0..<testRounds(5_000) {
      let a = source.extended()
      let control = X87Control(from: &source)
      let before = [UInt8](repeating: 0xa5, count: 16)
      var memory = before
      let native = NativeX87.run(store.code, control.word, [a], memory: &memory)
      var context = control.context
      let stored = store.run(a, &context) ?? []
      let result = stored + before.dropFirst(stored.count)
      if result != memory || context.raised.rawValue != native.exceptions || context.roundedUp != native.roundedUp {
        failures += 1
        if failures < 10 {
          Issue.record(
            """
            \(store.name) \(hex(a)) fcw \(hex(control.word)): \
            host \(memory) \(hex(native.status)), \
            ours \(result) \(hex(context.raised.rawValue)) \(context.roundedUp)
            """
          )
        }
      }
    }
    #expect(failures == 0)
  }

  struct Load: Sendable, CustomTestStringConvertible {
    var name: String
    var code: [UInt8]
    var operand: @Sendable (inout SeededRandom) -> [UInt8]
    var run: @Sendable ([UInt8], inout FloatingPointContext) -> Extended
    var testDescription: String { name }
  }

  static let loads = [
    Load(name: "fld m32", code: [0xd9, 0x03]) {
      bytes($0.bits(.single), 4)
    } run: {
      $1.load(number($0), from: .single)
    },
    Load(name: "fld m64", code: [0xdd, 0x03]) {
      bytes($0.bits(.double), 8)
    } run: {
      $1.load(number($0), from: .double)
    },
    Load(name: "fild m16", code: [0xdf, 0x03]) {
      bytes($0.significand(), 2)
    } run: { bits, _ in
      Extended(Int64(Int16(truncatingIfNeeded: number(bits))))
    },
    Load(name: "fild m64", code: [0xdf, 0x2b]) {
      bytes($0.significand(), 8)
    } run: { bits, _ in
      Extended(Int64(bitPattern: number(bits)))
    },
    Load(name: "fbld", code: [0xdf, 0x23]) {
      bytes(decimal(&$0), 8) + bytes(decimal(&$0) & 0x80ff, 2)
    } run: { bits, _ in
      Extended(packedDecimal: number(Array(bits[..<8])), UInt16(number(Array(bits[8...]))))
    },
  ]

  @Test(arguments: loads)
  func `loads are the host's`(load: Load) {
    var source = SeededRandom(seed: UInt64(load.code[0]) + testSeed)
    var failures = 0
    for _ in 0..<testRounds(1_500) {
      var memory = load.operand(&source)
      let control = X87Control(from: &source)
      var context = control.context
      let result = load.run(memory, &context)
      let native = NativeX87.run(load.code, control.word, [], memory: &memory)
      let isSame = context.isStopped || native.st(0) == result
      if !isSame || context.raised.rawValue != native.exceptions {
        failures += 1
        if failures < 10 {
          Issue.record(
            """
            \(load.name) \(memory) fcw \(hex(control.word)): \
            host \(hex(native.st(0))) \(hex(native.status)), \
            ours \(hex(result)) \(hex(context.raised.rawValue))
            """
          )
        }
      }
    }
    #expect(failures == 0)
  }

  private static func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
  }

  private static func number(_ bytes: [UInt8]) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private static func decimal(_ source: inout SeededRandom) -> UInt64 {
    (0..<16).reduce(0) { value, _ in value << 4 | UInt64(source.below(10)) }
  }

  @Test(arguments: [false, true])
  func `comparisons are the host's`(quiet: Bool) {
    var source = SeededRandom(seed: testSeed)
    var failures = 0
    for _ in 0..<testRounds(5_000) {
      let a = source.extended()
      let b = source.companion(of: a)
      let control = X87Control(from: &source)
      let native = NativeX87.run(quiet ? [0xdd, 0xe1] : [0xd8, 0xd1], control.word, [a, b])
      var context = control.context
      let order = context.compare(a, b, quiet: quiet)
      let codes: UInt16 =
        switch order {
        case .less: 0x100
        case .equal: 0x4000
        case .greater: 0
        case .unordered: 0x4500
        }
      if context.raised.rawValue != native.exceptions || (!context.isStopped && codes != native.status & 0x4700) {
        failures += 1
        if failures < 10 {
          Issue.record(
            "\(hex(a)) \(hex(b)) \(hex(control.word)): host \(hex(native.status)), ours \(order) \(context.raised)")
        }
      }
    }
    #expect(failures == 0)
  }

  @Test func `FXTRACT is the host's`() {
    var source = SeededRandom(seed: testSeed)
    var failures = 0
    for _ in 0..<testRounds(1_500) {
      let a = source.extended()
      let control = X87Control(from: &source)
      let native = NativeX87.run([0xd9, 0xf4], control.word, [a])
      var context = control.context
      let result = context.extract(a)
      let isSame =
        context.isStopped
        ? native.st(0) == a : native.st(0) == result.significand && native.st(1) == result.exponent
      if !isSame || context.raised.rawValue != native.exceptions {
        failures += 1
        if failures < 10 {
          Issue.record(
            """
            \(hex(a)) \(hex(control.word)): \
            host \(hex(native.st(0))) \(hex(native.st(1))) \(hex(native.status)), \
            ours \(result) \(context.raised)
            """
          )
        }
      }
    }
    #expect(failures == 0)
  }
}
