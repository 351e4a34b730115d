internal import NativeOracle
import Testing

@testable internal import X86

/// Which encodings of the vector family exist, against the host.
@Suite("Vector encodings", .enabled(if: native_available() != 0, "needs an x86-64 host"))
struct VectorEncodingTests {
  @Test(arguments: [1, 2, 3])
  func `what the host does not know is undefined here, and the other way round`(map: Int) throws {
    let twin = try Twin()
    var state = NativeState.initial
    state.gpr.3 = UInt64(NATIVE_MEMORY_ADDRESS)
    state.gpr.7 = state.gpr.3
    let memory = [UInt8](repeating: 0, count: 640)
    for opcode in UInt8(0)...255 where isAsked(map, opcode) {
      for prefix: [UInt8] in [[], [0x66], [0xf3], [0xf2]] {
        for modRM in (UInt8(0)..<8).flatMap({ [$0 << 3 | 3, 0xc1 | $0 << 3] }) {
          let code = prefix + [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][map] + [opcode, modRM, 0, 0, 0, 0, 0]
          let isUndefined = twin.software(code, state, memory).vector == 6
          let isUndefinedOnHost = twin.native(code, state, memory).vector == 6
          if isUndefined == isUndefinedOnHost { continue }
          // The host has extensions that no guest is told of.
          if isUndefined && isExtension(map, opcode, prefix) { continue }
          Issue.record(
            "\(code.map { String($0, radix: 16) }): undefined here \(isUndefined), there \(isUndefinedOnHost)")
        }
      }
    }
  }

  /// Opcodes of the family, without those that other families share.
  private func isAsked(_ map: Int, _ opcode: UInt8) -> Bool {
    // EMMS has no operand: what follows would be executed as well.
    if map == 1 { return unsafe opcode != 0x77 && TwoByteMap.table[Int(opcode)].handler == .vector }
    return map == 3 || ![0x80, 0x81, 0x82].contains(opcode) && opcode < 0xf0
  }

  /// SSE4a, PCLMULQDQ, AES, SHA and GFNI.
  private func isExtension(_ map: Int, _ opcode: UInt8, _ prefix: [UInt8]) -> Bool {
    switch map {
    case 1: [0x2b, 0x78, 0x79].contains(opcode) && !prefix.isEmpty
    case 2: (0xc8...0xcf).contains(opcode) || (0xdb...0xdf).contains(opcode)
    default: [0x44, 0xcc, 0xce, 0xcf, 0xdf].contains(opcode)
    }
  }
}
