internal import Foundation
internal import Support
internal import Testing
internal import VMMCore

@testable internal import Loaders

/// The guests of Tests/Guests, as the assembler and the linker made them.
@Suite struct AssembledGuestTests {
  @Test func thereAreGuests() { #expect(TestGuests.names.count >= 20) }

  @Test(arguments: TestGuests.names) func isAnELF64Guest(name: String) throws {
    let file = [UInt8](try Data(contentsOf: URL(fileURLWithPath: TestGuests.path(name))))
    let guest = try GuestLoader.load(kernel: Images.kernel(file), commandLine: "12", memorySize: 16 * mebibyte)
    #expect(guest.kind == .elf64)
    // All begin with a jump over the shared routines; `start` is further on in the same segment.
    #expect(guest.machine.word(0x20_0000) == UInt8(0xe9))
    #expect(guest.machine.state.rip > 0x20_0000)
    #expect(guest.machine.string(guest.machine.state.rsi) == "12")
  }
}
