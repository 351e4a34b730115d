import GuestMemory
import KVM
import Testing
import VMMCore

extension KVMTests {
  @Suite struct ExitTests {
    typealias M = MachineCode

    @Test func portWritesAndReadsComeInOrder() throws {
      let guest = try ProbeGuest(kernel: code(M.mov(.rax, 0x41), M.out(0x10), M.input(0x20), M.out(0x11), M.hlt))
      let engine = try KVMEngine(guest)
      let exits = try engine.interactions { _ in 0x5a }
      #expect(
        exits == [
          .portWrite(port: 0x10, size: 1, value: 0x41), .portRead(port: 0x20, size: 1),
          .portWrite(port: 0x11, size: 1, value: 0x5a), .halt,
        ])
      #expect(try engine.state().rax == 0x5a)
      #expect(try engine.state().halted)
    }

    /// REP INS arrives at once from KVM, and as single units from the engine.
    @Test(arguments: [1, 3, 1024, 1500, 4096])
    func repInsIsOneInteractionAUnit(count: Int) throws {
      let guest = try ProbeGuest(
        kernel: code(M.mov(.rdi, ProbeGuest.data), M.mov(.rcx, UInt64(count)), M.mov(.rdx, 0x1f0), M.repInsB, M.hlt))
      let engine = try KVMEngine(guest)
      var next: UInt64 = 0
      let exits = try engine.interactions { _ in
        next += 1
        return next &* 7
      }
      #expect(exits == [VCPUExit](repeating: .portRead(port: 0x1f0, size: 1), count: count) + [.halt])
      let expected = (1...count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      #expect(guest.memory.read(GuestPhysicalAddress(ProbeGuest.data), count: count) == expected)
      #expect(try engine.state().rcx == 0)
      #expect(try engine.state().rdi == ProbeGuest.data + UInt64(count))
    }

    @Test func settleIsFalseInsideABatch() throws {
      let guest = try ProbeGuest(
        kernel: code(M.mov(.rdi, ProbeGuest.data), M.mov(.rcx, 3), M.mov(.rdx, 0x1f0), M.repInsB, M.hlt))
      let engine = try KVMEngine(guest)
      for _ in 0..<3 {
        #expect(try engine.run(.free) == .portRead(port: 0x1f0, size: 1))
        #expect(try !engine.settle(), "not answered")
        engine.reply(1)
      }
      #expect(try engine.settle())
      let state = try engine.state()
      #expect(state.rcx == 0)
      #expect(try engine.run(.free) == .halt)
    }

    @Test func repOutsIsOneInteractionAUnit() throws {
      let guest = try ProbeGuest(
        kernel: code(M.mov(.rsi, ProbeGuest.data), M.mov(.rcx, 5), M.mov(.rdx, 0x3f8), M.repOutsB, M.hlt))
      guest.memory.write(Array("Hello".utf8), at: GuestPhysicalAddress(ProbeGuest.data))
      let engine = try KVMEngine(guest)
      let exits = try engine.interactions()
      #expect(exits == "Hello".utf8.map { .portWrite(port: 0x3f8, size: 1, value: UInt32($0)) } + [.halt])
    }

    @Test(arguments: [1, 2, 4, 8])
    func mmio(size: Int) throws {
      let guest = try ProbeGuest(
        kernel: code(
          M.mov(.rsi, ProbeGuest.device), M.mov(.rdi, ProbeGuest.device + 0x100), M.mov(.rax, 0), M.loadRAX(size: size),
          M.storeRAX(size: size), M.hlt))
      let engine = try KVMEngine(guest)
      let value: UInt64 = 0x8877_6655_4433_2211
      let low = size == 8 ? value : value & (1 << UInt64(size * 8) - 1)
      let exits = try engine.interactions { _ in value }
      #expect(
        exits == [
          .mmioRead(address: GuestPhysicalAddress(ProbeGuest.device), size: UInt8(size)),
          .mmioWrite(address: GuestPhysicalAddress(ProbeGuest.device + 0x100), size: UInt8(size), value: low), .halt,
        ])
    }

    /// One instruction, two pieces: nothing may come between them.
    @Test func mmioAcrossAPageIsTwoPieces() throws {
      let address = ProbeGuest.device + 0xffc
      let guest = try ProbeGuest(
        kernel: code(M.mov(.rsi, address), M.loadRAX(size: 8), M.mov(.rdi, address), M.storeRAX(size: 8), M.hlt))
      let engine = try KVMEngine(guest)
      #expect(try engine.run(.free) == .mmioRead(address: GuestPhysicalAddress(address), size: 4))
      engine.reply(0x1111_1111)
      #expect(try !engine.settle())
      #expect(try engine.run(.free) == .mmioRead(address: GuestPhysicalAddress(address + 4), size: 4))
      engine.reply(0x2222_2222)
      #expect(try engine.settle())
      #expect(try engine.state().rax == 0x2222_2222_1111_1111)
      #expect(try engine.run(.free) == .mmioWrite(address: GuestPhysicalAddress(address), size: 4, value: 0x1111_1111))
      #expect(try !engine.settle())
      #expect(throws: EngineError.self) { try engine.state() }
      #expect(
        try engine.run(.free) == .mmioWrite(address: GuestPhysicalAddress(address + 4), size: 4, value: 0x2222_2222))
      #expect(try engine.settle())
      #expect(try engine.run(.free) == .halt)
    }

    /// LOCK ADD [rdi], eax: a read, then a write.
    @Test func readModifyWriteIsAReadAndAWrite() throws {
      let guest = try ProbeGuest(
        kernel: code(M.mov(.rdi, ProbeGuest.device), M.mov(.rax, 5), [0xf0, 0x01, 0x07], M.hlt))
      let engine = try KVMEngine(guest)
      let address = GuestPhysicalAddress(ProbeGuest.device)
      #expect(
        try engine.interactions { _ in 37 } == [
          .mmioRead(address: address, size: 4), .mmioWrite(address: address, size: 4, value: 42), .halt,
        ])
    }

    @Test func msrsOutsideTheStateExit() throws {
      let guest = try ProbeGuest(
        kernel: code(
          M.mov(.rcx, 0x10), M.rdmsr, M.mov(.rbx, .rax), M.mov(.rcx, 0x1a0), M.mov(.rax, 7), M.mov(.rdx, 0), M.wrmsr,
          M.hlt))
      let engine = try KVMEngine(guest)
      #expect(try engine.run(.free) == .msrRead(index: 0x10))
      engine.reply(0x1_2345_6789)
      #expect(try engine.run(.free) == .msrWrite(index: 0x1a0, value: 7))
      engine.acknowledge()
      #expect(try engine.run(.free) == .halt)
      #expect(try engine.state().rbx == 0x2345_6789)
    }

    @Test func faultedMSRRaisesGeneralProtection() throws {
      let guest = try ProbeGuest(kernel: code(M.mov(.rcx, 0x1234), M.rdmsr, M.hlt))
      guest.setHandler(13, code(M.out(0x77), M.hlt))
      let engine = try KVMEngine(guest)
      #expect(try engine.run(.free) == .msrRead(index: 0x1234))
      engine.replyFault()
      guard case .portWrite(port: 0x77, _, _) = try engine.run(.free) else {
        Issue.record("no #GP")
        return
      }
    }

    @Test func msrsOfTheStateAreNative() throws {
      let guest = try ProbeGuest(
        kernel: code(M.mov(.rcx, 0xc000_0082), M.mov(.rax, 0x1234), M.mov(.rdx, 0), M.wrmsr, M.hlt))
      let engine = try KVMEngine(guest)
      #expect(try engine.interactions() == [.halt])
      #expect(try engine.state().lstar == 0x1234)
    }

    @Test func tripleFaultIsShutdown() throws {
      let engine = try KVMEngine(ProbeGuest(kernel: M.ud2))
      #expect(try engine.run(.free) == .shutdown)
    }

    @Test func runningOnWhileHaltedFails() throws {
      let engine = try KVMEngine(ProbeGuest(kernel: code(M.hlt, M.nop, M.hlt)))
      #expect(try engine.run(.free) == .halt)
      guard case .failed = try engine.run(.free) else {
        Issue.record("it ran on")
        return
      }
      #expect(try engine.state().rip == ProbeGuest.kernel + 1)
    }
  }
}
