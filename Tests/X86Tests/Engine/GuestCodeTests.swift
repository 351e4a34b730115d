import GuestMemory
import Support
import Testing
import VMMCore

@testable import X86

@Suite("Several vCPUs on one memory")
struct GuestCodeTests {
  /// inc eax; jmp back.
  private static let loop: [UInt8] = [0xff, 0xc0, 0xeb, 0xfc]

  @Test(arguments: [false, true])
  func `what one has decoded and translated serves the other`(translated: Bool) throws {
    let pair = try TwoCPUs(translated: translated)
    pair.place(GuestCodeTests.loop)
    pair.first.cpu.advance(100)
    let (decoded, made) = (pair.code.store.count, pair.blocksTranslated)
    pair.other.advance(100)
    #expect(pair.other.state == pair.first.cpu.state)
    #expect(pair.other.rax == 50)
    #expect(pair.code.store.count == decoded)
    #expect(pair.blocksTranslated == made)
    #expect((made > 0) == (translated && HostCode.isWanted))
  }

  /// The second one executes what the first stores over, which it had stored to by the fast way before.
  @Test(arguments: [false, true])
  func `code that one writes is executed by the other`(translated: Bool) throws {
    let writer: UInt64 = 0x9000
    let pair = try TwoCPUs(translated: translated, [writer, Machine.codeAddress]) {
      ($1.gpr[6], $1.gpr[7]) = (0xc8ff, Machine.codeAddress)
    }
    pair.place(GuestCodeTests.loop)
    // mov [rdi + 0x800], si; jmp back; then mov [rdi], si; jmp to itself.
    pair.place([0x66, 0x89, 0xb7, 0, 8, 0, 0, 0xeb, 0xf7, 0x66, 0x89, 0x37, 0xeb, 0xfe], at: writer)
    pair.first.cpu.advance(100)
    pair.other.advance(100)
    #expect(pair.other.rax == 50)
    pair.first.cpu.rip = writer + 9
    pair.first.cpu.advance(1)
    // dec eax from now on.
    pair.other.advance(80)
    #expect(pair.other.rax == 10)
  }

  @Test(arguments: [false, true])
  func `a write from outside is seen by both`(translated: Bool) throws {
    let pair = try TwoCPUs(translated: translated)
    pair.place(GuestCodeTests.loop)
    for cpu in [pair.first.cpu, pair.other] { cpu.advance(100) }
    pair.place([0xff, 0xc8])
    for cpu in [pair.first.cpu, pair.other] {
      cpu.advance(80)
      #expect(cpu.rax == 10)
    }
  }

  @Test(arguments: [false, true])
  func `one goes on when the other is gone`(translated: Bool) throws {
    let pair = try TwoCPUs(translated: translated)
    pair.place(GuestCodeTests.loop)
    pair.other.advance(100)
    pair.removeSecond()
    pair.first.cpu.advance(100)
    pair.place([0xff, 0xc8])
    pair.memory.store(UInt64(0x87), at: GuestPhysicalAddress(Machine.tables + 0x2008))
    pair.first.cpu.advance(80)
    #expect(pair.first.cpu.rax == 10)
    #expect(pair.code.members.count == 1)
  }

  @Test(arguments: [false, true])
  func `a breakpoint is for one of them`(translated: Bool) throws {
    let pair = try TwoCPUs(translated: translated)
    pair.place([0xff, 0xc0, 0xff, 0xc3, 0xeb, 0xfa])  // inc eax; inc ebx; jmp back
    let stop = Machine.codeAddress + 2
    for cpu in [pair.first.cpu, pair.other] { cpu.advance(30) }
    pair.first.cpu.setStopAddress(stop)
    #expect(pair.other.advance(30) == .limit)
    #expect(pair.other.rax == 20)
    #expect(pair.first.cpu.advance(30) == .stopAddress)
    #expect(pair.first.cpu.rax == 11)
    #expect(pair.other.advance(30) == .limit)
    pair.first.cpu.setStopAddress(nil)
    #expect(pair.first.cpu.advance(29) == .limit)
    #expect(pair.first.cpu.rax == 20)
  }

  @Test(arguments: [false, true])
  func `a footprint is of what one of them has executed`(translated: Bool) throws {
    let (mine, its) = (Machine.codeAddress, UInt64(0x9000))
    let model = CPUModel(name: "test", leaves: [])
    let memory = try GuestMemory(size: 4 << 20)
    let code = GuestCode(memory: memory, profile: .reference)
    let engines = [mine, its].map { _ in SoftwareEngine(code: code, cpuModel: model) }
    Machine.mapIdentity(memory)
    for (engine, address) in zip(engines, [mine, its]) {
      memory.write(GuestCodeTests.loop, at: GuestPhysicalAddress(address))
      engine.cpu[SystemSlot.translatesAfter] = translated ? 1 : 0
      var state = Machine.state(.long64)
      state.rip = address
      try engine.setState(state)
    }
    for engine in engines { engine.startFootprint() }
    for engine in engines + engines { engine.cpu.advance(20) }
    let footprints = engines.compactMap { $0.takeFootprint() }
    #expect(footprints.map { $0.mayExecute(mine) } == [true, false])
    #expect(footprints.map { $0.mayExecute(its) } == [false, true])
  }

  /// One stores to the table by the fast way, and only then the other reads it.
  @Test(arguments: [false, true])
  func `a store to a page table takes effect for the other`(translated: Bool) throws {
    let pair = try TwoCPUs(translated: translated) {
      $1.gpr[7] = Machine.tables + 0x2000 + 2 * 8
      $1.rip = $0 == 0 ? 0x9000 : 0x40_0000 + Machine.codeAddress
    }
    pair.memory.store(UInt64(0x87), at: GuestPhysicalAddress(Machine.tables + 0x2010))
    pair.place(GuestCodeTests.loop)
    pair.place([0xff, 0xc8, 0xeb, 0xfc], at: 0x20_0000 + Machine.codeAddress)
    // mov [rdi + 0x800], rsi; jmp back; then xor qword [rdi], 0x200000; jmp to itself.
    pair.place(
      [0x48, 0x89, 0xb7, 0, 8, 0, 0, 0xeb, 0xf7, 0x48, 0x81, 0x37, 0, 0, 0x20, 0, 0xeb, 0xfe], at: 0x9000)
    pair.first.cpu.advance(20)
    pair.other.advance(100)
    #expect(pair.other.rax == 50)
    pair.first.cpu.rip = 0x9009
    pair.first.cpu.advance(1)
    pair.other.advance(80)
    #expect(pair.other.rax == 10)
  }

  /// A pair that runs in turns is where a pair is that is taken through the same turns step by step.
  @Test(arguments: [false, true], [Program.writesCode, .changesTables])
  func `turns of any length are as steps are`(translated: Bool, program: Program) throws {
    var random = SeededRandom(seed: 7)
    let (whole, stepped) = (try program.pair(translated), try program.pair(translated))
    for turn in 0..<2000 {
      let (isFirst, count) = (random.oneIn(2), UInt64(1 + random.below(30)))
      let (cpu, twin) = isFirst ? (whole.first.cpu, stepped.first.cpu) : (whole.other, stepped.other)
      cpu.advance(count)
      twin.crawl(count)
      guard cpu.state == twin.state else {
        Issue.record("turn \(turn), of \(count) instructions: RIP \(hex(cpu.rip)), stepped \(hex(twin.rip))")
        return
      }
    }
    for address in [Machine.codeAddress, Machine.tables, Machine.tables + 0x1000, Machine.tables + 0x2000] {
      let pages = [whole, stepped].map { $0.memory.read(GuestPhysicalAddress(address), count: 4096) }
      #expect(pages[0] == pages[1], "page \(hex(address))")
    }
  }

  enum Program {
    /// The first stores random immediates to the code of the second.
    case writesCode
    /// The first maps another page, with other code and data, where the second executes.
    case changesTables

    func pair(_ translated: Bool) throws -> TwoCPUs {
      let pair = try TwoCPUs(translated: translated) {
        switch self {
        case .writesCode: ($1.gpr[6], $1.gpr[7], $1.rip) = (1, Machine.codeAddress, $0 == 0 ? 0x9000 : $1.rip)
        case .changesTables:
          $1.gpr[7] = Machine.tables + 0x2010
          $1.rip = $0 == 0 ? 0x9000 : 0x40_0000 + Machine.codeAddress
        }
      }
      switch self {
      case .writesCode:
        // 16 times add eax, 1; jmp back.
        pair.place(Array(repeatElement([0x83, 0xc0, 1], count: 16).joined()) + [0xeb, 0xce])
        // imul esi, esi, 0x19660d; add esi, 0x3c6ef35f; mov ecx, esi; shr ecx, 28; lea ecx, [rcx + rcx * 2];
        // mov eax, esi; shr eax, 13; mov [rdi + rcx + 2], al; jmp back.
        pair.place(
          [
            0x69, 0xf6, 0x0d, 0x66, 0x19, 0, 0x81, 0xc6, 0x5f, 0xf3, 0x6e, 0x3c, 0x89, 0xf1, 0xc1, 0xe9, 28, 0x8d, 0x0c,
            0x49, 0x89, 0xf0, 0xc1, 0xe8, 13, 0x88, 0x44, 0x0f, 2, 0xeb, 0xe1,
          ], at: 0x9000)
      case .changesTables:
        pair.memory.store(UInt64(0x87), at: GuestPhysicalAddress(Machine.tables + 0x2010))
        // inc eax; add ebx, [0x40a000]; jmp back, and the same with dec.
        let code: [UInt8] = [0xff, 0xc0, 0x03, 0x1c, 0x25, 0, 0xa0, 0x40, 0, 0xeb, 0xf5]
        pair.place(code)
        pair.place([0xff, 0xc8] + code.dropFirst(2), at: 0x20_0000 + Machine.codeAddress)
        for (address, value) in [(0xa000, 3), (0x20_a000, 1000)] as [(UInt64, UInt32)] {
          pair.memory.store(value, at: GuestPhysicalAddress(address))
        }
        // xor qword [rdi], 0x200000; nop; jmp back.
        pair.place([0x48, 0x81, 0x37, 0, 0, 0x20, 0, 0x90, 0xeb, 0xf6], at: 0x9000)
      }
      return pair
    }
  }
}
