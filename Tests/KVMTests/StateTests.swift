import GuestMemory
import KVM
import Testing
import VMMCore

extension KVMTests {
  @Suite struct StateTests {
    typealias M = MachineCode

    /// Something else in every field that a host can take.
    private func unusual(_ base: CPUState) -> CPUState {
      var state = base
      for index in 0..<16 where index != 4 { state.gpr[index] = 0x0101_0101_0101_0101 &* UInt64(index + 1) }
      state.rflags = 0x2 | 0x8d5
      state.cr2 = 0x1234_5000
      state.cr8 = 5
      (state.dr0, state.dr1, state.dr2, state.dr3) = (0x1000, 0x2000, 0x3000, 0x4000)
      (state.star, state.lstar, state.cstar) = (0x0013_0008_0000_0000, 0xffff_8000_0000_1000, 0x2000)
      (state.sfmask, state.kernelGSBase) = (0x700, 0xffff_8000_1234_0000)
      (state.sysenterCS, state.sysenterESP, state.sysenterEIP) = (8, 0x9000, 0xa000)
      state.fs.base = 0x7000_0000_1000
      state.gs.base = 0xffff_9000_0000_2000
      (state.fcw, state.fsw, state.ftw) = (0x27f, 0x3800, 0xff)
      state.mxcsr = 0x3f80
      for index in 0..<8 {
        state.stSignificand[index] = 0x8000_0000_0000_0000 | UInt64(index + 1)
        state.stSignExponent[index] = UInt16(0x3fff + index)
      }
      for lane in 0..<32 { state.xmm[lane] = 0x1111_2222_3333_4444 &* UInt64(lane + 1) }
      return state
    }

    @Test func everyFieldComesBack() throws {
      let guest = try ProbeGuest(kernel: M.hlt)
      let engine = try KVMEngine(guest)
      let wanted = unusual(guest.state)
      try engine.setState(wanted)
      let actual = try engine.state()
      let differences = wanted.differences(from: actual).map { "\($0.name) \(hex($0.expected)) \(hex($0.actual))" }
      #expect(differences == [])
      #expect(actual == wanted, "also fields outside the digest")
    }

    @Test func resetStateComesBack() throws {
      let engine = try KVMEngine(memory: ProbeGuest(kernel: []).memory)
      #expect(try engine.state().differences(from: CPUState()).map(\.name) == [])
    }

    @Test(arguments: [
      PendingEvent(kind: .externalInterrupt, vector: 0x77), PendingEvent(kind: .nmi, vector: 2),
      PendingEvent(kind: .exception, vector: 14, errorCode: 6), PendingEvent(kind: .exception, vector: 6),
    ])  // KVM takes software interrupts in, and never tells of them.
    func pendingEventsComeBack(event: PendingEvent) throws {
      let guest = try ProbeGuest(kernel: M.hlt)
      let engine = try KVMEngine(guest)
      var state = guest.state
      state.pendingEvent = event
      try engine.setState(state)
      #expect(try engine.state().pendingEvent == event)
    }

    @Test(arguments: [UInt8(1), 2])
    func shadowComesBack(shadow: UInt8) throws {
      let guest = try ProbeGuest(kernel: code(M.nop, M.hlt))
      let engine = try KVMEngine(guest)
      var state = guest.state
      state.rflags |= 1 << 9
      state.interruptShadow = shadow
      try engine.setState(state)
      #expect(try engine.state().interruptShadow == shadow)
      #expect(try !engine.isInterruptible())
      state.interruptShadow = 0
      try engine.setState(state)
      #expect(try engine.isInterruptible())
    }

    /// A guest that counts in registers and memory, moved to a fresh VM at every interaction, ends as the one that
    /// stays.
    @Test func movingTheStateChangesNothing() throws {
      let body = code(
        M.input(0x10), M.mov(.rdi, ProbeGuest.data), M.storeRAX(size: 4), M.push(.rax), M.pop(.rbx), M.out(0x11))
      let program = code(M.mov(.rcx, 20), body, M.loop(over: body.count), M.hlt)
      func run(moving: Bool) throws -> (CPUState, [VCPUExit], UInt64) {
        let guest = try ProbeGuest(kernel: program)
        let engine = try KVMEngine(guest)
        var exits: [VCPUExit] = []
        var answer: UInt64 = 0
        while exits.last != .halt {
          exits.append(try engine.run(.free))
          answer += 3
          if exits.last!.wantsReply { engine.reply(answer) }
          if moving, try engine.settle() {
            let state = try engine.state()
            try engine.prepareToRestore()
            try engine.setState(state)
          }
        }
        return (try engine.state(), exits, guest.memory.load(GuestPhysicalAddress(ProbeGuest.data), as: UInt64.self)!)
      }
      let (stayed, moved) = (try run(moving: false), try run(moving: true))
      #expect(stayed.0.digest == moved.0.digest)
      #expect(stayed.1 == moved.1)
      #expect(stayed.2 == moved.2)
    }

    /// A checkpoint may be restored while KVM waits for the data of an IN, which must not be written anywhere.
    @Test func settingTheStateDropsAPendingRead() throws {
      let guest = try ProbeGuest(
        kernel: code(M.mov(.rdi, ProbeGuest.data), M.mov(.rcx, 9), M.mov(.rdx, 0x1f0), M.repInsB, M.hlt))
      guest.memory.write([1, 2, 3, 4, 5, 6, 7, 8, 9], at: GuestPhysicalAddress(ProbeGuest.data))
      let engine = try KVMEngine(guest)
      #expect(try engine.run(.free) == .portRead(port: 0x1f0, size: 1))
      engine.reply(0xff)
      #expect(try engine.run(.free) == .portRead(port: 0x1f0, size: 1))
      var state = guest.state
      state.rip += UInt64(code(M.mov(.rdi, 0), M.mov(.rcx, 9), M.mov(.rdx, 0x1f0), M.repInsB).count)
      try engine.setState(state)
      #expect(try engine.run(.free) == .halt)
      #expect(guest.memory.read(GuestPhysicalAddress(ProbeGuest.data), count: 9) == [1, 2, 3, 4, 5, 6, 7, 8, 9])
    }

    /// Accessed and dirty bits in the guest's page tables come out the same after going back.
    @Test func goingBackLeavesNoTraceInThePageTables() throws {
      let program = code(M.mov(.rdi, ProbeGuest.data), M.storeRAX(size: 8), M.input(0x10), M.hlt)
      let guest = try ProbeGuest(kernel: program)
      let begin = guest.memory.read(GuestPhysicalAddress(0), count: 0x20000)!
      let engine = try KVMEngine(guest)
      var tables: [[UInt8]] = []
      for round in 0..<6 {
        #expect(try engine.run(.free) == .portRead(port: 0x10, size: 1))
        // Every other time KVM still waits for the data.
        if round % 2 == 0 {
          engine.reply(1)
          #expect(try engine.run(.free) == .halt)
        }
        tables.append(guest.memory.read(GuestPhysicalAddress(0), count: 0x20000)!)
        try engine.prepareToRestore()
        guest.memory.write(begin, at: GuestPhysicalAddress(0))
        try engine.setState(guest.state)
      }
      #expect(tables[0] != begin)
      #expect(tables.allSatisfy { $0 == tables[0] })
    }
  }
}
