import GuestMemory
import Testing
import VMMCore
import X86

@testable import Machine
@testable import Replay

/// Every one-byte and two-byte opcode with every ModRM byte, executed where interrupts are accepted: where they are not
/// any more behind it, the partner was not to execute it on its way to a place.
@Suite struct WindowClosingTests {
  private static let code: UInt64 = 0x1000

  private static func flatState() -> CPUState {
    var state = CPUState()
    state.cr0 |= 1
    let data = Segment(selector: 0x10, base: 0, limit: 0xffff_ffff, attributes: 0xc093)
    (state.ds, state.es, state.ss) = (data, data, data)
    state.cs = Segment(selector: 8, base: 0, limit: 0xffff_ffff, attributes: 0xc09b)
    state.rip = code
    state.rsp = 0x8000
    state.rsi = 0x4000
    state.rdi = 0x5000
    state.rflags = 0x202
    return state
  }

  @Test func whatClosesAWindowIsKnown() throws {
    let memory = try GuestMemory(size: 1 << 20)
    let engine = SoftwareEngine(memory: memory, cpuModel: .softwareDefault)
    let start = WindowClosingTests.flatState()
    var closing = Set<String>()
    for opcode in [[UInt8]](oneByte: 0...255) {
      for modRM in UInt8.min...UInt8.max {
        let bytes = opcode + [modRM, 0, 0, 0, 0, 0, 0, 0]
        memory.write(bytes, at: GuestPhysicalAddress(WindowClosingTests.code))
        engine.memoryChanged(pages: [Int(WindowClosingTests.code >> 12)])
        try engine.setState(start)
        guard try engine.run(.instructions(1)) == .stopped, try !engine.isInterruptible() else { continue }
        closing.insert(opcode.map { String($0, radix: 16) }.joined(separator: " "))
        #expect(mayCloseWindow(bytes, is64Bit: false), "\(bytes)")
      }
    }
    // CLI, POP SS, MOV SS, POPF and, from the zeroed stack, nothing that needs a descriptor.
    #expect(closing.isSuperset(of: ["fa", "9d"]), "\(closing)")
  }
}

extension [[UInt8]] {
  /// The opcodes of the one-byte map, and with 0F before them those of the two-byte map.
  fileprivate init(oneByte range: ClosedRange<UInt8>) {
    self = range.filter { $0 != 0x0f }.map { [$0] } + range.map { [0x0f, $0] }
  }
}
