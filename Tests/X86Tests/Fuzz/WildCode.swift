internal import Support
internal import VMMCore

@testable internal import X86

/// What a blob of wild code runs as.
enum WildMode: String, CaseIterable, Sendable {
  case kernel64, user64, user32, kernel32, userOf32, real

  /// 64-bit code has most of the blobs.
  var share: UInt64 { self == .kernel64 || self == .user64 ? 1 : 8 }

  /// The state that the blob starts from; `start` is that of 64-bit code at CPL 0.
  func adjust(_ state: inout CPUState) {
    let data = Segment(selector: SystemMachine.userData | 3, base: 0, limit: .max, attributes: 0xc0f3)
    switch self {
    case .kernel64: return
    case .user64: state.cs = Segment(selector: SystemMachine.userCode | 3, base: 0, limit: .max, attributes: 0xa0fb)
    case .user32, .userOf32:
      state.cs = Segment(selector: SystemMachine.userCode32 | 3, base: 0, limit: .max, attributes: 0xc0fb)
    case .kernel32: state.cs.attributes = 0xc09b
    case .real:
      state.cs = Segment(selector: 0, base: 0, limit: 0xffff, attributes: 0x9b)
      let flat = Segment(selector: 0, base: 0, limit: 0xffff, attributes: 0x93)
      (state.ss, state.ds, state.es, state.fs, state.gs) = (flat, flat, flat, flat, flat)
      state.idtr = DescriptorTable(base: 0, limit: 0x3ff)
    }
    if self == .user64 || self == .user32 || self == .userOf32 {
      (state.ss, state.ds, state.es, state.fs, state.gs) = (data, data, data, data, data)
    }
    if self == .kernel32 || self == .userOf32 || self == .real {
      (state.cr0, state.efer) = (self == .real ? 0x30 : 0x33, 0)
    }
  }
}

/// Makes blobs of 64 bytes: every other one is a sequence of instructions that exist, with operands by chance.
struct BlobMaker {
  var random: SeededRandom

  mutating func blob() -> [UInt8] {
    var code: [UInt8] = []
    let isMeaningful = random.chance(50)
    while code.count < 64 {
      if isMeaningful && !random.chance(3) {
        code += instruction(FormCatalog.all[random.below(FormCatalog.all.count)])
      } else {
        code.append(UInt8(truncatingIfNeeded: random.next()))
      }
    }
    return Array(code.prefix(64))
  }

  private mutating func instruction(_ form: InstructionForm) -> [UInt8] {
    var made = Assembly(form: form)
    if random.chance(30) { made.rex = UInt8(random.below(8)) }
    made.register = UInt8(random.below(16))
    switch form.modRM {
    case .none: break
    case .any: made.modRM = 0xc0 | UInt8(random.below(64))
    case .row(let row): made.modRM = 0xc0 | row << 3 | UInt8(random.below(8))
    case .exact(let byte): made.modRM = byte
    }
    if form.isMemory {
      var memory = MemoryOperand()
      let base = UInt8(random.pick([0, 1, 2, 3, 5, 6, 7]))
      memory.modRM = (random.chance(70) ? 0x40 : 0x80) | base
      memory.displacement = little(
        random.chance(80) ? random.next() & 0x7f : random.next(), memory.modRM < 0x80 ? 1 : 4)
      if random.chance(10) { memory.segment = random.pick([0x64, 0x65, 0x2e, 0x36]) }
      made.memory = memory
    }
    made.locked = form.isLockable && random.chance(10)
    let value = random.chance(60) ? random.next() & 0x1f : random.interesting()
    made.immediate = little(value, form.immediateBytes)
    if random.chance(4) { made.noise = [random.pick([0x66, 0xf2, 0xf3, 0x67, 0xf0])] }
    return made.bytes(at: 0)
  }
}
