import GuestMemory
import Testing
import VMMCore

@testable import X86

/// While an interrupt waits, a run ends at the first boundary where it would be accepted, and nowhere else.
@Suite struct InterruptibleStopTests {
  private static let off: UInt64 = 2
  private static let on: UInt64 = 0x202

  /// Runs code from interrupts off until it stops, and returns how far it came: bytes of code and instructions.
  private func stop(
    _ code: [UInt8], user: Bool = false, waits: Bool = true, prepare: (inout CPUState) -> Void = { _ in }
  ) throws -> (exit: VCPUExit, offset: UInt64, retired: UInt64) {
    let machine = try SystemMachine(code + [UInt8](repeating: 0x90, count: 80), user: user, prepare: prepare)
    machine.engine.stopsWhenInterruptible = waits
    let exit = try machine.engine.run(.instructions(60))
    return (exit, machine.cpu.rip &- SystemMachine.code, machine.engine.retiredInstructions ?? 0)
  }

  @Test(
    arguments: [
      ("sti; nop; cli", [0xfb, 0x90, 0xfa], 2, 2),
      // The second STI changes nothing, and casts no shadow.
      ("sti; sti; cli", [0xfb, 0xfb, 0xfa], 2, 2),
      ("nop; nop; sti; nop; cli", [0x90, 0x90, 0xfb, 0x90, 0xfa], 4, 4),
      // MOV SS holds interrupts off for one more.
      ("sti; mov ss, eax; nop; cli", [0xfb, 0x8e, 0xd0, 0x90, 0xfa], 4, 3),
      ("push 0x202; popfq; cli", [0x68, 2, 2, 0, 0, 0x9d, 0xfa], 6, 2),
    ] as [(String, [UInt8], UInt64, UInt64)])
  func stopsAtTheFirstPlace(name: String, code: [UInt8], offset: UInt64, retired: UInt64) throws {
    let found = try stop(code) { $0.rax = UInt64(SystemMachine.kernelData) }
    #expect(found == (.kicked, offset, retired), "\(name)")
    let plain = try stop(code, waits: false) { $0.rax = UInt64(SystemMachine.kernelData) }
    #expect(plain.exit == .stopped && plain.retired == 60, "\(name)")
  }

  /// A REP instruction can be interrupted between two iterations (Intel SDM vol. 2, REP), and the shadow, which holds
  /// interrupts off for what comes next, ends with the first of them.
  @Test(arguments: [[0xfb], [0xfb, 0x8e, 0xd0]] as [[UInt8]])
  func theShadowEndsBehindOneIteration(shadow: [UInt8]) throws {
    // rep stosb; cli
    let machine = try SystemMachine(shadow + [0xf3, 0xaa, 0xfa]) {
      $0.rax = UInt64(SystemMachine.kernelData)
      $0.rcx = 40
      $0.rdi = SystemMachine.stack - 0x100
    }
    machine.engine.stopsWhenInterruptible = true
    #expect(try machine.engine.run(.instructions(60)) == .kicked)
    #expect(machine.cpu.rip == SystemMachine.code + UInt64(shadow.count))
    #expect(machine.engine.repeatIterations == 1 && machine.cpu.rcx == 39)
    #expect(try machine.engine.isInterruptible())
    // Nobody waits: the whole of it.
    machine.engine.stopsWhenInterruptible = false
    #expect(try machine.engine.run(.instructions(1)) == .stopped)
    #expect(machine.cpu.rcx == 0 && machine.engine.repeatIterations == 0)
  }

  /// Who stops inside by himself finds the shadow gone, too.
  @Test func theShadowIsGoneBetweenIterations() throws {
    let machine = try SystemMachine([0xfb, 0xf3, 0xaa, 0xfa]) {
      $0.rcx = 40
      $0.rdi = SystemMachine.stack - 0x100
    }
    #expect(try machine.engine.run(.instructions(1)) == .stopped)
    #expect(try !machine.engine.isInterruptible())
    #expect(try machine.engine.runIterations(1) == .stopped)
    #expect(try machine.engine.isInterruptible() && machine.engine.repeatIterations == 1)
  }

  @Test func theShadowOfSTIIsNoPlace() throws {
    // sti; cli
    #expect(try stop([0xfb, 0xfa]) == (.stopped, 60, 60))
  }

  /// The place in front of a loop that is in blocks already.
  @Test func stopsInsideBlocks() throws {
    // 1: inc eax; cmp eax, 1000; jne 1b; sti; nop; cli; xor eax, eax; jmp 1b
    let code: [UInt8] = [
      0xff, 0xc0, 0x3d, 0xe8, 3, 0, 0, 0x75, 0xf7, 0xfb, 0x90, 0xfa, 0x31, 0xc0, 0xeb, 0xf0,
    ]
    let machine = try SystemMachine(code) { $0.rax = 0 }
    machine.engine.stopsWhenInterruptible = true
    for turn in UInt64(1)...3 {
      #expect(try machine.engine.run(.free) == .kicked)
      #expect(machine.cpu.rip == SystemMachine.code + 11)
      #expect(machine.engine.retiredInstructions == 3002 * turn + 3 * (turn - 1))
    }
  }

  @Test func interruptReturnAndSystemReturn() throws {
    // iretq, to the code behind it
    let frame = [SystemMachine.code + 2, UInt64(SystemMachine.kernelCode), InterruptibleStopTests.on]
    let machine = try SystemMachine([0x48, 0xcf, 0xfa, 0x90]) { $0.rsp = SystemMachine.stack - 40 }
    for (index, word) in (frame + [SystemMachine.stack, 0]).enumerated() {
      machine.memory.store(word, at: .init(SystemMachine.stack - 40 + 8 * UInt64(index)))
    }
    machine.engine.stopsWhenInterruptible = true
    #expect(try machine.engine.run(.free) == .kicked)
    #expect(machine.cpu.rip == SystemMachine.code + 2 && machine.engine.retiredInstructions == 1)

    // sysretq: RFLAGS is R11.
    let found = try stop([0x48, 0x0f, 0x07, 0x90]) {
      $0.efer |= 1
      $0.star = UInt64(SystemMachine.userCode32 | 3) << 48
      $0.rcx = SystemMachine.code + 3
      $0.gpr[11] = InterruptibleStopTests.on
    }
    #expect(found == (.kicked, 3, 1))
  }

  /// The engine cannot say of the place where it begins that something changed there.
  @Test func theBeginIsNotLookedAt() throws {
    let found = try stop([0x90]) { $0.rflags = InterruptibleStopTests.on }
    #expect(found == (.kicked, 1, 1))
  }

  @Test func haltComesFirst() throws {
    // sti; hlt
    let machine = try SystemMachine([0xfb, 0xf4])
    machine.engine.stopsWhenInterruptible = true
    #expect(try machine.engine.run(.free) == .halt)
    #expect(try machine.engine.isInterruptible())
  }
}
