import GuestMemory
import Support
import Testing
import VMMCore

@testable import X86

/// Accesses over the end of a page whose neighbour lies elsewhere in memory, in translated code.
@Suite struct PageEndTests {
  /// Linear pages, and where they are mapped.
  private static let first: UInt64 = 0x4000_0000
  private static let places: [UInt64] = [0x20_0000, 0x30_0000]
  private static let table: UInt64 = 0x10_4000

  /// Long mode with the two pages mapped too.
  private static func machine(_ code: [UInt8]) throws -> Machine {
    let machine = try Machine(.long64, code: code)
    let directory = table - 0x1000
    machine.memory.store(directory | 7, at: GuestPhysicalAddress(Machine.tables + 0x1000 + 8))
    machine.memory.store(table | 7, at: GuestPhysicalAddress(directory))
    for (number, place) in places.enumerated() {
      machine.memory.store(place | 0x67, at: GuestPhysicalAddress(table + 8 * UInt64(number)))
    }
    return machine
  }

  /// The eight bytes around the end of the first page as they are mapped, and the four before the second one's place.
  private static func bytes(_ machine: Machine) -> (seen: UInt64, before: UInt32) {
    let low = machine.load(places[0] + 0xffc, UInt32.self), high = machine.load(places[1], UInt32.self)
    return (UInt64(high) << 32 | UInt64(low), machine.load(places[1] - 4, UInt32.self))
  }

  private static func word(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }

  /// MOV ESP, imm32.
  private static func stack(_ address: UInt64) -> [UInt8] { [0xbc] + word(UInt32(address)) }

  /// Eight rounds: an access in the second page, then the one over the end of the first; RAX counts.
  private static func loop(_ body: [UInt8]) -> [UInt8] {
    let turn = [0x48, 0xff, 0xc0] + body
    return [0xb9] + word(8) + turn + [0xff, 0xc9, 0x75, UInt8(bitPattern: Int8(-(turn.count + 4)))] + [0xf4]
  }

  @Test func pushes() throws {
    let body = Self.stack(Self.first + 0x1010) + [0x50] + Self.stack(Self.first + 0x1004) + [0x50]
    let machine = try Self.machine(Self.loop(body))
    machine.cpu[GPR.rax] = 0x1122_3344_5566_7700
    #expect(machine.run(1000) == .halted)
    #expect(Self.bytes(machine) == (0x1122_3344_5566_7708, 0))
  }

  @Test func pops() throws {
    let body = Self.stack(Self.first + 0x1010) + [0x5a] + Self.stack(Self.first + 0xffc) + [0x5a]
    let machine = try Self.machine(Self.loop(body))
    machine.memory.store(0x5566_7788 as UInt32, at: GuestPhysicalAddress(Self.places[0] + 0xffc))
    machine.memory.store(0x1122_3344 as UInt32, at: GuestPhysicalAddress(Self.places[1]))
    #expect(machine.run(1000) == .halted)
    #expect(machine.cpu[GPR.rdx] == 0x1122_3344_5566_7788)
  }

  /// A call that pushes over the end, and its return.
  @Test func callsAndReturns() throws {
    let call: [UInt8] = [0xe8] + Self.word(2) + [0xeb, 0x01] + [0xc3]
    let body = Self.stack(Self.first + 0x1010) + [0x50] + Self.stack(Self.first + 0x1004) + call
    let machine = try Self.machine(Self.loop(body))
    #expect(machine.run(1000) == .halted)
    #expect(Self.bytes(machine) == (Machine.codeAddress + 24, 0))
    #expect(machine.cpu[GPR.rax] == 8)
  }

  /// Loads and stores of 2 to 16 bytes whose bases are general registers.
  @Test(arguments: [2, 4, 8, 16])
  func operands(size: Int) throws {
    // MOV [RDX], AX / EAX / RAX or (with RAX twice in XMM0) MOVDQU [RDX], XMM0; the same back to EBX … / XMM1.
    let (store, load): ([UInt8], [UInt8]) =
      switch size {
      case 2: ([0x66, 0x89, 0x02], [0x66, 0x8b, 0x1a])
      case 4: ([0x89, 0x02], [0x8b, 0x1a])
      case 8: ([0x48, 0x89, 0x02], [0x48, 0x8b, 0x1a])
      default:
        ([0x66, 0x48, 0x0f, 0x6e, 0xc0, 0x66, 0x0f, 0x6c, 0xc0, 0xf3, 0x0f, 0x7f, 0x02], [0xf3, 0x0f, 0x6f, 0x0a])
      }
    // XCHG RDI, RSI and MOV RDX, RSI: the same instruction accesses the second page, then the end of the first.
    let body = [0x48, 0x87, 0xf7, 0x48, 0x89, 0xf2] + store + load
    let machine = try Self.machine(Self.loop(body))
    machine.cpu[GPR.rsi] = Self.first + 0x1000 - UInt64(size) / 2
    machine.cpu[GPR.rdi] = Self.first + 0x1100
    machine.cpu[GPR.rax] = 0x1122_3344_5566_7700
    #expect(machine.run(1000) == .halted)
    let half = size / 2
    let low = machine.memory.read(GuestPhysicalAddress(Self.places[0] + 0x1000 - UInt64(half)), count: half) ?? []
    let high = machine.memory.read(GuestPhysicalAddress(Self.places[1]), count: half) ?? []
    // RAX before the last store over the end, which is that of an even turn.
    let value = Self.word(0x5566_7708) + Self.word(0x1122_3344)
    #expect(low + high == Array((value + value).prefix(size)))
    #expect(machine.memory.read(GuestPhysicalAddress(Self.places[1] - 16), count: 16) == Array(repeating: 0, count: 16))
  }
}

/// Random accesses around the ends of pages that lie anywhere in memory: translated code beside the stepper.
@Suite struct PageEndFuzzTests {
  private static let pages = 6
  private static let first: UInt64 = 0x4000_0000
  private static let table: UInt64 = 0x10_4000

  /// Pages next to each other in linear memory, in no order in physical memory.
  private static func machine(_ code: [UInt8], translates: Bool, _ random: inout SeededRandom) throws -> Machine {
    let machine = try Machine(.long64, code: code)
    machine.cpu[SystemSlot.translatesAfter] = translates ? 1 : 0
    machine.memory.store((table - 0x1000) | 7, at: GuestPhysicalAddress(Machine.tables + 0x1000 + 8))
    machine.memory.store(table | 7, at: GuestPhysicalAddress(table - 0x1000))
    var frames = (0..<UInt64(2 * pages)).map { 0x20_0000 + $0 << 12 }
    for number in 0..<pages {
      let frame = frames.remove(at: random.below(frames.count))
      machine.memory.store(frame | 0x67, at: GuestPhysicalAddress(table + 8 * UInt64(number)))
    }
    return machine
  }

  /// An access at [RDX], or a push, a pop, a call and its return there.
  private static func access(_ random: inout SeededRandom) -> [UInt8] {
    let onStack: [UInt8] = [0x48, 0x89, 0xd4]
    let bodies: [[UInt8]] = [
      [0x88, 0x02], [0x66, 0x89, 0x02], [0x89, 0x02], [0x48, 0x89, 0x02], [0x8a, 0x1a], [0x66, 0x8b, 0x1a],
      [0x8b, 0x1a], [0x48, 0x8b, 0x1a], [0x48, 0x01, 0x02], [0x01, 0x02], [0x48, 0x03, 0x1a], [0xf3, 0x0f, 0x7f, 0x02],
      [0xf3, 0x0f, 0x6f, 0x0a, 0x66, 0x48, 0x0f, 0x7e, 0xcb], [0x48, 0x0f, 0xb6, 0x1a], [0x48, 0x63, 0x1a],
      onStack + [0x50], onStack + [0x5b], onStack + [0x50, 0x53, 0x5b],
      onStack + [0xe8, 0x02, 0, 0, 0, 0xeb, 0x01, 0xc3],
    ]
    return random.pick(bodies)
  }

  /// RAX goes on as a generator of numbers; RDX is an address some bytes around the end of a page, or anywhere.
  private static func turn(_ random: inout SeededRandom) -> [UInt8] {
    // IMUL RAX, RAX, odd; INC RAX; MOV RDX, RAX; SHR RDX, 20; AND EDX, mask.
    var code: [UInt8] = [0x48, 0x69, 0xc0, 0x2d, 0x7f, 0x95, 0x4c, 0x48, 0xff, 0xc0, 0x48, 0x89, 0xc2]
    code += [0x48, 0xc1, 0xea, 20]
    let masks: [UInt32] = [0x300f, 0x301f, 0x3fff, 0x3ff8, 0x100f]
    code += [0x81, 0xe2] + word(random.pick(masks))
    // LEA RDX, [RDX + first + most of a page]; it ends before the last one does.
    return code + [0x48, 0x8d, 0x92] + word(UInt32(first) + 0xff8 - UInt32(random.below(8))) + access(&random)
  }

  private static func word(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }

  @Test func translatedAsStepped() throws {
    let seed = LongTests.seed
    var random = SeededRandom(seed: seed)
    for program in 0..<(LongTests.areOn ? 20_000 : 60) {
      let turns = (0..<24).flatMap { _ in Self.turn(&random) }
      let back = -Int32(turns.count + 8)
      let end: [UInt8] = [0xff, 0xc9, 0x0f, 0x85] + Self.word(UInt32(bitPattern: back)) + [0xf4]
      let code = [0xb9] + Self.word(60) + turns + end
      let map = random
      var (one, two) = (map, map)
      let translated = try Self.machine(code, translates: true, &one)
      let stepped = try Self.machine(code, translates: false, &two)
      random = one
      #expect(translated.run(1 << 20) == .halted)
      while stepped.run(1) != .halted {}
      let difference = translated.cpu.state.differences(from: stepped.cpu.state)
      let pages = (0..<translated.memory.pageCount).filter { page in
        let address = translated.memory.address(ofPage: page)
        return translated.memory.read(address, count: 4096) != stepped.memory.read(address, count: 4096)
      }
      guard difference.isEmpty, pages.isEmpty, translated.cpu.retired == stepped.cpu.retired else {
        Issue.record("program \(program) of seed \(seed): \(difference), pages \(pages)")
        return
      }
    }
  }
}
