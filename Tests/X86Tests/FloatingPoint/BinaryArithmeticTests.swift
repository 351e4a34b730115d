internal import NativeOracle
internal import Support
import Testing

@testable internal import X86

/// SSE scalar arithmetic against the host's, under every rounding mode, DAZ, FTZ and mask.
@Suite("Binary arithmetic", .enabled(if: native_available() != 0, "needs an x86-64 host"))
struct BinaryArithmeticTests {
  struct Operation: Sendable, CustomTestStringConvertible {
    var name: String
    /// On XMM0 and XMM1, result in XMM0.
    var code: [UInt8]
    var format: FloatingPointFormat
    var run: @Sendable (UInt64, UInt64, inout FloatingPointContext) -> UInt64
    /// Bits of XMM0 that the result fills.
    var resultBits: Int
    var testDescription: String { name }
  }

  static let operations: [Operation] =
    both("add", 0x58) { $2.add($0, $1, $3) }
    + both("mul", 0x59) { $2.multiply($0, $1, $3) } + both("sub", 0x5c) { $2.subtract($0, $1, $3) }
    + both("min", 0x5d) { $2.select($0, $1, maximum: false, $3) } + both("div", 0x5e) { $2.divide($0, $1, $3) }
    + both("max", 0x5f) { $2.select($0, $1, maximum: true, $3) }
    + both("sqrt", 0x51) { $2.squareRoot($1, $3) }
    + (0..<8).flatMap { predicate in
      both("cmp\(predicate)", 0xc2, [UInt8(predicate)]) { $2.test($0, $1, predicate: UInt8(predicate), $3) ? .max : 0 }
    }
    + [
      Operation(
        name: "cvtss2sd", code: [0xf3, 0x0f, 0x5a, 0xc1], format: .single,
        run: { $2.convert($1, from: .single, to: .double) }, resultBits: 64),
      Operation(
        name: "cvtsd2ss", code: [0xf2, 0x0f, 0x5a, 0xc1], format: .double,
        run: { $2.convert($1, from: .double, to: .single) }, resultBits: 32),
    ]
    + (0..<16).flatMap { control in
      [
        Operation(
          name: "roundss \(control)", code: [0x66, 0x0f, 0x3a, 0x0a, 0xc1, UInt8(control)], format: .single,
          run: { rounded($1, control, &$2, .single) }, resultBits: 32),
        Operation(
          name: "roundsd \(control)", code: [0x66, 0x0f, 0x3a, 0x0b, 0xc1, UInt8(control)], format: .double,
          run: { rounded($1, control, &$2, .double) }, resultBits: 64),
      ]
    }

  private static func rounded(
    _ a: UInt64, _ control: Int, _ context: inout FloatingPointContext, _ format: FloatingPointFormat
  ) -> UInt64 {
    var inner = context
    if control & 4 == 0 { inner.rounding = RoundingMode(rawValue: UInt8(control & 3))! }
    let result = inner.roundToInteger(a, quiet: control & 8 != 0, format)
    context.raised = inner.raised
    return result
  }

  private static func both(
    _ name: String, _ opcode: UInt8, _ tail: [UInt8] = [],
    _ run: @escaping @Sendable (UInt64, UInt64, inout FloatingPointContext, FloatingPointFormat) -> UInt64
  ) -> [Operation] {
    [
      Operation(
        name: name + "ss", code: [0xf3, 0x0f, opcode, 0xc1] + tail, format: .single, run: { run($0, $1, &$2, .single) },
        resultBits: 32),
      Operation(
        name: name + "sd", code: [0xf2, 0x0f, opcode, 0xc1] + tail, format: .double, run: { run($0, $1, &$2, .double) },
        resultBits: 64),
    ]
  }

  @Test(arguments: operations)
  func `results and exceptions are the host's`(operation: Operation) {
    var source = SeededRandom(seed: UInt64(operation.code[2]) + testSeed)
    var failures = 0
    for _ in 0..<testRounds(1_500) {
      let a = source.bits(operation.format)
      let b = source.companion(of: a, operation.format)
      let control = SSEControl(from: &source)
      var state = NativeState.initial
      state.setField(24, control.word)
      state.setField(160, a)
      state.setField(176, b)
      let vector = state.run(operation.code)
      var context = control.context
      var result = operation.run(a, b, &context)
      if context.hasUnmasked { result = a }
      let mask: UInt64 = operation.resultBits == 64 ? .max : 0xffff_ffff
      let native: UInt64 = state.field(160)
      let status = UInt8(truncatingIfNeeded: state.field(24, as: UInt32.self) & 63)
      if (result ^ native) & mask != 0 || context.raised.rawValue != status || context.hasUnmasked != (vector == 19) {
        failures += 1
        if failures < 6 {
          Issue.record(
            """
            \(operation.name) \(hex(a)) \(hex(b)) mxcsr \(hex(control.word)): \
            host \(hex(native)) \(hex(status)) \(vector ?? -1), \
            ours \(hex(result)) \(hex(context.raised.rawValue))
            """
          )
        }
      }
    }
    #expect(failures == 0)
  }

  struct Conversion: Sendable, CustomTestStringConvertible {
    var name: String
    /// XMM1 to RAX.
    var code: [UInt8]
    var format: FloatingPointFormat
    var bits: Int
    var truncating: Bool
    var testDescription: String { name }
  }

  static let conversions: [Conversion] = [false, true].flatMap { truncating in
    [32, 64].flatMap { bits in
      [FloatingPointFormat.single, .double].map { format in
        let prefix: UInt8 = format.precision == 24 ? 0xf3 : 0xf2
        let code: [UInt8] = [prefix] + (bits == 64 ? [0x48] : []) + [0x0f, truncating ? 0x2c : 0x2d, 0xc1]
        return Conversion(
          name: "\(format.precision) to \(bits) \(truncating)", code: code, format: format, bits: bits,
          truncating: truncating)
      }
    }
  }

  @Test(arguments: conversions)
  func `integers are the host's`(conversion: Conversion) {
    var source = SeededRandom(seed: testSeed)
    var failures = 0
    for _ in 0..<testRounds(5_000) {
      let a = source.bits(conversion.format)
      let control = SSEControl(from: &source)
      var state = NativeState.initial
      state.setField(24, control.word)
      state.setField(176, a)
      let vector = state.run(conversion.code)
      var context = control.context
      let value = context.integer(a, bits: conversion.bits, truncating: conversion.truncating, conversion.format)
      let mask: UInt64 = conversion.bits == 64 ? .max : 0xffff_ffff
      let result = context.hasUnmasked ? 0 : UInt64(bitPattern: value) & mask
      let status = UInt8(truncatingIfNeeded: state.field(24, as: UInt32.self) & 63)
      if result != state.gpr.0 || context.raised.rawValue != status || context.hasUnmasked != (vector == 19) {
        failures += 1
        if failures < 6 {
          Issue.record(
            """
            \(conversion.name) \(hex(a)) mxcsr \(hex(control.word)): \
            host \(hex(state.gpr.0)) \(hex(status)), \
            ours \(hex(result)) \(hex(context.raised.rawValue))
            """
          )
        }
      }
    }
    #expect(failures == 0)
  }

  @Test(arguments: [FloatingPointFormat.single, .double])
  func `conversions from integers are the host's`(format: FloatingPointFormat) {
    var source = SeededRandom(seed: testSeed)
    for _ in 0..<testRounds(5_000) {
      let integer = source.significand()
      let control = SSEControl(from: &source)
      var state = NativeState.initial
      state.setField(24, control.word)
      state.gpr.0 = integer
      let vector = state.run([format.precision == 24 ? 0xf3 : 0xf2, 0x48, 0x0f, 0x2a, 0xc0])
      var context = control.context
      var result = context.convert(integer: Int64(bitPattern: integer), to: format)
      if context.hasUnmasked { result = 0 }
      let status = UInt8(truncatingIfNeeded: state.field(24, as: UInt32.self) & 63)
      #expect(result == state.field(160, as: UInt64.self), "\(hex(integer)) \(hex(control.word))")
      #expect(context.raised.rawValue == status)
      #expect(context.hasUnmasked == (vector == 19))
    }
  }
}

/// An MXCSR and the context that it stands for.
struct SSEControl {
  var word: UInt32

  init(from source: inout SeededRandom) {
    word = UInt32(source.below(4)) << 13 | (source.oneIn(4) ? 0x8000 : 0) | (source.oneIn(4) ? 0x40 : 0)
    word |= source.oneIn(3) ? UInt32(source.below(64)) << 7 : 0x1f80
  }

  var context: FloatingPointContext {
    var context = FloatingPointContext()
    context.rounding = RoundingMode(rawValue: UInt8(word >> 13 & 3))!
    context.masked = FloatingPointExceptions(rawValue: UInt8(word >> 7 & 63))
    context.flushToZero = word & 0x8000 != 0
    context.denormalsAreZero = word & 0x40 != 0
    return context
  }
}
