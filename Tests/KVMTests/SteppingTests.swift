import GuestMemory
import KVM
import Testing
import VMMCore

extension KVMTests {
  @Suite struct SteppingTests {
    typealias M = MachineCode

    func nops(_ count: Int) -> [UInt8] { [UInt8](repeating: 0x90, count: count) }

    @Test(arguments: [UInt64(1), 2, 7, 100, 1500])
    func exactlySoManyInstructions(count: UInt64) throws {
      let engine = try KVMEngine(ProbeGuest(kernel: code(nops(2000), M.hlt)))
      #expect(try engine.run(.instructions(count)) == .stopped)
      #expect(try engine.state().rip == ProbeGuest.kernel + count)
      #expect(engine.steppedInstructions == count)
      #expect(try engine.run(.instructions(3)) == .stopped)
      #expect(try engine.state().rip == ProbeGuest.kernel + count + 3)
      #expect(try engine.state().rflags & 1 << 8 == 0, "the guest must not see TF")
      #expect(try engine.run(.free) == .halt)
    }

    @Test func jumpToItselfCounts() throws {
      let engine = try KVMEngine(ProbeGuest(kernel: M.jump(0)))
      #expect(try engine.run(.instructions(50)) == .stopped)
      #expect(engine.steppedInstructions == 50)
    }

    @Test(arguments: [UInt64(1), 5, 1024, 3000])
    func repeatCountsOnce(iterations: UInt64) throws {
      let engine = try KVMEngine(
        ProbeGuest(
          kernel: code(M.mov(.rdi, ProbeGuest.data), M.mov(.rcx, iterations), M.repStosB, M.nop, M.nop, M.hlt)))
      #expect(try engine.run(.instructions(3)) == .stopped)
      #expect(try engine.state().rcx == 0)
      #expect(try engine.state().rip == ProbeGuest.kernel + 22)
      #expect(try engine.run(.instructions(1)) == .stopped)
      #expect(try engine.state().rip == ProbeGuest.kernel + 23)
    }

    @Test func interactionEndsTheStepping() throws {
      let engine = try KVMEngine(ProbeGuest(kernel: code(nops(5), M.out(0x10), nops(5), M.input(0x11), nops(9), M.hlt)))
      #expect(try engine.run(.instructions(100)) == .portWrite(port: 0x10, size: 1, value: 0))
      #expect(engine.steppedInstructions == 5)
      #expect(try engine.run(.instructions(5)) == .stopped)
      #expect(try engine.state().rip == ProbeGuest.kernel + 12)
      #expect(try engine.run(.instructions(1)) == .portRead(port: 0x11, size: 1))
      engine.reply(3)
      #expect(try engine.run(.instructions(4)) == .stopped)
      #expect(try engine.state().rip == ProbeGuest.kernel + 18)
      #expect(try engine.run(.free) == .halt)
    }

    /// The faulting instruction does not retire; the first of the handler does.
    @Test func faultDoesNotCount() throws {
      let guest = try ProbeGuest(kernel: code(M.nop, M.ud2, M.hlt))
      guest.setHandler(6, code(M.nop, M.nop, M.hlt))
      let engine = try KVMEngine(guest)
      #expect(try engine.run(.instructions(2)) == .stopped)
      let state = try engine.state()
      #expect(state.rip == ProbeGuest.handlers + 6 * 256 + 1)
      let flags = guest.memory.load(GuestPhysicalAddress(state.rsp + 16), as: UInt64.self)!
      #expect(flags & 1 << 8 == 0, "no trap flag in the frame")
    }

    @Test func injectedInterruptComesBeforeTheStep() throws {
      let guest = try ProbeGuest(kernel: code(M.sti, M.hlt, nops(5), M.hlt))
      guest.setHandler(0x40, code(M.nop, M.nop, M.iretq))
      let engine = try KVMEngine(guest)
      #expect(try engine.run(.free) == .halt)
      try engine.inject(interrupt: 0x40)
      #expect(try engine.run(.instructions(1)) == .stopped)
      #expect(try engine.state().rip == ProbeGuest.handlers + 0x4000 + 1)
      let flags = guest.memory.load(GuestPhysicalAddress(try engine.state().rsp + 16), as: UInt64.self)!
      #expect(flags & 1 << 8 == 0, "no trap flag in the frame")
      let expected = [ProbeGuest.handlers + 0x4002, ProbeGuest.kernel + 2, ProbeGuest.kernel + 3]
      for rip in expected {
        #expect(try engine.run(.instructions(1)) == .stopped)
        let state = try engine.state()
        #expect(state.rip == rip)
      }
    }

    @Test func shadowIsSeenWhenStepping() throws {
      let engine = try KVMEngine(ProbeGuest(kernel: code(M.sti, nops(4), M.hlt)))
      #expect(try engine.run(.instructions(1)) == .stopped)
      #expect(try engine.state().interruptShadow == 1)
      #expect(try !engine.isInterruptible())
      #expect(try engine.run(.instructions(1)) == .stopped)
      #expect(try engine.isInterruptible())
    }

    @Test func haltIsAnInteractionAlsoWhenStepped() throws {
      let engine = try KVMEngine(ProbeGuest(kernel: code(M.nop, M.hlt, M.nop)))
      #expect(try engine.run(.instructions(3)) == .halt)
      #expect(engine.steppedInstructions == 1)
      #expect(try engine.state().rip == ProbeGuest.kernel + 2)
    }

    @Test func stopsBeforeTheAddress() throws {
      let body = code(nops(3), M.inc(.rbx))
      let engine = try KVMEngine(ProbeGuest(kernel: code(M.mov(.rcx, 10), body, M.loop(over: body.count), M.hlt)))
      let increment = ProbeGuest.kernel + 13
      for round in 0..<10 {
        #expect(try engine.run(.until(rip: increment)) == .stopped)
        #expect(try engine.state().rip == increment)
        #expect(try engine.state().rbx == UInt64(round))
      }
      #expect(try engine.run(.until(rip: increment)) == .halt)
      #expect(try engine.state().rbx == 10)
    }

    @Test func interactionsComeBeforeTheAddress() throws {
      let engine = try KVMEngine(ProbeGuest(kernel: code(M.nop, M.out(0x10), M.nop, M.nop, M.hlt)))
      #expect(try engine.run(.until(rip: ProbeGuest.kernel + 4)) == .portWrite(port: 0x10, size: 1, value: 0))
      #expect(try engine.run(.until(rip: ProbeGuest.kernel + 4)) == .stopped)
      #expect(try engine.state().rip == ProbeGuest.kernel + 4)
      #expect(try engine.run(.free) == .halt)
    }

    /// Either user mode can be stepped, or the engine says that it cannot and has changed nothing.
    @Test func userModeIsSteppedOrRefused() throws {
      let guest = try ProbeGuest(
        kernel: M.enterUser(entry: ProbeGuest.user, stack: ProbeGuest.userStack),
        user: code(M.out(0x10), nops(8), M.out(0x11), M.jump(0)))
      for vector in UInt8(0)..<32 { guest.setHandler(vector, M.hlt) }
      let engine = try KVMEngine(guest)
      guard case .portWrite(port: 0x10, _, _) = try engine.run(.free) else {
        Issue.record("user mode was not reached")
        return
      }
      switch try engine.run(.instructions(3)) {
      case .stopped:
        #expect(try engine.state().rip == ProbeGuest.user + 5)
        #expect(try engine.run(.until(rip: ProbeGuest.user + 7)) == .stopped)
      case .failed(let text):
        #expect(text.contains("user mode"))
        #expect(engine.steppedInstructions == 0)
        #expect(try engine.state().rip == ProbeGuest.user + 2)
        guard case .failed = try engine.run(.until(rip: ProbeGuest.user + 7)) else {
          Issue.record("a breakpoint in user mode that cannot be met")
          return
        }
      case let exit: Issue.record("\(exit)")
      }
      guard case .portWrite(port: 0x11, _, _) = try engine.run(.free) else {
        Issue.record("the guest did not go on")
        return
      }
    }
  }
}

extension KVMTests.SteppingTests {
  /// Instructions that change more than registers, each followed by NOPs: a step must end right behind each.
  @Test(arguments: [
    ("sti", code(M.sti)), ("cli", code(M.cli)), ("cpuid", code(M.cpuid)), ("pushfq popfq", code([0x9c], [0x9d])),
    ("mov ss", code(M.mov(.rax, 0x10), [0x8e, 0xd0])), ("mov cr3", code([0x0f, 0x20, 0xd8], [0x0f, 0x22, 0xd8])),
    ("mov cr0", code([0x0f, 0x20, 0xc0], [0x0f, 0x22, 0xc0])), ("clts", code([0x0f, 0x06])),
    ("invlpg", code([0x0f, 0x01, 0x3b])), ("wrmsr", code(M.mov(.rcx, 0xc000_0082), M.wrmsr)),
    ("rdmsr", code(M.mov(.rcx, 0xc000_0082), M.rdmsr)), ("swapgs", code([0x0f, 0x01, 0xf8])),
    ("mov ds", code(M.mov(.rax, 0x10), [0x8e, 0xd8])), ("sgdt", code([0x0f, 0x01, 0x07])),
    ("mov cr4", code([0x0f, 0x20, 0xe0], [0x0f, 0x22, 0xe0])),
    ("mov cr8", code([0x44, 0x0f, 0x20, 0xc0], [0x44, 0x0f, 0x22, 0xc0])), ("str", code([0x0f, 0x00, 0xc8])),
    ("wrmsr gs", code(M.mov(.rcx, 0xc000_0101), M.mov(.rax, 0), M.mov(.rdx, 0), M.wrmsr)),
    ("wrmsr efer", code(M.mov(.rcx, 0xc000_0080), M.rdmsr, M.wrmsr)),
    ("lldt", code([0x31, 0xc0], [0x0f, 0x00, 0xd0])),
    ("call", code([0xe8, 0, 0, 0, 0])), ("fxsave", code([0x0f, 0xae, 0x07])),
    ("fxsave64", code([0x48, 0x0f, 0xae, 0x07])), ("fxrstor", code([0x0f, 0xae, 0x07], [0x0f, 0xae, 0x0f])),
    ("fninit", code([0xdb, 0xe3])), ("fnstcw", code([0xd9, 0x3f])), ("fnstsw", code([0xdd, 0x3f])),
    ("mfence", code([0x0f, 0xae, 0xf0])),
    ("clflush", code([0x0f, 0xae, 0x3f])), ("prefetch", code([0x0f, 0x18, 0x0f])), ("pause", code([0xf3, 0x90])),
    ("rdrand", code([0x0f, 0xc7, 0xf0])),
    ("movaps", code([0x0f, 0x28, 0x07])), ("movaps store", code([0x0f, 0x29, 0x07])),
    ("movnti", code([0x0f, 0xc3, 0x07])), ("movntdq", code([0x66, 0x0f, 0xe7, 0x07])),
    ("movq mm", code([0x0f, 0x6f, 0x07])), ("lea", code([0x48, 0x8d, 0x47, 0x01])),
    ("imul", code([0x48, 0x0f, 0xaf, 0xc7])), ("mul", code([0x48, 0xf7, 0xe7])),
    ("shld", code([0x48, 0x0f, 0xa4, 0xf8, 0x04])), ("bt", code([0x48, 0x0f, 0xa3, 0xf8])),
    ("bsf", code([0x48, 0x0f, 0xbc, 0xc7])), ("cmov", code([0x48, 0x0f, 0x44, 0xc7])),
    ("setz", code([0x0f, 0x94, 0xc0])), ("xadd", code([0x48, 0x0f, 0xc1, 0xc7])),
    ("cmpxchg", code([0xf0, 0x48, 0x0f, 0xb1, 0x07])), ("bswap", code([0x48, 0x0f, 0xc8])),
    ("movsb", code([0xa4])), ("stosq", code([0x48, 0xab])), ("sidt", code([0x0f, 0x01, 0x0f])),
    ("smsw", code([0x0f, 0x01, 0xe0])), ("lmsw", code([0x0f, 0x01, 0xe0], [0x0f, 0x01, 0xf0])),
    ("sldt", code([0x0f, 0x00, 0xc0])), ("invd", code([0x0f, 0x08])), ("nopw", code([0x0f, 0x1f, 0x00])),
    ("endbr64", code([0xf3, 0x0f, 0x1e, 0xfa])),
    ("mov dr", code([0x0f, 0x21, 0xc0])), ("sfence", code([0x0f, 0xae, 0xf8])), ("rdtsc", code(M.rdtsc)),
    ("mov dr7", code(M.mov(.rax, 0x400), [0x0f, 0x23, 0xf8])), ("wbinvd", code([0x0f, 0x09])),
    ("lfence", code([0x0f, 0xae, 0xe8])), ("cmpxchg8b", code([0x0f, 0xc7, 0x0f])),
    ("movdqu", code([0xf3, 0x0f, 0x6f, 0x07])),
  ])
  func everyStepEndsBehindItsInstruction(name: String, instructions: [UInt8]) throws {
    // RBX and RDI point to data; LGDT reads the bytes behind it, and so gets nonsense that nobody uses.
    let start = code(M.mov(.rdi, ProbeGuest.data), M.mov(.rbx, ProbeGuest.data))
    let guest = try ProbeGuest(kernel: code(start, instructions, nops(12), M.hlt))
    let engine = try KVMEngine(guest)
    #expect(try engine.run(.instructions(2)) == .stopped)
    let end = ProbeGuest.kernel + UInt64(start.count + instructions.count)
    var rip: UInt64 = 0
    for _ in 0..<8 where rip < end {
      #expect(try engine.run(.instructions(1)) == .stopped)
      rip = try engine.state().rip
    }
    #expect(rip == end, "\(name)")
    #expect(try engine.run(.instructions(1)) == .stopped)
    #expect(try engine.state().rip == end + 1, "\(name)")
  }

  /// IRETQ, and what it returns to.
  @Test func iretCountsOnce() throws {
    let target = ProbeGuest.kernel + 0x100
    let frame: [UInt64] = [0x10, ProbeGuest.kernelStack - 0x100, 2, 8, target]
    let guest = try ProbeGuest(kernel: code(frame.flatMap { M.mov(.rax, $0) + M.push(.rax) }, M.iretq))
    guest.memory.write(nops(8) + M.hlt, at: GuestPhysicalAddress(target))
    let engine = try KVMEngine(guest)
    #expect(try engine.run(.instructions(11)) == .stopped)
    #expect(try engine.state().rip == target)
    #expect(try engine.state().rsp == ProbeGuest.kernelStack - 0x100)
    #expect(try engine.run(.instructions(2)) == .stopped)
    #expect(try engine.state().rip == target + 2)
  }
}
