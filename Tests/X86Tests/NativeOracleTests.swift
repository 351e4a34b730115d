import NativeOracle
import Testing

@Suite("Native oracle", .enabled(if: native_available() != 0, "needs an x86-64 host"))
struct NativeOracleTests {
  @Test func `code runs to its end with the registers given`() {
    var state = NativeState.initial
    state.gpr.0 = 5
    state.gpr.3 = 7
    let outcome = state.run([0x48, 0x01, 0xd8])  // add rax, rbx
    #expect(outcome == nil)
    #expect(state.gpr.0 == 12)
    #expect(state.rip == 3)
  }

  @Test func `an exception stops it and names its vector`() {
    var state = NativeState.initial
    #expect(state.run([0x90, 0x0f, 0x0b]) == 6)  // nop; ud2
    #expect(state.rip == 1)
    #expect(state.run([0x48, 0xf7, 0xf1]) == 0)  // div rcx
    #expect(state.run([0x48, 0x8b, 0x04, 0x25, 0x10, 0, 0, 0]) == 14)  // mov rax, [16]
    #expect(state.cr2 == 16)
  }

  @Test func `memory is loaded and stored`() {
    var state = NativeState.initial
    state.gpr.3 = UInt64(NATIVE_MEMORY_ADDRESS)
    var memory: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
    #expect(state.run([0xff, 0x03], memory: &memory) == nil)  // inc dword [rbx]
    #expect(memory == [2, 2, 3, 4, 5, 6, 7, 8])
  }
}
