import Testing

@testable import GDBStub

/// What a function's first instructions say of its frame.
@Suite struct FramePointerFramesTests {
  private func instructions(_ code: [UInt8]) -> [UInt8] {
    FramePointerFrames.description(of: code, at: 0xffff_ffff_8100_0000).instructions
  }

  /// TEST; PUSH RBP; LEA; MOV RBP, RSP; PUSH RBX.
  @Test func aPrologue() {
    let code: [UInt8] = [0x48, 0x85, 0xff, 0x55, 0x48, 0x8d, 0x07, 0x48, 0x89, 0xe5, 0x53, 0xc3]
    let rules: [UInt8] = [0x0c, 7, 8, 0x90, 1, 0x44, 0x0c, 7, 16, 0x86, 2, 0x46, 0x0c, 6, 16]
    #expect(instructions(code) == rules)
  }

  /// A function that leaves the stack alone; one that calls without a frame; memory that the kernel has freed.
  @Test func noPrologue() {
    #expect(instructions([0x48, 0x8d, 0x07, 0xc3]) == [0x0c, 7, 8, 0x90, 1])
    #expect(instructions([0x53, 0xe8, 0, 0, 0, 0, 0x5b, 0xc3]) == [0x0c, 6, 16, 0x90, 1, 0x86, 2])
    #expect(instructions([0xcc, 0xcc, 0xcc]) == EntryFrames.nobody)
  }
}
