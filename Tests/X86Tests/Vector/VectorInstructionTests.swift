internal import NativeOracle
internal import Support
import Testing

@testable internal import X86

/// Every MMX and SSE encoding from random states, against the host.
@Suite("Vector instructions", .enabled(if: native_available() != 0, "needs an x86-64 host"))
struct VectorInstructionTests {
  /// A row of sixteen opcodes in one map.
  struct Row: Sendable, CustomTestStringConvertible {
    var map: Int
    var first: UInt8
    var testDescription: String { "map \(map) \(hex(first))" }
  }

  static let rows: [Row] =
    [0x10, 0x20, 0x50, 0x60, 0x70, 0xc0, 0xd0, 0xe0, 0xf0].map { Row(map: 1, first: $0) }
    + [0x00, 0x10, 0x20, 0x30, 0x40].map { Row(map: 2, first: $0) }
    + [0x00, 0x10, 0x20, 0x40, 0x60].map { Row(map: 3, first: $0) }

  @Test(arguments: rows)
  func `every encoding does what the host does`(row: Row) throws {
    let twin = try Twin()
    var source = SeededRandom(seed: UInt64(row.map) << 40 + UInt64(row.first) << 32 + testSeed)
    var failures = 0
    var count = 0
    for opcode in row.first...row.first + 15 {
      for prefix in [MandatoryPrefix.none, .p66, .pF3, .pF2] {
        for isMemory in [false, true] {
          for modRMReg in UInt8(0)..<8 {
            let form = vectorEncoding(
              map: row.map, opcode: opcode, prefix: prefix, modRMReg: modRMReg, isMemory: isMemory, rexW: false)
            guard form != .none, isVectorFamily(row.map, opcode) else { continue }
            for _ in 0..<testRounds(4) {
              let code = encode(row.map, opcode, prefix, form, modRMReg, isMemory, &source)
              count += 1
              if try !agrees(code, twin, &source, failures) { failures += 1 }
            }
          }
        }
      }
    }
    #expect(failures == 0)
    #expect(count >= 100)
  }

  /// Opcodes that the decoder gives to this family, and whose result the manuals define to the bit.
  private func isVectorFamily(_ map: Int, _ opcode: UInt8) -> Bool {
    map != 1 || ![0x52, 0x53, 0xae, 0xc3].contains(opcode)
  }

  /// With the last bits of ModRM and REX chosen by chance; memory is [RBX + disp8].
  private func encode(
    _ map: Int, _ opcode: UInt8, _ prefix: MandatoryPrefix, _ form: VectorEncoding, _ modRMReg: UInt8, _ isMemory: Bool,
    _ source: inout SeededRandom
  ) -> [UInt8] {
    var code: [UInt8] = []
    switch prefix {
    case .none: break
    case .p66: code.append(0x66)
    case .pF3: code.append(0xf3)
    case .pF2: code.append(0xf2)
    }
    // RSP and RBX stay as they are: no REX.B with them as general registers would change nothing.
    if source.oneIn(2) {
      code.append(
        0x40 | UInt8(source.below(2)) << 3 | UInt8(source.below(2)) << 2 | (isMemory ? 0 : UInt8(source.below(2))))
    }
    code.append(0x0f)
    if map == 2 { code.append(0x38) }
    if map == 3 { code.append(0x3a) }
    code.append(opcode)
    if opcode == 0x77 && map == 1 { return code }
    if isMemory {
      code += [0x43 | modRMReg << 3, source.oneIn(6) ? UInt8(source.below(17)) : source.oneIn(2) ? 16 : 0]
    } else {
      code.append(0xc0 | modRMReg << 3 | UInt8(source.below(8)))
    }
    if form == .immediate { code.append(UInt8(truncatingIfNeeded: source.next())) }
    return code
  }

  private func agrees(_ code: [UInt8], _ twin: Twin, _ source: inout SeededRandom, _ failures: Int) throws -> Bool {
    var state = NativeState.random(&source)
    // Lengths for PCMPESTRM.
    if source.oneIn(2) {
      state.gpr.0 = UInt64(bitPattern: Int64(source.below(40) - 20))
      state.gpr.2 = UInt64(bitPattern: Int64(source.below(40) - 20))
    }
    // MASKMOVDQU stores to [RDI].
    state.gpr.7 = UInt64(NATIVE_MEMORY_ADDRESS) + UInt64(source.below(17))
    let memory = (0..<3).flatMap { _ in
      let (low, high) = source.vector()
      return [low, high].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) } }
    }
    let native = twin.native(code, state, memory)
    let software = twin.software(code, state, memory)
    let differences = native.differences(software)
    if differences.isEmpty { return true }
    if failures < 6 {
      let bytes = code.map { String($0, radix: 16) }.joined(separator: " ")
      let registers = (0..<16).map {
        hex(state.field(160 + 16 * $0, as: UInt64.self)) + ":" + hex(state.field(168 + 16 * $0, as: UInt64.self))
      }
      Issue.record("\(bytes): \(differences) mxcsr \(hex(state.field(24, as: UInt32.self))) \(registers) \(memory)")
    }
    return false
  }
}
