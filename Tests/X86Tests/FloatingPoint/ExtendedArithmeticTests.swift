internal import NativeOracle
internal import Support
import Testing

@testable internal import X86

/// The x87's arithmetic against the host's, operand by operand.
@Suite("Extended arithmetic", .enabled(if: native_available() != 0, "needs an x86-64 host"))
struct ExtendedArithmeticTests {
  enum Operation: UInt8, CaseIterable, Sendable {
    case add, multiply, subtract, divide, squareRoot, remainder, remainder1, scale, roundToInteger

    /// On ST0 and ST1, result in ST0.
    var code: [UInt8] {
      switch self {
      case .add: [0xd8, 0xc1]
      case .multiply: [0xd8, 0xc9]
      case .subtract: [0xd8, 0xe1]
      case .divide: [0xd8, 0xf1]
      case .squareRoot: [0xd9, 0xfa]
      case .remainder: [0xd9, 0xf8]
      case .remainder1: [0xd9, 0xf5]
      case .scale: [0xd9, 0xfd]
      case .roundToInteger: [0xd9, 0xfc]
      }
    }

    /// C1 tells of rounding; for remainders it is a quotient bit.
    var roundsOnce: Bool { self != .remainder && self != .remainder1 }

    func run(_ a: Extended, _ b: Extended, _ context: inout FloatingPointContext) -> Extended {
      switch self {
      case .add: context.add(a, b)
      case .multiply: context.multiply(a, b)
      case .subtract: context.subtract(a, b)
      case .divide: context.divide(a, by: b)
      case .squareRoot: context.squareRoot(a)
      case .remainder: context.remainder(a, b, ieee: false).value
      case .remainder1: context.remainder(a, b, ieee: true).value
      case .scale: context.scale(a, by: b)
      case .roundToInteger: context.roundToInteger(a)
      }
    }
  }

  @Test(arguments: Operation.allCases)
  func `results and exceptions are the host's`(operation: Operation) {
    var source = SeededRandom(seed: UInt64(operation.rawValue) + testSeed)
    var failures = 0
    for _ in 0..<testRounds(5_000) {
      let a = source.extended()
      let b = source.companion(of: a)
      let control = X87Control(from: &source)
      let native = NativeX87.run(operation.code, control.word, [a, b])
      var context = control.context
      var result = operation.run(a, b, &context)
      if context.isStopped { result = a }
      let expected = native.st(0)
      let isUp = operation.roundsOnce ? context.roundedUp : native.roundedUp
      if result != expected || context.raised.rawValue != native.exceptions || isUp != native.roundedUp {
        failures += 1
        if failures < 10 {
          Issue.record(
            """
            \(operation) \(hex(a)) \(hex(b)) fcw \(hex(control.word)): \
            host \(hex(expected)) \(hex(native.status)), \
            ours \(hex(result)) \(hex(context.raised.rawValue)) \(isUp)
            """
          )
        }
      }
    }
    #expect(failures == 0)
  }
}
