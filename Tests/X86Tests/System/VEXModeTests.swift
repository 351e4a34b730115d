import Testing
import VMMCore

@testable import X86

/// Real and virtual-8086 mode have no VEX: what its prefix begins is undefined there (Intel SDM vol. 2, 2.3.2).
@Suite struct VEXModeTests {
  /// ANDN EAX, EAX, EAX; NOP.
  private static let code: [UInt8] = [0xc4, 0xe2, 0x78, 0xf2, 0xc0, 0x90]

  private static func event(_ mode: Machine.Mode, virtual8086: Bool, inBlocks: Bool) throws -> UInt8? {
    let machine = try Machine(mode, code: code) {
      guard virtual8086 else { return }
      $0.cs = Segment(selector: 0, base: 0, limit: 0xffff, attributes: 0xf3)
      ($0.ss, $0.cr0, $0.rflags) = ($0.cs, 0x11, 2 | RFlags.vm)
    }
    if inBlocks {
      _ = machine.cpu.runToEvent(limit: machine.cpu.retired + 1)
    } else {
      _ = machine.cpu.step()
    }
    return machine.cpu.pendingEvent?.vector
  }

  @Test(arguments: [false, true])
  func `VEX is undefined in real and virtual-8086 mode only`(inBlocks: Bool) throws {
    #expect(try Self.event(.real16, virtual8086: false, inBlocks: inBlocks) == ExceptionVector.invalidOpcode)
    #expect(try Self.event(.real16, virtual8086: true, inBlocks: inBlocks) == ExceptionVector.invalidOpcode)
    #expect(try Self.event(.protected32, virtual8086: false, inBlocks: inBlocks) == nil)
  }
}
