import Support
import Testing

@testable internal import X86

/// RCPSS and RSQRTSS: within the bound that the manuals give, and the special values.
@Suite struct ApproximationTests {
  @Test func `errors stay below 1.5 in 4096`() {
    var source = SeededRandom(seed: testSeed)
    for _ in 0..<testRounds(2_000) {
      let exponent = 20 + UInt32(source.below(200))
      let x = Float(bitPattern: exponent << 23 | UInt32(truncatingIfNeeded: source.next()) & 0x7f_ffff)
      let reciprocal = Float(bitPattern: Approximation.reciprocal(x.bitPattern))
      let root = Float(bitPattern: Approximation.reciprocalRoot(x.bitPattern))
      let error = abs(Double(reciprocal) * Double(x) - 1)
      let rootError = abs(Double(root) * Double(x).squareRoot() - 1)
      #expect(error <= 1.5 / 4096, "1 / \(x)")
      #expect(rootError <= 1.5 / 4096, "1 / √\(x)")
    }
  }

  @Test func `special values`() {
    let infinity: UInt32 = 0x7f80_0000
    #expect(Approximation.reciprocal(0) == infinity)
    #expect(Approximation.reciprocal(0x8000_0001) == infinity | 1 << 31)
    #expect(Approximation.reciprocal(infinity) == 0)
    #expect(Approximation.reciprocal(0x7f80_0001) == 0x7fc0_0001)
    #expect(Approximation.reciprocal(0x7f7f_ffff) == 0)
    #expect(Approximation.reciprocalRoot(0x8000_0000) == infinity | 1 << 31)
    #expect(Approximation.reciprocalRoot(0xbf80_0000) == 0xffc0_0000)
    #expect(Approximation.reciprocalRoot(infinity) == 0)
  }
}
