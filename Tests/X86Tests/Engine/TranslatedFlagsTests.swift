import GuestMemory
import Testing
import VMMCore

@testable import X86

/// Flags of one instruction that another one changes in part, and all conditions of what comes out, in translated code
/// and step by step.
@Suite struct TranslatedFlagsTests {
  /// Instructions with EAX and ECX that set all flags, some without AF.
  private static let whole: [(name: String, code: [UInt8])] = [
    ("add", [0x01, 0xc8]), ("cmp", [0x39, 0xc8]), ("neg", [0xf7, 0xd8]), ("test", [0x85, 0xc8]), ("and", [0x21, 0xc8]),
    ("or", [0x09, 0xc8]), ("xor", [0x31, 0xc8]), ("shl 3", [0xc1, 0xe0, 3]), ("sar cl", [0xd3, 0xf8]),
    ("test al", [0x84, 0xc8]), ("xor cx", [0x66, 0x31, 0xc1]),
  ]
  /// Some flags, or all that depend on a count or on CF.
  private static let partial: [(name: String, code: [UInt8])] = [
    ("nothing", []), ("imul 32", [0x0f, 0xaf, 0xc1]), ("imul 64", [0x48, 0x0f, 0xaf, 0xc1]),
    ("imul 16", [0x66, 0x0f, 0xaf, 0xc1]), ("imul by constant", [0x69, 0xc1, 0x21, 0x43, 0x65, 0x07]),
    ("mul", [0xf7, 0xe1]), ("mul 8", [0xf6, 0xe1]), ("imul long", [0x48, 0xf7, 0xe9]), ("inc", [0xff, 0xc0]),
    ("dec 8", [0xfe, 0xc8]),
    ("bt", [0x0f, 0xa3, 0xc8]), ("bts 31", [0x0f, 0xba, 0xe8, 31]), ("stc", [0xf9]), ("clc", [0xf8]), ("cmc", [0xf5]),
    ("rol cl", [0xd3, 0xc0]), ("ror 1", [0xd1, 0xc8]), ("rcl 1", [0xd1, 0xd0]), ("shl cl", [0xd3, 0xe0]),
    ("shr 8 by cl", [0xd2, 0xe8]), ("shld cl", [0x0f, 0xa5, 0xc8]), ("adc", [0x11, 0xc8]), ("sbb", [0x19, 0xc8]),
    ("sahf", [0x9e]), ("lahf", [0x9f]), ("adox", [0xf3, 0x0f, 0x38, 0xf6, 0xc1]),
    ("adcx", [0x66, 0x0f, 0x38, 0xf6, 0xc1]), ("bsf", [0x0f, 0xbc, 0xc1]), ("popcnt", [0xf3, 0x0f, 0xb8, 0xc1]),
  ]
  private static let operands: [(UInt64, UInt64)] = [
    (3, 5), (0x7fff_ffff, 2), (0x8000_0000, 0x8000_0000), (0, 1), (.max, 33), (0x6786_350f_4fab_d358, 0x4000_0040),
  ]
  /// SETcc R8B, LEA R9, [R8 + 2 R9] for each condition, JMP to itself: nothing that may be left before its end.
  private static let conditions: [UInt8] =
    (UInt8(0)..<16).flatMap { [0x41, 0x0f, 0x90 | $0, 0xc0, 0x4f, 0x8d, 0x0c, 0x48] } + [0xeb, 0xfe]

  @Test(arguments: whole.map(\.name)) func conditionsAreThoseOfSteps(name: String) throws {
    let first = try #require(TranslatedFlagsTests.whole.first { $0.name == name }).code
    for (profileName, profile) in UndefinedProfile.named {
      let (steps, blocks) = try (Machine(.long64, undefined: profile), Machine(.long64, undefined: profile))
      for (name, second) in TranslatedFlagsTests.partial {
        for machine in [steps, blocks] { _ = machine.place(first + second + TranslatedFlagsTests.conditions) }
        for (a, b) in TranslatedFlagsTests.operands {
          let text = "\(name) of \(hex(a)), \(hex(b)), \(profileName)"
          for machine in [steps, blocks] { prepare(machine, a, b) }
          // To the JMP, which changes nothing.
          for _ in 0..<40 { steps.run(1) }
          blocks.run(200)
          #expect(steps.cpu.state == blocks.cpu.state, "\(text)")
        }
      }
    }
  }

  private func prepare(_ machine: Machine, _ a: UInt64, _ b: UInt64) {
    var state = Machine.state(.long64)
    (state.gpr[0], state.gpr[1]) = (a, b)
    machine.core.cpu.load(state)
  }
}
