import GuestMemory
import KVM
import Replay
import Support
import Testing
import VMMCore

@testable import X86

internal import Glibc

/// Page tables that change under running code: random programs in blocks and step by step, and on KVM.
///
/// Tools/fuzz --pages runs it longer: CHRONOVISOR_PAGE_CASES is the number of cases, CHRONOVISOR_FUZZ_SEED the seed,
/// CHRONOVISOR_FUZZ_CASE repeats one case.
@Suite("Page tables that change under running code")
struct PageFuzzTests {
  private static func number(_ name: String) -> UInt64? {
    unsafe getenv(name).flatMap { unsafe UInt64(String(cString: $0)) }
  }

  private static let seed = number("CHRONOVISOR_FUZZ_SEED") ?? LongTests.seed
  private static let only = number("CHRONOVISOR_FUZZ_CASE")

  private static func cases(_ sample: UInt64, long: UInt64) -> Range<UInt64> {
    if let only { return only..<only + 1 }
    return 0..<(number("CHRONOVISOR_PAGE_CASES") ?? (LongTests.areOn ? long : sample))
  }

  private static func random(_ number: UInt64) -> UInt64 {
    var random = SeededRandom(seed: seed &* 0x1_0000_0001 ^ number << 20)
    return random.next()
  }

  private static func command(_ number: UInt64) -> String { "Tools/fuzz --pages 1 --seed \(seed) --case \(number)" }

  private static func kind(_ number: UInt64) -> PagingKind {
    switch number % 8 {
    case 0..<5: .long
    case 5, 6: .pae
    default: .legacy
    }
  }

  @Test func `blocks do what the stepper does`() throws {
    var (instructions, failures, count) = (UInt64(0), 0, 0)
    for number in Self.cases(120, long: 4000) {
      var run = try PageRun(kind: Self.kind(number), seed: Self.random(number))
      if let text = try run.difference() {
        failures += 1
        Issue.record("\(Self.kind(number)): \(text)\n  \(Self.command(number))")
      }
      instructions += run.instructions
      count += 1
      if failures == 10 { break }
    }
    print("seed \(Self.seed): \(count) cases of changing page tables, \(instructions) instructions, \(failures) differ")
  }

  @Test(.enabled(if: kvmAvailable, "needs /dev/kvm")) func `KVM and the software engine end alike`() throws {
    var (compared, failures, skipped) = (0, 0, [String: Int]())
    let cases = Self.cases(30, long: 1500)
    for number in cases.count > 1500 ? 0..<1500 : cases {
      let world = PageWorld(
        kind: .long, rules: PageProgram.Rules(flushesAll: true, togglesModes: false), seed: Self.random(number))
      switch try PagePair(world).outcome() {
      case .alike: compared += 1
      case .notCompared(let why): skipped[why, default: 0] += 1
      case .differs(let text):
        failures += 1
        Issue.record("on KVM: \(text)\n  \(Self.command(number))")
      }
      if failures == 10 { break }
    }
    let reasons = skipped.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    print("seed \(Self.seed): \(compared) cases alike on KVM, \(failures) differ; not compared: \(reasons)")
    #expect(compared + failures > 0 || cases.isEmpty)
  }
}
