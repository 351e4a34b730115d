#if canImport(Glibc)
  internal import Glibc
#endif
internal import NativeOracle
internal import Support

@testable internal import X86

/// Where seeded tests start; CHRONOVISOR_TEST_SEED moves it.
let testSeed = environmentNumber("CHRONOVISOR_TEST_SEED") ?? 1
/// CHRONOVISOR_TEST_FACTOR multiplies the length of seeded tests.
func testRounds(_ count: Int) -> Int { count * Int(environmentNumber("CHRONOVISOR_TEST_FACTOR") ?? 1) }

private func environmentNumber(_ name: String) -> UInt64? {
  guard let value = unsafe getenv(name) else { return nil }
  return UInt64(unsafe String(cString: value))
}

func hex(_ value: some FixedWidthInteger) -> String { "0x" + String(value, radix: 16) }
func hex(_ value: Extended) -> String {
  "\(String(value.signExponent, radix: 16)):\(String(value.significand, radix: 16))"
}

/// A control word and the context that it stands for.
struct X87Control {
  var word: UInt16

  init(from source: inout SeededRandom) {
    word = 0x40 | UInt16(source.pick([0, 2, 3, 3, 3])) << 8 | UInt16(source.below(4)) << 10
    word |= source.oneIn(3) ? UInt16(source.below(64)) : 63
  }

  var context: FloatingPointContext {
    var context = FloatingPointContext()
    context.rounding = RoundingMode(rawValue: UInt8(word >> 10 & 3))!
    context.precision = [24, 64, 53, 64][Int(word >> 8 & 3)]
    context.masked = FloatingPointExceptions(rawValue: UInt8(word & 63))
    return context
  }
}

/// One x87 instruction on the host.
struct NativeX87 {
  var state: NativeState

  static func run(_ code: [UInt8], _ control: UInt16, _ stack: [Extended]) -> Self {
    var memory: [UInt8] = []
    return run(code, control, stack, memory: &memory)
  }

  /// `stack` is ST0 and what follows; RBX points to the operand area.
  static func run(_ code: [UInt8], _ control: UInt16, _ stack: [Extended], memory: inout [UInt8]) -> Self {
    var state = NativeState.initial
    state.setField(0, control)
    state.setField(2, UInt16(8 - stack.count) << 11)
    state.setField(4, UInt8(truncatingIfNeeded: 0xff << (8 - stack.count)))
    for (index, value) in stack.enumerated() {
      state.setField(32 + 16 * index, value.significand)
      state.setField(40 + 16 * index, value.signExponent)
    }
    state.gpr.3 = UInt64(NATIVE_MEMORY_ADDRESS)
    _ = state.run(code, memory: &memory)
    return Self(state: state)
  }

  var status: UInt16 { state.field(2) }
  var exceptions: UInt8 { UInt8(truncatingIfNeeded: status & 63) }
  var roundedUp: Bool { status & 0x200 != 0 }
  func st(_ index: Int) -> Extended {
    Extended(significand: state.field(32 + 16 * index), signExponent: state.field(40 + 16 * index))
  }
}
