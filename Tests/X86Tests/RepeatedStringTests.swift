import GuestMemory
import Support
import Testing
import VMMCore

@testable import X86

/// REP CMPS, SCAS, LODS, MOVS and STOS do many iterations at once: state and memory are as behind single ones.
@Suite("Repeated string instructions")
struct RepeatedStringTests {
  /// Without its prefixes: the opcode of the form for bytes.
  static let opcodes: [UInt8] = [0xa4, 0xa6, 0xaa, 0xac, 0xae]

  @Test(arguments: opcodes, [Machine.Mode.long64, .protected32])
  func `many iterations at once end as single ones`(opcode: UInt8, mode: Machine.Mode) throws {
    var random = SeededRandom(seed: UInt64(opcode))
    for _ in 0..<60 {
      let code = RepeatedStringTests.instruction(opcode, mode, &random)
      let start = RepeatedStringTests.Start(&random)
      let (whole, single) = try (start.machine(mode, code), start.machine(mode, code))
      whole.run(1)
      // With a limit there is no way to do more than one.
      single.cpu[Slot.repeatLimit] = .max
      single.run(1)
      single.cpu[Slot.repeatLimit] = 0
      #expect(whole.cpu.state == single.cpu.state, "\(code), \(start)")
      #expect(whole.cpu.retired == single.cpu.retired)
      for place in [RepeatedStringTests.source, RepeatedStringTests.target] {
        let address = GuestPhysicalAddress(place)
        let isSame = whole.memory.read(address, count: 0x4000) == single.memory.read(address, count: 0x4000)
        #expect(isSame, "\(code), \(start)")
      }
    }
  }

  private static let source: UInt64 = 0x20000
  private static let target: UInt64 = 0x30000

  private static func instruction(_ opcode: UInt8, _ mode: Machine.Mode, _ random: inout SeededRandom) -> [UInt8] {
    var code: [UInt8] = [random.oneIn(2) ? 0xf2 : 0xf3]
    switch random.below(4) {
    case 0: return code + [opcode]
    case 1: return [0x66] + code + [opcode | 1]
    case 2: break
    default: if mode == .long64 { code.append(0x48) }
    }
    return code + [opcode | 1]
  }

  /// Two strings in up to three pages, and what there is in them but for rare bytes.
  private struct Start: CustomStringConvertible {
    enum Content: CaseIterable {
      case zeros
      /// The same in both.
      case alike
      /// Nowhere the same, and nowhere as the accumulator.
      case unlike
    }

    var (count, from, to, seed): (UInt64, UInt64, UInt64, UInt64)
    var content: Content
    var rarity: Int

    init(_ random: inout SeededRandom) {
      count = UInt64(random.below(random.oneIn(2) ? 40 : 1200))
      from = RepeatedStringTests.source + UInt64(random.below(4096))
      to = RepeatedStringTests.target + UInt64(random.below(4096))
      seed = random.next()
      content = random.pick(Content.allCases)
      rarity = 1 + random.below(3000)
    }

    func machine(_ mode: Machine.Mode, _ code: [UInt8]) throws -> Machine {
      var random = SeededRandom(seed: seed)
      let machine = try Machine(mode, code: code) {
        ($0.gpr[0], $0.gpr[1]) = (content == .unlike ? 0x8181_8181_8181_8181 : 0, count)
        ($0.gpr[6], $0.gpr[7]) = (from, to)
      }
      var (source, target) = ([UInt8](), [UInt8]())
      // Alike where both start.
      for _ in 0..<0x2000 {
        let byte = UInt8(random.below(128))
        let (a, b) = content == .zeros ? (0, 0) : content == .alike ? (byte, byte) : (byte | 128, byte ^ 5)
        source.append(random.oneIn(rarity) ? 0x81 : a)
        target.append(random.oneIn(rarity) ? 0x81 : b)
      }
      machine.memory.write(source, at: GuestPhysicalAddress(from))
      machine.memory.write(target, at: GuestPhysicalAddress(to))
      return machine
    }

    var description: String { "count \(count), \(hex(from)), \(hex(to)), \(content), rarity \(rarity)" }
  }
}
